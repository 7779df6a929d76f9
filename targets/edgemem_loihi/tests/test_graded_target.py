"""The profile loihi2 end to end: equations in float64, probes, counts, files, bad input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from edgemem import artefact
from edgemem.artefact import Artefact, Golden
from edgemem.cells import LEM, LMU, Cell, Dense, Norm, Stack
from edgemem.cells.lmu import legendre_delay, legendre_window
from edgemem.energy import Simulated
from edgemem.errors import (
    ArtefactError,
    ConfigError,
    PlacementError,
    ShapeError,
    UnknownNameError,
)
from edgemem.ir import Graph, trace
from edgemem.ops import FloatOps
from edgemem.quantize import Scheme
from edgemem_loihi import TARGET, LoihiOptions
from edgemem_loihi.graded import convert as conversion
from edgemem_loihi.graded.runner import GradedRunner
from edgemem_loihi.placement import LOIHI, place

NET = Stack(
    (
        Norm(3),
        LMU(3, 8, 6, 12.0, 2, input_to_hidden=True, activation="linear"),
        Norm(8, "relu"),
        LEM(8, 6),
        Dense(6, 3),
    )
)


@dataclass(frozen=True)
class Net:
    cell: Cell
    arrays: Any = None
    name: str = "net"
    scheme: Scheme | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(f"label{i}" for i in range(self.cell.n_out))

    def graph(self) -> Graph:
        given = self.arrays or self.cell.init(np.random.default_rng(7))
        return trace(self.cell, given)

    def reference(self) -> Graph:
        return self.graph()


def noise(seed: int, n: int, t: int, n_in: int = 3) -> Any:
    """Noise that changes slowly, of RMS 1."""
    x = np.random.default_rng(seed).normal(size=(n, t, n_in))
    for i in range(1, t):
        x[:, i] = 0.9 * x[:, i - 1] + np.sqrt(1 - 0.9**2) * x[:, i]
    return x.astype(np.float32)


def converted(net: Net, calibration: Any, **options: Any) -> Artefact:
    made = TARGET.convert(net, LoihiOptions(**options), calibration)
    golden = Golden(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32))
    fields = {"target": "loihi", **made.facts}
    return artefact.build(made.payload, fields, net.labels, golden, made.parts)


@cache
def runner(**options: Any) -> GradedRunner:
    return GradedRunner(converted(Net(NET), noise(0, 16, 60), **options))


@cache
def memory(order: int, theta: float, **options: Any) -> GradedRunner:
    cell = LMU(1, 1, order, theta, activation="linear")
    window = legendre_window(order, np.ones(1))
    arrays = {"e_x": np.ones((1, 1)), "W_m": window, "b": np.zeros(1)}
    return GradedRunner(converted(Net(cell, arrays), noise(0, 16, 600, 1), **options))


def states_in_floats(order: int, theta: float, x: Any) -> Any:
    A, B = legendre_delay(order, theta)
    m, found = np.zeros((len(x), order)), []
    for t in range(x.shape[1]):
        m = m @ A.T + x[:, t] @ B.T
        found.append(m)
    return np.stack(found, axis=1)[:, :, None]


@pytest.mark.parametrize(
    ("order", "theta", "states", "error"),
    # weights of 8 bits alone cost order 6 about 0.7 %; two halves cost order 48 next to nothing
    [(6, 100.0, "16", 0.01), (6, 100.0, "24", 0.01), (48, 400.0, "24", 0.005)],
)
def test_a_memory_follows_its_equations(
    order: int, theta: float, states: str, error: float
) -> None:
    machine = memory(order, theta, quantize="int16", states=states)
    x = noise(1, 2, 1000, 1)
    found = machine.simulate(x, ("m_new",)).probes["m_new"]
    expected = states_in_floats(order, theta, x.astype(np.float64))
    off = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
    assert off <= error
    # the memory, its input, and what reads it
    assert machine.network.n_units == order + 2


def test_probes_speak_as_the_trained_network_does() -> None:
    machine, graph = runner(quantize="int16"), Net(NET).graph()
    assert isinstance(machine, Simulated)
    assert {"1.lmu.u", "1.lmu.m_new", "2.norm.y", "3.lem.z_new", "3.lem.dt"} <= set(machine.probes)
    x = noise(3, 2, 30)
    found = machine.simulate(x, machine.probes).probes
    states = graph.zero_state((2,))
    for t in range(30):
        values = graph.run(FloatOps(), graph.params, states, x[:, t].astype(np.float64))
        states = {state: values[after] for state, after in graph.next_states.items()}
    for name in machine.probes:
        size = np.sqrt(np.mean(values[name] ** 2))
        assert found[name].dtype == np.float32
        off = np.sqrt(np.mean((found[name][:, -1] - values[name]) ** 2)) / size
        assert off < 0.05, name


def test_many_sequences_are_each_one_alone() -> None:
    machine, x = runner(threshold=0.1), noise(4, 3, 20)
    together = machine.simulate(x)
    machine.reset()
    for i in range(3):
        machine.reset()
        alone = np.stack([machine.step(frame) for frame in x[i]])
        np.testing.assert_array_equal(together.outputs[i], alone)
    parts = [machine.simulate(x[i : i + 1]) for i in range(3)]
    total = parts[0].counts + parts[1].counts + parts[2].counts
    assert total == together.counts


def test_thresholds_trade_messages_for_error() -> None:
    x = noise(5, 4, 60)
    runs = [runner(threshold=threshold).simulate(x) for threshold in (0.0, 0.1, 0.3)]
    messages = [run.counts.messages for run in runs]
    operations = [run.counts.synaptic_operations for run in runs]
    assert messages[0] > messages[1] > messages[2]
    assert operations[0] > operations[1] > operations[2]
    exact = runs[0].outputs
    errors = [float(np.sqrt(np.mean((run.outputs - exact) ** 2))) for run in runs]
    assert errors[0] == 0.0 < errors[1] < errors[2]


def test_counts_add_up() -> None:
    machine, x = runner(), noise(6, 2, 25)
    run = machine.simulate(x)
    network, counts = machine.network, run.counts
    # one core: what leaves a unit arrives there once
    assert counts.messages == sum(int(a.sent.sum()) for a in run.populations)
    assert counts.frames == 50
    assert counts.barriers == 50 * network.steps
    assert counts.active_updates + counts.idle_updates == 50 * network.n_units * network.steps
    assert run.populations[0].name == "x"
    names = [a.name for a in run.populations]
    assert names == [a.name for a in machine.simulate(x[:1]).populations]


def test_a_smaller_threshold_is_held_to_nothing_stricter() -> None:
    found = [TARGET.tolerance(LoihiOptions(threshold=t)) for t in (0.0, 0.05, 0.2, 1.0)]
    assert len(set(found)) == 1 and found[0].replay == 0.0


# bad input


@pytest.mark.parametrize("threshold", [-0.1, 10.0, float("nan")])
def test_refuses_a_threshold_that_cannot_work(threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"threshold .* share of how far values move"):
        LoihiOptions(threshold=threshold)


def test_refuses_a_probe_that_does_not_exist() -> None:
    with pytest.raises(UnknownNameError, match=r"no probe named 'h'; known: .*1\.lmu\.m_new"):
        runner().simulate(noise(0, 1, 2), ("h",))


def test_refuses_sequences_of_another_width() -> None:
    with pytest.raises(ShapeError, match=r"expected \(n, t, 3\)"):
        runner().simulate(noise(0, 1, 2, 4))


def test_refuses_a_network_larger_than_the_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(LOIHI, columns=1, rows=1, cores_per_tile=1)
    small = replace(small, core=replace(small.core, compartments=8))
    monkeypatch.setattr(conversion, "place", partial(place, limits=small))
    with pytest.raises(PlacementError, match=r"cores|compartments"):
        converted(Net(NET), noise(0, 16, 60))


@pytest.mark.parametrize(
    ("part", "data"),
    [
        ("graded.json", b"{}"),
        ("graded.json", b'{"accumulators":"none","overflow":"strict"}'),
        ("placement.json", b"[]"),
        ("program.json", b"{"),
    ],
)
def test_refuses_damaged_parts(part: str, data: bytes) -> None:
    whole = converted(Net(NET), noise(0, 16, 60))
    damaged = replace(whole, parts={**whole.parts, part: data})
    with pytest.raises(ArtefactError, match=r"convert the model again"):
        GradedRunner(damaged)
