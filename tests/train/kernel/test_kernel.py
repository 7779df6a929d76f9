"""The generated kernel against the float64 equations and their finite differences."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM
from edgemem.ir import trace
from edgemem.ir.graph import Node
from edgemem.ir.passes.adjoint import Recurrence
from edgemem.ir.passes.partition import loops
from edgemem.ops import FloatOps
from edgemem.train.kernel import build, call, kernel_of
from edgemem.train.kernel.product import Registers, product

pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler")


def lmu(units, **options):
    return LMU(3, units, 3, 6.0, 2, **options)


CELLS = {
    "lem": LEM(3, 3),
    "lem-1": LEM(1, 1, 0.3),
    "lem-17": LEM(5, 17),
    "lstm": LSTM(3, 3),
    "lstm-17": LSTM(3, 17),
    "gru": GRU(3, 3),
    "gru-40": GRU(2, 40),
    "lmu-hidden-to-memory": lmu(3, hidden_to_memory=True),
    "lmu-memory-to-memory": lmu(3, memory_to_memory=True, activation="linear"),
    "lmu-hidden-to-hidden": lmu(3, hidden_to_memory=True, hidden_to_hidden=True, activation="relu"),
    "lmu-all": LMU(3, 17, 3, 6.0, 2, True, True, True, True, True, "sigmoid"),
    "lmu-paper-1": LMU.paper(1, 1, 5, 6.0),
}
BATCHES = (1, 5, 64)


class Case:
    """A cell, arrays, sequences, carried start states and upstream adjoints, all float64."""

    def __init__(self, cell, batch, n_steps=6):
        rng = np.random.default_rng(0)
        arrays = {n: rng.normal(size=s) / np.sqrt(s[-1]) for n, s in cell.params.items()}
        self.graph = trace(cell, arrays)
        self.recurrence = Recurrence.driven(self.graph, loops(self.graph)[0])
        assert self.recurrence.drives == ("x",)
        r, shapes = self.recurrence, self.graph.shapes()
        self.names = (*r.weights, *r.drives, *r.states)
        self.shapes = {name: shapes[name] for name in self.names}
        self.given = {name: self.graph.params[name] for name in r.weights}
        self.given["x"] = rng.normal(size=(batch, n_steps, cell.n_in))
        for state in r.states:
            self.given[state] = rng.normal(size=(batch, *shapes[state]))
        self.upstream = [rng.normal(size=(batch, n_steps, *shapes[s])) for s in r.states]
        self.directions = {n: rng.normal(size=a.shape) for n, a in self.given.items()}

    def states(self, given):
        """Every state after every step, by the equations."""
        params = {**self.graph.params, **{n: given[n] for n in self.recurrence.weights}}
        states, steps = {s: given[s] for s in self.recurrence.states}, []
        for t in range(given["x"].shape[1]):
            values = self.graph.run(FloatOps(), params, states, given["x"][:, t])
            states = {s: values[self.graph.next_states[s]] for s in states}
            steps.append(states)
        return [np.stack([step[s] for step in steps], axis=1) for s in self.recurrence.states]

    def slope(self, name):
        """How the loss changes along a direction of one array, by finite differences."""
        eps = 1e-6
        ahead, back = (
            sum(
                np.sum(states * bar)
                for states, bar in zip(self.states({**self.given, name: moved}), self.upstream)
            )
            for moved in (self.given[name] + s * eps * self.directions[name] for s in (1, -1))
        )
        return (ahead - back) / (2 * eps)

    def kernel(self, threads=0):
        kernel = kernel_of(self.recurrence, self.shapes, self.given["x"].size)
        assert kernel is not None
        return replace(kernel, threads=threads)

    def run(self, kernel):
        """What a kernel makes of it: states, and gradients by name."""
        arrays = [self.given[name].astype(np.float32) for name in self.names]
        made = kernel.forward(*arrays)
        upstream = [bar.astype(np.float32) for bar in self.upstream]
        return made[:-1], dict(zip(self.names, kernel.backward(*arrays, *made, *upstream)))

    def check(self, kernel):
        states, gradients = self.run(kernel)
        for ours, expected in zip(states, self.states(self.given)):
            np.testing.assert_allclose(ours, expected, atol=2e-6)
        for name, gradient in gradients.items():
            assert gradient.shape == self.given[name].shape
            ours = np.sum(gradient * self.directions[name])
            scale = np.sum(np.abs(gradient * self.directions[name])) + 1.0
            assert abs(ours - self.slope(name)) < 2e-6 * scale, name


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_states_and_gradients_are_those_of_the_equations(cell):
    for batch in BATCHES:
        case = Case(cell, batch)
        case.check(case.kernel())


@pytest.mark.parametrize("cell", [CELLS["lem-17"], CELLS["gru"], CELLS["lmu-all"]], ids=str)
def test_what_was_not_saved_is_computed_again(cell, monkeypatch):
    case = Case(cell, 5)
    assert case.kernel().plan.saved
    monkeypatch.setattr(call, "MOST_SAVED", 0)
    kernel = case.kernel()
    assert not kernel.plan.saved
    case.check(kernel)


def test_only_what_is_dear_is_saved():
    # both gates and both candidates; what is made of them by adding and multiplying is not
    saved = set(Case(CELLS["lem"], 1).kernel().plan.saved)
    assert saved == {"dt", "dt_bar", "z_candidate", "y_candidate"}


@pytest.mark.parametrize("cell", [CELLS["lstm-17"], CELLS["lmu-all"]], ids=str)
def test_threads_and_runs_give_the_same(cell):
    case = Case(cell, 50)
    once = case.run(case.kernel(1))
    for threads in (2, 3):
        states, gradients = case.run(case.kernel(threads))
        for ours, expected in zip(states, once[0]):
            np.testing.assert_array_equal(ours, expected)
        for name, gradient in gradients.items():  # sums of other tiles
            scale = np.abs(gradient).max()
            np.testing.assert_allclose(gradient, once[1][name], atol=1e-5 * scale)
    for _ in range(3):
        states, gradients = case.run(case.kernel(2))
        again = case.run(case.kernel(2))
        for ours, expected in zip((*states, *gradients.values()), (*again[0], *again[1].values())):
            np.testing.assert_array_equal(ours, expected)


def pointwise(op, values):
    """The kernel's form of an op, over many values."""
    n = len(values)
    nodes = (Node("a", "add", ("s", "d"), (n,)), Node("n", op, ("a",), (n,)))
    recurrence = Recurrence(nodes, (), ("d",), ("s",), ("n",))
    kernel = kernel_of(recurrence, {"s": (n,), "d": (n,)}, 1)
    start, drive = np.zeros((1, n), np.float32), values.astype(np.float32)[None, None]
    return kernel.forward(drive, start)[0][0, 0]


@pytest.mark.parametrize("op", ["tanh", "sigmoid"])
def test_functions_are_accurate(op):
    values = np.concatenate([np.linspace(-12, 12, 40001), [-1e30, -90.0, 90.0, 1e30]])
    exact = getattr(FloatOps(), op)(values.astype(np.float32).astype(np.float64))
    np.testing.assert_allclose(pointwise(op, values), exact, atol=4e-7)
    # also where tanh is small
    small = np.geomspace(1e-30, 1e-2, 200)
    if op == "tanh":
        np.testing.assert_allclose(pointwise(op, small), np.tanh(small), rtol=5e-7)


@pytest.mark.parametrize("op", ["tanh", "sigmoid", "relu"])
def test_a_nan_stays_one(op):
    found = pointwise(op, np.array([np.nan, np.inf, -np.inf, 1.0]))
    assert np.isnan(found[0])
    assert not np.isnan(found[1:]).any()


def test_a_training_that_diverges_shows_it():
    case = Case(CELLS["lem-17"], 5)
    case.given["x"][2, 1] = np.nan
    states, gradients = case.run(case.kernel())
    expected = case.states(case.given)
    for ours, theirs in zip(states, expected):
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    assert np.isnan(gradients["W_y"]).any()
    assert np.isfinite(np.delete(gradients["x"], 2, axis=0)).all()


def test_a_state_without_bounds_overflows_to_infinity():
    node = Node("n", "matvec", ("w", "s"), (1,))
    outer = Node("m", "add", ("n", "d"), (1,))
    recurrence = Recurrence((node, outer), ("w",), ("d",), ("s",), ("m",))
    kernel = kernel_of(recurrence, {"w": (1, 1), "d": (1,), "s": (1,)}, 1)
    arrays = [np.full(s, 1e30, np.float32) for s in ((1, 1), (1, 3, 1), (1, 1))]
    assert np.isinf(kernel.forward(*arrays)[0][0, -1, 0])


@pytest.fixture
def forgetful():
    """Nothing is remembered of compilers and kernels, before and after."""
    cached = (build.compiler, build.registers, build.library, call._kernel)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def found():
    case = Case(CELLS["lem"], 1)
    return kernel_of(case.recurrence, case.shapes, 1)


@pytest.mark.usefixtures("forgetful")
def test_without_a_compiler_there_is_no_kernel(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert found() is None


@pytest.mark.usefixtures("forgetful")
def test_with_a_compiler_that_fails_there_is_no_kernel(monkeypatch, tmp_path):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found() is None


@pytest.mark.usefixtures("forgetful")
def test_without_a_place_for_it_there_is_no_kernel(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "_folder", lambda: tmp_path / "gone")
    assert found() is None


@pytest.mark.usefixtures("forgetful")
def test_text_that_does_not_compile_is_no_library():
    assert build.library("this is not C") is None


def test_the_environment_switches_it_off(monkeypatch):
    monkeypatch.setenv(call.SWITCH, "0")
    assert found() is None
    monkeypatch.setenv(call.SWITCH, "1")
    assert found() is not None


def test_an_op_without_a_kernel_is_left_to_others():
    recurrence = Recurrence(
        (Node("n", "quantize", ("s",), (2,), (1.0,) * 4),), (), (), ("s",), ("n",)
    )
    assert kernel_of(recurrence, {"s": (2,)}, 1) is None
    same = Recurrence((Node("n", "tanh", ("s",), (2,)),), (), (), ("s", "t"), ("n", "n"))
    assert kernel_of(same, {"s": (2,), "t": (2,)}, 1) is None
    delay = Recurrence((Node("n", "tanh", ("s",), (2,)),), (), (), ("s", "t"), ("n", "s"))
    assert kernel_of(delay, {"s": (2,), "t": (2,)}, 1) is None


def test_nothing_is_left_behind():
    program = (
        "from edgemem.train.kernel.build import _folder, library\n"
        "assert library('int one(void) { return 1; }').one() == 1\n"
        "print(_folder())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not Path(done.stdout.strip()).exists()


@pytest.mark.parametrize(
    "registers", [Registers(4, 4, 2), Registers(8, 4, 3), Registers(16, 8, 3)], ids=str
)
def test_panels_and_blocks_cover_everything_once(registers):
    for n in range(1, 200):
        covered = [v for first, count in registers.panels(n) for v in range(first, first + count)]
        assert covered == list(range(-(-n // registers.lanes)))
    assert list(registers.blocks())[-1] == 1
    assert "y + (r + 0) * 5" in product("p", [3], 5, registers)


@pytest.mark.usefixtures("forgetful")
def test_other_registers_give_the_same(monkeypatch):
    case = Case(CELLS["lmu-all"], 7)
    states, _ = case.run(case.kernel())
    call._kernel.cache_clear()
    monkeypatch.setattr(call, "registers", lambda: Registers(4, 4, 2))
    kernel = case.kernel()
    case.check(kernel)
    for ours, expected in zip(case.run(kernel)[0], states):
        np.testing.assert_allclose(ours, expected, atol=1e-6)
