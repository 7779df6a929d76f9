"""Spiking networks in Nengo against their closed form: every spike, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import nengo
import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.energy import Execution, Simulated
from edgemem.errors import ConfigError, ShapeError, UnknownNameError
from edgemem.ir import trace
from edgemem.networks.spiking import NengoMachine, build, currents
from edgemem.networks.spiking_units import TanhSpikes
from edgemem.spiking import SpikingNetwork, prepare, simulate
from edgemem.spiking.network import Code

N_IN = 3

CELLS: dict[str, Cell] = {
    "lmu": LMU(N_IN, 5, 4, 9.0, memory_d=2, activation="relu"),
    "lmu-all": LMU(N_IN, 5, 4, 9.0, 2, True, True, True, True, True, "sigmoid"),
    "lem": LEM(N_IN, 5),
    "lem-slow": LEM(N_IN, 4, dt=0.2),
    "lstm": LSTM(N_IN, 5),
    "gru": GRU(N_IN, 5),
    "stack": Stack((Norm(N_IN), LEM(N_IN, 5), Norm(5), LMU(5, 6, 3, 5.0), Dense(6, 2))),
}


def noise(seed: int, n: int, t: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, t, N_IN))
    for i in range(1, t):
        x[:, i] = 0.8 * x[:, i - 1] + 0.6 * x[:, i]
    return x.astype(np.float32)


def spiking(cell: Cell, code: Code = "delta", input_spikes: bool = False) -> SpikingNetwork:
    rng = np.random.default_rng(3)
    params = cell.init(rng)
    for name, array in params.items():
        if array.ndim == 1:
            params[name] = array + rng.normal(scale=0.3, size=array.shape)
    # 43 steps leave some over in most of them
    return prepare(
        trace(cell, params), noise(0, 8, 40), steps=43, code=code, input_spikes=input_spikes
    )


def share_of_spikes(a: Execution, b: Execution) -> float:
    """Least share, over populations, of steps and units that do the same."""
    assert set(a.spikes) == set(b.spikes)
    return min(float(np.mean(a.spikes[name] == b.spikes[name])) for name in a.spikes)


@pytest.mark.parametrize(("code", "input_spikes"), [("delta", True), ("rate", False)])
@pytest.mark.parametrize("name", CELLS)
def test_core_nengo_sends_the_same_spikes(name: str, code: Code, input_spikes: bool) -> None:
    network = spiking(CELLS[name], code, input_spikes)
    x = noise(1, 2, 10)  # ten frames do not fill the last block
    expected = simulate(network, x, network.probes)
    found = NengoMachine(network, "nengo").simulate(x, network.probes)
    assert share_of_spikes(expected, found) == 1.0
    np.testing.assert_allclose(found.outputs, expected.outputs, atol=1e-6)
    assert found.counts == expected.counts
    for probe in network.probes:
        np.testing.assert_allclose(found.probes[probe], expected.probes[probe], atol=1e-10)
    for a, b in zip(found.populations, expected.populations):
        assert (a.name, a.chances, a.seconds) == (b.name, b.chances, b.seconds)
        np.testing.assert_array_equal(a.sent, b.sent)


@pytest.mark.parametrize(("name", "code"), [("lem", "delta"), ("lmu-all", "rate")])
def test_nengodl_sends_nearly_the_same_spikes(name: str, code: Code) -> None:
    network = spiking(CELLS[name], code)
    x = noise(1, 3, 10)
    expected = simulate(network, x, network.probes)
    found = NengoMachine(network, "nengo-dl").simulate(x, network.probes)
    assert share_of_spikes(expected, found) > 0.999
    np.testing.assert_array_equal(
        found.outputs[:, -1].argmax(axis=-1), expected.outputs[:, -1].argmax(axis=-1)
    )


def test_a_unit_step_by_step() -> None:
    with nengo.Network() as network:
        drive = nengo.Node([0.0])
        units = TanhSpikes(steps=6, start=2, window=4, amplitude=np.ones(1))
        ensemble = nengo.Ensemble(
            1, 1, neuron_type=units, gain=[1], bias=[0], encoders=[[1]], eval_points=[[0.0]]
        )
        nengo.Connection(drive, ensemble.neurons, synapse=None)
        probe = nengo.Probe(ensemble.neurons, synapse=None)
    # tanh(0.5493) = 0.5, brought by the first step of each frame
    drive.output = lambda t: 0.5493061443340549 / 0.001 if round(t / 0.001) % 6 == 1 else 0.0
    with nengo.Simulator(network, dt=0.001, progress_bar=False) as simulator:
        simulator.run_steps(12)
        spikes = simulator.data[probe][:, 0] * 0.001
    # v: 1/2 -> spike, 0, 1/2 -> spike, 0, within the window of steps 2 to 5
    np.testing.assert_allclose(spikes, [0, 0, 1, 0, 1, 0] * 2)


def test_labels_are_the_terms() -> None:
    built = build(spiking(CELLS["stack"]))
    assert set(built.populations) >= {"1.lem.dt", "1.lem.z_new", "3.lmu.m_new", "3.lmu.h_new"}
    assert built.populations["1.lem.z_new"].label == "z_new"
    assert {"1.lem.dt", "3.lmu.u"} <= set(built.parts)
    assert {net.label for net in built.networks} == {"1.lem", "3.lmu", "4.dense"}
    axon = next(node for node in built.all_nodes if node.label == "z_new spikes")
    out = [c for c in built.all_connections if c.pre_obj is axon]
    # over W_y to the candidate of y
    assert [c.post_obj for c in out] == [built.populations["1.lem.y_candidate"].neurons]
    assert out[0].transform.init.shape == (5, 5)


def test_currents() -> None:
    x = np.array([[1.0], [3.0]])
    network = spiking(Dense(N_IN, 2, "relu"), "delta")
    pulses = currents(network, np.repeat(x, N_IN, axis=1)) * network.dt
    np.testing.assert_allclose(np.flatnonzero(pulses[:, 0]), [0, network.steps])
    np.testing.assert_allclose(pulses[[0, network.steps], 0], [1.0, 2.0])


def test_a_machine_is_simulated() -> None:
    machine = NengoMachine(spiking(CELLS["lem"]), "nengo")
    assert isinstance(machine, Simulated)
    assert (machine.n_in, machine.n_out) == (N_IN, 5)


class Other:
    network = None


@pytest.mark.parametrize("runner", [Other(), object()])
def test_refuses_another_target(runner: object) -> None:
    with pytest.raises(ConfigError, match="'nengo' runs spiking networks"):
        NengoMachine.of(runner, "nengo")


def test_refuses_what_it_does_not_have() -> None:
    network = spiking(CELLS["lem"])
    with pytest.raises(ConfigError, match="no backend named 'brian'; known: nengo, nengo-dl"):
        NengoMachine(network, "brian")  # type: ignore[arg-type]
    machine = NengoMachine(network, "nengo")
    missing: Sequence[str] = ["zz"]
    with pytest.raises(UnknownNameError, match="no probe named 'zz'"):
        machine.simulate(noise(1, 1, 2), missing)
    with pytest.raises(ShapeError, match=r"expected \(n, t, 3\)"):
        machine.simulate(np.zeros((1, 2, 4), np.float32))
