"""What every installed target does with every cell. A new target gets these tests for nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from edgemem import artefact, target
from edgemem.artefact import Artefact, Golden
from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Conv, Dense, Norm, Stack
from edgemem.energy import Simulated
from edgemem.errors import ShapeError, UnsupportedOpError
from edgemem.ir import Graph, trace
from edgemem.quantize import IntegerOps, Scheme, build
from edgemem.target import Explaining
from edgemem.verification import distance, replay

pytestmark = pytest.mark.slow

N_IN = 5

CELLS: dict[str, Cell] = {
    "dense": Dense(N_IN, 4, "relu"),
    "norm": Stack((Norm(N_IN), Dense(N_IN, 4))),
    "norm-alone": Norm(N_IN),
    "lmu": LMU(N_IN, 12, 6, 20.0, memory_d=3, activation="relu"),
    "lmu-paper": LMU.paper(N_IN, 12, 6, 20.0),
    "lmu-all": LMU(N_IN, 12, 6, 20.0, 2, True, True, True, True, True, "sigmoid"),
    "lmu-linear": LMU(N_IN, 12, 6, 20.0, 2, input_to_hidden=True, activation="linear"),
    "lmu-recurrent-relu": LMU(N_IN, 12, 6, 9.0, 2, hidden_to_hidden=True, activation="relu"),
    # in its real Schur form, its weights in two halves
    "lmu-long": LMU(N_IN, 12, 48, 400.0, activation="relu"),
    "lem": LEM(N_IN, 12),
    "lem-slow": LEM(N_IN, 12, dt=0.2),
    "lstm": LSTM(N_IN, 12),
    "gru": GRU(N_IN, 12),
    "conv": Conv(N_IN, 8, 3, "relu"),
    "conv-lem": Stack((Conv(N_IN, 8, 3, "relu"), LEM(8, 12))),
    "lmu-stack": Stack(
        (
            Norm(N_IN),
            LMU(N_IN, 16, 6, 9.0, 4, input_to_hidden=True, activation="linear"),
            Norm(16, "relu"),
            LMU(16, 16, 6, 18.0, 4, input_to_hidden=True, activation="linear"),
            Norm(16, "relu"),
            LMU(16, 16, 8, 30.0, 4, input_to_hidden=True, activation="linear"),
            Norm(16, "relu"),
            Dense(16, 6),
        )
    ),
    "mixed-stack": Stack(
        (Norm(N_IN), LEM(N_IN, 16), Norm(16), LSTM(16, 12), GRU(12, 8), Dense(8, 4))
    ),
}

TARGETS = sorted(target.available())

PEERS = {"nengo-loihi"}
"""Targets whose simulators have an environment of their own: ``scripts/test-peers`` has them."""

LENGTHS = {"nengo-loihi": (2, 60)}
"""Sequences and frames, where a frame takes long: three windows of the memory are seen still."""

SIMULATED = {"loihi", "spiking"}
"""Targets whose runners count, and take many sequences at once."""


@dataclass(frozen=True)
class Net:
    """A model as far as a target reads it."""

    cell: Cell
    name: str = "net"
    scheme: Scheme | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(f"label{i}" for i in range(self.cell.n_out))

    def graph(self) -> Graph:
        rng = np.random.default_rng(7)
        params = self.cell.init(rng)
        for name, array in params.items():
            last = name.rpartition(".")[2]
            if last == "gain":
                params[name] = rng.uniform(0.6, 1.6, array.shape)
            elif array.ndim == 1:
                params[name] = array + rng.normal(scale=0.3, size=array.shape)
        return trace(self.cell, params)

    def reference(self) -> Graph:
        return self.graph()


def sequences(seed: int, n: int, t: int) -> np.ndarray:
    """Smooth noise, as features are."""
    x = np.random.default_rng(seed).normal(size=(n, t, N_IN))
    for i in range(1, t):
        x[:, i] = 0.8 * x[:, i - 1] + 0.6 * x[:, i]
    return x.astype(np.float32)


@cache
def converted(name: str, cell: str) -> Artefact:
    net, chosen = Net(CELLS[cell]), target.get(name)
    made = chosen.convert(net, chosen.Options(), sequences(0, 16, 60))
    golden = Golden(np.zeros((1, 1, N_IN), np.float32), np.zeros((1, 1, 1), np.float32))
    fields = {"target": name, **made.facts}
    built = artefact.build(made.payload, fields, net.labels, golden, made.parts)
    return artefact.from_bytes(artefact.to_bytes(built), "test")


def lowers(name: str, cell: str) -> bool:
    """Whether a target says that it can lower a cell."""
    graph, chosen = Net(CELLS[cell]).graph(), target.get(name)
    if isinstance(chosen, Explaining) and chosen.refusal(graph):
        return False
    return {node.op for node in graph.nodes} <= chosen.ops


PAIRS = [(name, cell) for name in TARGETS for cell in CELLS if lowers(name, cell)]
REFUSED = [(name, cell) for name in TARGETS for cell in CELLS if not lowers(name, cell)]


def marked(cases: Iterable[tuple[str, ...]]) -> list[Any]:
    """Cases that begin with a target's name, those of :data:`PEERS` with the mark."""
    return [pytest.param(*c, marks=pytest.mark.peers if c[0] in PEERS else ()) for c in cases]


def on(pairs: Iterable[tuple[str, str]]) -> pytest.MarkDecorator:
    """For each of these pairs of a target and a cell."""
    return pytest.mark.parametrize(("name", "cell"), marked(pairs))


on_every_pair = on(PAIRS)
on_every_target = pytest.mark.parametrize(("name",), marked((name,) for name in TARGETS))


def first_cell(name: str, *wanted: str) -> str:
    """The first of the ``wanted`` cells that a target lowers, or any with a state."""
    stateful = (cell for cell in CELLS if CELLS[cell].states)
    return next(cell for cell in (*wanted, *stateful) if lowers(name, cell))


@pytest.mark.peers
def test_targets_of_this_environment_have_cases() -> None:
    assert {name for name, _ in PAIRS} >= PEERS


@on_every_pair
def test_follows_the_float_graph(name: str, cell: str) -> None:
    chosen = target.get(name)
    graph = Net(CELLS[cell]).graph()
    x = sequences(1, *LENGTHS.get(name, (6, 120)))
    expected, _ = graph.scan(x.astype(np.float64))
    y, _ = replay(target.load(converted(name, cell)), x)
    assert y.dtype == np.float32
    assert distance(y, expected) <= chosen.tolerance(chosen.Options()).distance


@pytest.mark.parametrize(("name", "cell"), REFUSED)
def test_refuses_what_it_cannot_lower(name: str, cell: str) -> None:
    missing = {node.op for node in Net(CELLS[cell]).graph().nodes} - target.get(name).ops
    with pytest.raises(UnsupportedOpError, match="|".join(missing) or "cannot lower"):
        converted(name, cell)


@on((n, c) for n, c in PAIRS if target.get(n).integer)
def test_integers_are_the_same_everywhere(name: str, cell: str) -> None:
    # louder than the calibration, so that values saturate
    x = 1.5 * sequences(2, 2, 60)
    program = build(Net(CELLS[cell]).graph(), Scheme(), sequences(0, 16, 60)).program
    ops, states, expected = IntegerOps(program), program.zero_state((2,)), []
    for t in range(x.shape[1]):
        states, values = ops.step(states, ops.quantize(x[:, t]))
        expected.append(ops.dequantize(values[program.output]))
    y, _ = replay(target.load(converted(name, cell), reference_kernels=True), x)
    np.testing.assert_array_equal(y, np.stack(expected, axis=1))


@pytest.mark.parametrize("cell", [c for n, c in PAIRS if n == "tflite"])
def test_a_minute_of_frames_under_reference_kernels_is_that_of_fixed(cell: str) -> None:
    """One stream, its state carried on: a difference of one last place would stay."""
    x = 1.5 * sequences(8, 1, 3000)
    expected, _ = replay(target.load(converted("fixed", cell)), x)
    y, _ = replay(target.load(converted("tflite", cell), reference_kernels=True), x)
    np.testing.assert_array_equal(y, expected)


@on((n, c) for n, c in PAIRS if n in SIMULATED)
def test_a_simulation_is_its_steps(name: str, cell: str) -> None:
    runner = target.load(converted(name, cell))
    assert isinstance(runner, Simulated)
    x = sequences(7, 3, 8)
    together = runner.simulate(x)
    y, _ = replay(runner, x)
    # sums in another order may differ in the last bit
    np.testing.assert_allclose(together.outputs, y, rtol=1e-5, atol=1e-5)
    assert together.counts.frames == 24


@on_every_pair
def test_reset_starts_anew(name: str, cell: str) -> None:
    runner = target.load(converted(name, cell))
    x = sequences(2, 1, 12)[0]
    first = [runner.step(frame) for frame in x]
    runner.reset()
    again = [runner.step(frame) for frame in x]
    np.testing.assert_array_equal(first, again)


@on_every_pair
def test_carries_the_state(name: str, cell: str) -> None:
    runner = target.load(converted(name, cell))
    x = sequences(3, 1, 6)[0]
    for frame in 3.0 * sequences(4, 1, 6)[0]:
        runner.step(frame)
    # what is sent as changes may need some frames for a large one
    frames = 1 if CELLS[cell].states else 5
    after = [runner.step(x[0]) for _ in range(frames)][-1]
    runner.reset()
    fresh = [runner.step(x[0]) for _ in range(frames)][-1]
    assert bool(CELLS[cell].states) == (not np.array_equal(after, fresh))


@on_every_target
def test_sizes(name: str) -> None:
    cell = first_cell(name, "lmu-stack")
    runner = target.load(converted(name, cell))
    assert (runner.n_in, runner.n_out) == (N_IN, CELLS[cell].n_out)


@on_every_target
def test_an_output_stays_as_it_was(name: str) -> None:
    runner = target.load(converted(name, first_cell(name, "lem")))
    x = sequences(5, 1, 2)[0]
    first = runner.step(x[0])
    kept = first.copy()
    runner.step(x[1])
    np.testing.assert_array_equal(first, kept)


@on_every_target
def test_two_runners_do_not_meet(name: str) -> None:
    cell = first_cell(name, "lem")
    one, other = (target.load(converted(name, cell)) for _ in range(2))
    x = sequences(6, 1, 4)[0]
    expected = [one.step(frame) for frame in x]
    one.reset()
    for frame, y in zip(x, expected):
        other.step(5.0 * frame)
        np.testing.assert_array_equal(one.step(frame), y)


@on_every_target
@pytest.mark.parametrize("shape", [(), (1,), (N_IN - 1,), (N_IN + 1,), (1, N_IN)])
def test_refuses_an_input_of_another_shape(name: str, shape: tuple[int, ...]) -> None:
    runner = target.load(converted(name, first_cell(name, "lem")))
    with pytest.raises(ShapeError, match="expected"):
        runner.step(np.zeros(shape, np.float32))


@on((n, c) for n, c in PAIRS if c in ("lmu-stack", "mixed-stack", "lmu-linear"))
def test_the_same_model_gives_the_same_bytes(name: str, cell: str) -> None:
    converted.cache_clear()
    first = artefact.to_bytes(converted(name, cell))
    converted.cache_clear()
    assert artefact.to_bytes(converted(name, cell)) == first
