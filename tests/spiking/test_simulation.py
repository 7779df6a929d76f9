"""Spiking networks against floats, and against counts by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import LEM, LMU, Cell, Dense, Stack
from edgemem.ir import Graph, Node, trace
from edgemem.ir.passes import residual
from edgemem.spiking import SpikingNetwork, plan, prepare, simulate
from edgemem.spiking.fanout import dense_macs, fan_out
from edgemem.spiking.network import Code
from edgemem.verification import distance

Traced = Callable[[Cell], Graph]
Noise = Callable[..., np.ndarray]


@pytest.mark.parametrize("code", ["delta", "rate"])
@pytest.mark.parametrize("input_spikes", [False, True])
def test_becomes_the_float_network_as_steps_grow(
    small: Graph, noise: Noise, code: Code, input_spikes: bool
) -> None:
    x = noise(1, 3, 25)
    expected, _ = small.scan(x.astype(np.float64))
    errors = []
    for steps in (64, 1024, 8192):
        # half the rates: nothing comes near the largest one
        network = prepare(
            small, noise(0, 16, 60), steps=steps, scale=0.25, code=code, input_spikes=input_spikes
        )
        errors.append(distance(simulate(network, x).outputs, expected))
    assert errors[2] < 0.02
    assert errors[2] == pytest.approx(0.0, abs=1e-6) or errors[2] < 0.1 * errors[0]


def two_units(code: Code) -> SpikingNetwork:
    """``relu(x, -x)`` and a sum of both units, amplitude 4 and 8 steps: a spike says 1/2."""
    cell = Stack((Dense(1, 2, "relu"), Dense(2, 1)))
    arrays = {
        "0.dense.W": np.array([[1.0], [-1.0]]),
        "0.dense.b": np.zeros(2),
        "1.dense.W": np.array([[10.0, 100.0]]),
        "1.dense.b": np.array([0.25]),
    }
    network = prepare(trace(cell, arrays), np.array([[[1.0], [-1.0]]], np.float32), steps=8)
    return replace(network, code=code, amplitudes={"0.dense.y": np.full(2, 4.0)}, hop=0.5)


def test_rate_by_hand() -> None:
    x = np.array([[[1.6], [1.6], [-9.0], [0.0]]], np.float32)
    run = simulate(two_units("rate"), x, ["0.dense.y"])
    # 3.2 spikes round to 3; 9 is clipped at 8 spikes, which say 4
    np.testing.assert_allclose(run.outputs[0, :, 0], [15.25, 15.25, 400.25, 0.25])
    np.testing.assert_array_equal(run.populations[0].sent, [6, 8])
    np.testing.assert_array_equal(
        run.spikes["0.dense.y"].sum(axis=2)[0], [[3, 0], [3, 0], [0, 8], [0, 0]]
    )


def test_delta_by_hand() -> None:
    x = np.array([[[1.6], [1.6], [-9.0], [-9.0], [-9.0]]], np.float32)
    run = simulate(two_units("delta"), x, ["0.dense.y"])
    # 3 spikes once, taken back; 18 spikes in parts of at most 8
    trains = run.spikes["0.dense.y"].sum(axis=2)[0]
    np.testing.assert_array_equal(trains, [[3, 0], [0, 0], [-3, 8], [0, 8], [0, 2]])
    np.testing.assert_allclose(run.outputs[0, :, 0], [15.25, 15.25, 400.25, 800.25, 900.25])
    np.testing.assert_array_equal(run.probes["0.dense.y"][0, -1], [0.0, 9.0])


def test_counts_by_hand() -> None:
    x = np.array([[[1.6], [1.6], [-9.0], [0.0]]], np.float32)
    run = simulate(two_units("rate"), x)
    counts = run.counts
    assert (counts.frames, counts.messages) == (4, 14)
    assert counts.synaptic_operations == 14  # one weight behind each unit
    assert counts.macs == 4 * 2  # the input's two weights in each frame
    # one stage: both units may fire in every step
    assert (counts.active_updates, counts.idle_updates) == (4 * 2 * 8, 0)
    population = run.populations[0]
    assert (population.chances, population.seconds) == (32, 2.0)
    np.testing.assert_allclose(population.rates(), [3.0, 4.0])


def test_synapses_by_hand() -> None:
    graph = trace(LEM(3, 2), LEM(3, 2).init(np.random.default_rng(0)))
    params = {**graph.params, "W_1": np.array([[1.0, 0.0], [0.0, 0.0]])}
    fans = fan_out(graph.with_params(params), plan(graph))
    # y: W_1 (one weight), W_2 and W_z (two each); z: W_y (two); a factor adds once to its product
    np.testing.assert_array_equal(fans["y_new"], [5, 4])
    np.testing.assert_array_equal(fans["z_new"], [2, 2])
    for name in ("dt", "dt_bar", "z_candidate", "y_candidate"):
        np.testing.assert_array_equal(fans[name], [1, 1])
    assert dense_macs(graph, plan(graph)) == 4 * 2 * 3


def test_synapses_of_a_memory_by_hand() -> None:
    cell = LMU(3, 7, 4, 9.0, 2, activation="relu")
    graph = residual(trace(cell, cell.init(np.random.default_rng(0))))
    found = plan(graph)
    # a coefficient reaches the 4 of its channel through A and the 7 units through W_m
    np.testing.assert_array_equal(fan_out(graph, found)["m_new"], np.full(8, 11))
    # e_x, 2 by 3, and B, 4 by 1 for each channel
    assert dense_macs(graph, found) == 6 + 8


def gated() -> Graph:
    """``tanh(x_0) * sigmoid(x_1)``."""
    nodes = (
        Node("slice_0", "slice", ("x",), (1,), (0, 1)),
        Node("slice_1", "slice", ("x",), (1,), (1, 2)),
        Node("a", "tanh", ("slice_0",), (1,)),
        Node("b", "sigmoid", ("slice_1",), (1,)),
        Node("y", "mul", ("a", "b"), (1,)),
    )
    return Graph(2, {}, frozenset(), {}, nodes, {}, "y")


def test_a_gating_product_by_hand() -> None:
    network = SpikingNetwork(gated(), {"a": np.ones(1), "b": np.ones(1)}, 8, "rate")
    x = np.array([[[np.arctanh(0.5), 0.0], [np.arctanh(-0.25), np.log(3.0)]]], np.float32)
    run = simulate(network, x, ["a", "b"])
    # 4 and 4 of 8 spikes; -2 and 6
    np.testing.assert_allclose(run.outputs[0, :, 0], [0.25, -0.1875])
    np.testing.assert_array_equal(run.spikes["a"].sum(axis=2).ravel(), [4, -2])
    np.testing.assert_array_equal(run.spikes["b"].sum(axis=2).ravel(), [4, 6])


def test_populations_fire_in_their_windows(traced: Traced, noise: Noise) -> None:
    network = prepare(traced(LEM(3, 5)), noise(0, 4, 30), steps=43)
    run = simulate(network, noise(1, 2, 6), network.probes)
    for population in network.populations:
        train = np.abs(run.spikes[population.name]).sum(axis=(0, 1, 3))
        start = (population.stage - 1) * network.window
        assert train[start : start + network.window].sum() == train.sum() > 0


def test_sequences_do_not_meet(small: Graph, noise: Noise) -> None:
    network = prepare(small, noise(0, 4, 30), steps=40)
    x = noise(1, 3, 8)
    together = simulate(network, x)
    for i in range(3):
        np.testing.assert_allclose(
            simulate(network, x[i : i + 1]).outputs[0], together.outputs[i], atol=1e-6
        )


def test_a_code_of_changes_rests_when_the_input_does(traced: Traced, noise: Noise) -> None:
    graph = traced(LEM(3, 5))
    x = np.repeat(noise(1, 1, 1), 200, axis=1)
    spikes = {}
    for code in ("delta", "rate"):
        network = prepare(graph, noise(0, 4, 30), steps=64, code=code)  # type: ignore[arg-type]
        late = simulate(network, x, ["y_new"]).spikes["y_new"][:, 150:]
        spikes[code] = int(np.abs(late).sum())
    assert spikes["delta"] < 0.1 * spikes["rate"]
