"""Steps of float64 graphs against forward Euler of the NIR nodes that stand for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.cells.lmu import legendre_delay
from edgemem.errors import ConfigError, UnsupportedOpError
from edgemem.ir import Graph, trace
from edgemem.ops import Array
from edgemem_nir.comparators import staircase
from edgemem_nir.executor import Executor
from edgemem_nir.hdf5 import parse
from edgemem_nir.lower import lower
from edgemem_nir.network import Network
from edgemem_nir.order import evaluation_order
from edgemem_nir.writing import to_bytes


def traced(cell: Cell, seed: int = 0, scale: float = 0.3) -> Graph:
    rng = np.random.default_rng(seed)
    return trace(cell, {k: scale * rng.normal(size=s) for k, s in cell.params.items()})


def run(network: Network, x: Array) -> Array:
    """What a network gives that was written and read back."""
    executor = Executor(parse(to_bytes(network), "here"))
    return executor.run({executor.inputs[0]: x})[executor.outputs[0]]


def distance(y: Array, expected: Array) -> float:
    return float(np.sqrt(np.mean((y - expected) ** 2) / np.mean(expected**2)))


def of_kind(network: Network, kind: str) -> list[str]:
    return sorted(name for name, node in network.nodes.items() if node.kind == kind)


def test_a_memory_is_an_integrator_whose_euler_step_is_zero_order_hold() -> None:
    dt = 0.02
    network = lower(traced(LMU(1, 2, 6, 25.0, activation="linear")), dt)
    (memory,) = of_kind(network, "I")
    sources = dict.fromkeys(network.sources()[memory])
    (recurrent,) = (name for name in sources if (memory, name) in network.edges)
    A, B = legendre_delay(6, 25.0)
    # dm/dt = (1/dt) ((A - I) m + B u)
    np.testing.assert_allclose(network.nodes[memory].values["r"], np.full(6, 1 / dt), rtol=1e-7)
    np.testing.assert_allclose(
        network.nodes[recurrent].values["weight"], A - np.eye(6), rtol=1e-6, atol=1e-9
    )
    sources.pop(recurrent)
    (driven,) = sources
    np.testing.assert_allclose(network.nodes[driven].values["weight"], B, rtol=1e-6)
    assert network.metadata["dt"] == dt


def test_the_hidden_state_reads_the_new_memory() -> None:
    # order 1: m <- a m + b x, h = 3 m + 0.5, by hand
    A, B = legendre_delay(1, 2.0)
    graph = trace(
        LMU(1, 1, 1, 2.0, activation="linear"),
        {"e_x": np.ones((1, 1)), "W_m": np.full((1, 1), 3.0), "b": np.full(1, 0.5)},
    )
    y = run(lower(graph, 1.0), np.array([[1.0], [0.0], [0.0]]))
    a, b = float(A[0, 0]), float(B[0, 0])
    np.testing.assert_allclose(y[:, 0], [3 * b + 0.5, 3 * a * b + 0.5, 3 * a * a * b + 0.5])


flags = st.tuples(*[st.booleans()] * 5)


@settings(max_examples=30)
@given(
    coupled=flags,
    channels=st.integers(1, 3),
    order=st.integers(1, 7),
    layers=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
    dt=st.floats(1e-4, 10.0),
)
def test_any_linear_stack_gives_the_steps_of_its_graph(
    coupled: tuple[bool, bool, bool, bool, bool],
    channels: int,
    order: int,
    layers: int,
    seed: int,
    dt: float,
) -> None:
    cells: list[Cell] = [Norm(3)]
    for _ in range(layers):
        n_in = cells[-1].n_out
        cells += [
            LMU(n_in, 5, order, 3.0 * order, channels, *coupled, "linear"),
            Norm(5),
        ]
    graph = traced(Stack((*cells, Dense(5, 2))), seed, 0.2)
    x = np.random.default_rng(seed).normal(size=(2, 30, 3))
    expected, _ = graph.scan(x)
    assert distance(run(lower(graph, dt), x), expected) < 1e-5


@pytest.mark.parametrize("cell", [Dense(4, 3), Norm(4), Stack((Norm(4), Dense(4, 4), Norm(4)))])
def test_layers_without_memory(cell: Cell) -> None:
    graph = traced(cell)
    x = np.random.default_rng(1).normal(size=(20, 4))
    network = lower(graph, 0.01)
    # gains and offsets are folded: one node does it all
    assert len(of_kind(network, "Affine")) == len(network.nodes) - 2 == 1
    assert distance(run(network, x), graph.scan(x)[0]) < 1e-6


def test_a_long_memory_stays_where_it_is() -> None:
    graph = traced(LMU(1, 4, 64, 784.0, activation="linear"))
    x = np.random.default_rng(2).normal(size=(3000, 1))
    assert distance(run(lower(graph, 0.001), x), graph.scan(x)[0]) < 1e-4


def test_names_stand_in_the_order_of_computation() -> None:
    cell = LMU(2, 3, 4, 9.0, 2, True, True, True, True, activation="linear")
    network = lower(traced(cell), 0.01)
    order = evaluation_order(network)
    # what reads a state before its step waits for it; everything else follows the names
    late = {name for name in network.nodes if any(w in name for w in ("e_h", "e_m", "_A_", "W_h"))}
    kept = [name for name in order if name not in late]
    assert kept == sorted(kept)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (LEM(3, 4), "mul: its products of two signals have no node in NIR"),
        (LSTM(3, 4), "sigmoid: NIR has no node for a function of a value"),
        (GRU(3, 4), "mul: its products of two signals"),
        (Dense(3, 4, "sigmoid"), "^target 'nir' cannot lower this network: sigmoid: NIR has no"),
    ],
)
def test_what_has_no_node_is_refused_with_a_reason(cell: Cell, reason: str) -> None:
    with pytest.raises(UnsupportedOpError, match=reason):
        lower(traced(cell), 0.01)


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
}


@settings(max_examples=30)
@given(
    op=st.sampled_from(sorted(FUNCTIONS)),
    levels=st.integers(1, 100),
    peak=st.floats(0.01, 100.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_comparators_round_to_the_nearest_level(
    op: str, levels: int, peak: float, seed: int
) -> None:
    x = np.random.default_rng(seed).uniform(-1.2, 1.0, 200) * (peak if op == "relu" else 3.0)
    steps = staircase(op, np.array([peak]), levels)
    counted = steps.lowest + steps.height[0] * np.sum(x[:, None] > steps.thresholds, axis=1)
    exact = FUNCTIONS[op](x)
    nearest = np.rint((exact - steps.lowest) / steps.height[0]) * steps.height[0] + steps.lowest
    np.testing.assert_allclose(counted, nearest, atol=1e-9 * peak)
    assert np.all(np.abs(counted - exact) <= steps.height[0] * (0.5 + 1e-9))


def test_a_unit_that_the_calibration_never_woke_has_the_levels_of_the_others() -> None:
    steps = staircase("relu", np.array([2.0, 0.0, 4.0]), 4)
    np.testing.assert_allclose(steps.height, [0.5, 0.5, 1.0])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_more_levels_are_nearer(activation: str) -> None:
    cell = LMU(3, 6, 4, 9.0, 2, True, True, True, True, True, activation)
    graph = traced(cell)
    x = np.random.default_rng(4).normal(size=(4, 60, 3))
    expected, _ = graph.scan(x)
    calibration = x.astype(np.float32)
    errors = {n: distance(run(lower(graph, 0.01, calibration, n), x), expected) for n in (16, 256)}
    assert errors[256] < 0.01
    assert errors[256] < errors[16] / 8


def test_comparators_are_neurons_that_forget_within_a_step() -> None:
    graph = traced(Dense(3, 2, "relu"))
    x = np.random.default_rng(5).normal(size=(1, 50, 3)).astype(np.float32)
    network = lower(graph, 0.02, x, 10)
    (neurons,) = of_kind(network, "LIF")
    values = network.nodes[neurons].values
    assert values["v_threshold"].shape == (20,)
    np.testing.assert_allclose(values["tau"], 0.02)
    executor = Executor(network)
    executor.step({executor.inputs[0]: x[0, 0]})
    spikes = executor.values[neurons].reshape(2, 10)
    # a thermometer: what is above a level is above those below
    assert np.all(np.diff(spikes, axis=1) <= 0)


def test_a_relu_whose_range_nobody_measured() -> None:
    with pytest.raises(ConfigError, match="relu: how high it goes must be measured"):
        lower(traced(Dense(3, 4, "relu")), 0.01)
