from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LMU, Dense, Stack
from edgemem.errors import ConfigError, ModelError
from edgemem.ir import Graph, trace
from edgemem.quantize import IntegerOps, Scheme, build, observe
from edgemem.quantize.calibration import FINEST, ranges


def test_ranges_are_those_along_the_sequences() -> None:
    cell = LMU(2, 4, 4, 8.0, activation="relu")
    rng = np.random.default_rng(0)
    graph = trace(cell, cell.init(rng))
    x = rng.normal(size=(3, 20, 2)).astype(np.float32)
    seen = observe(graph, x)
    # by hand: the memory of each sequence, and of each going on from where another ended
    memories = []
    carried = graph.zero_state((3,))
    for _ in range(2):
        for t in range(20):
            memories.append(carried["m"])
            carried, _ = cell.step(_float_ops(), graph.params, carried, x[:, t].astype(float))
        carried = {name: np.roll(value, 1, axis=0) for name, value in carried.items()}
    assert seen["m"].low == pytest.approx(np.min(memories))
    assert seen["m"].high == pytest.approx(np.max(memories))
    assert (seen["x"].low, seen["x"].high) == (x.min(), x.max())
    assert seen["h_new"].low >= 0.0
    assert seen["x"].magnitude == np.abs(x).max()


def _float_ops():  # type: ignore[no-untyped-def]
    from edgemem.ops import FloatOps

    return FloatOps()


def test_samples_lie_in_the_range_and_come_from_all_steps() -> None:
    graph = trace(Dense(1, 1), {"W": np.ones((1, 1)), "b": np.zeros(1)})
    x = np.arange(50, dtype=np.float32).reshape(1, 50, 1)
    sample = observe(graph, x)["x"].sample
    assert set(sample) == set(range(50))


@pytest.mark.parametrize("shape", [(0, 5, 2), (3, 0, 2), (3, 5, 4), (5, 2)])
def test_refuses_sequences_of_another_shape(shape: tuple[int, ...]) -> None:
    cell = Dense(2, 1)
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    with pytest.raises(ConfigError, match="expected"):
        observe(graph, np.zeros(shape, np.float32))


def test_refuses_a_network_that_diverges() -> None:
    graph = trace(Dense(1, 1), {"W": np.full((1, 1), 1e308), "b": np.zeros(1)})
    with np.errstate(over="ignore"), pytest.raises(ConfigError, match="infinite or NaN"):
        observe(graph, np.array([[[1.0], [10.0]]], np.float32))


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf])
def test_refuses_weights_that_are_no_numbers(wild: float) -> None:
    graph = trace(Dense(2, 1), {"W": np.array([[1.0, wild]]), "b": np.zeros(1)})
    with pytest.raises(ModelError, match="'W' holds NaN or infinity"):
        observe(graph, moving())


@pytest.mark.parametrize("wild", [np.nan, np.inf])
def test_refuses_sequences_that_are_no_numbers(wild: float) -> None:
    x = moving()
    x[1, 2, 0] = wild
    graph = trace(Dense(2, 1), {"W": np.ones((1, 2)), "b": np.zeros(1)})
    with pytest.raises(ConfigError, match="sequences hold NaN or infinity"):
        observe(graph, x)


def moving(n: int = 3, t: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, t, 2)).astype(np.float32)


@pytest.mark.parametrize("level", [(0.0, 0.0), (-90.0, -90.0), (3.0, 7.0)])
def test_refuses_sequences_that_never_leave_silence(level: tuple[float, float]) -> None:
    graph = trace(Dense(2, 1), {"W": np.ones((1, 2)), "b": np.zeros(1)})
    silence = np.broadcast_to(np.array(level, np.float32), (3, 5, 2))
    with pytest.raises(ConfigError, match=r"every step of 3 sequences is the same, as in silence"):
        observe(graph, silence)
    # one step that differs is something heard
    heard = silence.copy()
    heard[2, 4, 1] += 1.0
    assert observe(graph, heard)["x"].high == level[1] + 1.0


def dense(W: list[list[float]], b: list[float], activation: str) -> Graph:
    return trace(Dense(2, len(b), activation=activation), {"W": np.array(W), "b": np.array(b)})


def run(graph: Graph, calibration: np.ndarray, x: np.ndarray, form: str) -> np.ndarray:
    """Outputs of the integer program over ``x``."""
    program = build(graph, Scheme(form), calibration).program
    ops, states, found = IntegerOps(program), program.zero_state((len(x),)), []
    for t in range(x.shape[1]):
        states, values = ops.step(states, ops.quantize(x[:, t]))
        found.append(ops.dequantize(values[program.output]))
    return np.stack(found, 1)


@pytest.mark.parametrize("form", ["int8", "int16"])
def test_a_relu_that_lets_nothing_through_is_zero(form: str) -> None:
    cell = Stack((Dense(2, 3, "relu"), Dense(3, 2)))
    params = {
        "0.dense.W": np.ones((3, 2)),
        "0.dense.b": np.full(3, -99.0),
        "1.dense.W": np.array([[1.0, -2.0, 3.0], [0.5, 0.5, 0.5]]),
    }
    for bias in (np.zeros(2), np.array([3.0, -1.5])):
        graph = trace(cell, {**params, "1.dense.b": bias})
        y = run(graph, moving(), moving(), form)
        np.testing.assert_allclose(y, np.broadcast_to(bias, y.shape), atol=0.02)


def test_a_relu_that_was_silent_still_speaks_where_it_is_reached() -> None:
    graph = dense([[1.0, 1.0]], [-10.0], "relu")
    x = 4.0 * np.ones((1, 1, 2), np.float32)
    quiet = np.concatenate([x, -x], axis=1)  # 8 - 10 and -8 - 10: nothing
    loud = np.array([[[4.0, 4.0]]], np.float32)
    assert run(graph, quiet, loud, "int8").item() == 0.0
    # seen up to 6 at the input, which the format of the input holds: 12 - 10
    quiet = np.stack([[[6.0, 0.0]], [[0.0, 6.0]]]).astype(np.float32)
    got = run(graph, quiet, np.array([[[6.0, 6.0]]], np.float32), "int8").item()
    assert got == pytest.approx(2.0, abs=0.1)


def test_an_output_that_never_moves_is_what_it_is() -> None:
    y = run(dense([[0.0, 0.0]], [3.0], "linear"), moving(), moving(), "int8")
    np.testing.assert_allclose(y, 3.0, atol=3.0 / 255)


def test_ranges_of_values_that_hardly_left_zero() -> None:
    # 6 - (6 - 2^-30): the terms cancel but for what rounding would leave
    graph = dense([[1.0, 1.0]], [-6.0 + 2.0**-30], "relu")
    x = np.array([[[6.0, 0.0], [0.0, 6.0], [1.0, 2.0]]], np.float32)
    found = ranges(graph, observe(graph, x))
    # the sum went down to -3, and above zero by 2^-30 only
    assert observe(graph, x)[graph.output].high == pytest.approx(2.0**-30)
    assert found[graph.output].low == 0.0
    assert found[graph.output].high == pytest.approx(3.0 * FINEST)
    # what moved as far as its terms do is left as it was seen
    plain = dense([[1.0, 1.0]], [1.0], "linear")
    seen = observe(plain, x)
    assert ranges(plain, seen) == seen


def test_a_range_of_zero_from_weights_of_zero_is_no_silence() -> None:
    cell = GRU(2, 3)
    params = cell.init(np.random.default_rng(0))
    params = {name: 0.0 * a if name.startswith("U_") else a for name, a in params.items()}
    graph, x = trace(cell, params), moving(8, 20)
    program = build(graph, Scheme(), x).program
    ops, states, found = IntegerOps(program), program.zero_state((8,)), []
    for t in range(20):
        states, values = ops.step(states, ops.quantize(x[:, t]))
        found.append(ops.dequantize(values[program.output]))
    exact, _ = graph.scan(x.astype(float))
    assert np.abs(np.stack(found, 1) - exact).max() < 0.05 * np.abs(exact).max()
