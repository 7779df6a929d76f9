from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LMU, Dense
from edgemem.errors import ConfigError, ModelError
from edgemem.ir import Graph, trace
from edgemem.quantize import IntegerOps, Scheme, build, observe


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


def test_refuses_a_relu_that_never_lets_anything_through() -> None:
    graph = dense([[1.0, 1.0]], [-99.0], "relu")
    with pytest.raises(ConfigError, match="is 0 at every step, so that its range cannot"):
        build(graph, Scheme(), moving())


def test_refuses_an_output_that_never_moves() -> None:
    graph = dense([[0.0, 0.0]], [3.0], "linear")
    with pytest.raises(ConfigError, match="is 3 at every step, so that its range cannot"):
        build(graph, Scheme(), moving())


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
