"""A network without norms, and with like magnitudes, that computes what it did before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import pytest

from edgemem.cells import (
    CELLS,
    GRU,
    LEM,
    LMU,
    LSTM,
    Bidirectional,
    Cell,
    Conv,
    Dense,
    Norm,
    Stack,
)
from edgemem.cells.base import Shape
from edgemem.ir import Graph, trace
from edgemem.ops import Ops
from edgemem.quantize import Scheme, build, observe
from edgemem.quantize.prepare import absorbed, prepare
from edgemem.quantize.rounding import rounded_network, settle, sources

T = TypeVar("T")

LINEAR = LMU(5, 6, 4, 8.0, 3, input_to_hidden=True, activation="linear")
STACKS = {
    "recipe-lmu": Stack(
        (
            *(Norm(5), LINEAR, Norm(6, "relu")),
            *(LMU(6, 4, 3, 6.0, 2, activation="linear"), Norm(4, "relu"), Dense(4, 3)),
        )
    ),
    "recipe-lem": Stack((Norm(5), LEM(5, 6), Norm(6), LEM(6, 4, 0.5), Norm(4), Dense(4, 3))),
    "recipe-lstm": Stack((Norm(5), LSTM(5, 6), Norm(6), Dense(6, 3))),
    "recipe-gru": Stack((Norm(5), GRU(5, 6), Norm(6), Dense(6, 3))),
    "paper-lmu": Stack((Norm(5), LMU.paper(5, 6, 4, 8.0), Norm(6), Dense(6, 3))),
    "hidden-state": Stack(
        (Norm(5), LMU(5, 6, 4, 8.0, 2, hidden_to_hidden=True), Norm(6), Dense(6, 3))
    ),
    "two-in-a-row": Stack((Norm(5), Norm(5), GRU(5, 4), Norm(4), Norm(4), Dense(4, 3))),
    "behind-a-dense": Stack((Dense(5, 4), Norm(4, "tanh"), Dense(4, 3), Norm(3, "sigmoid"))),
    "none": Stack((LEM(5, 6), Dense(6, 3))),
}
STAYING = {
    "first": (Stack((Norm(5, "tanh"), Dense(5, 3))), ["norm", "dense"]),
    "last": (Stack((GRU(5, 3), Norm(3))), ["gru", "norm"]),
    "behind-a-state": (Stack((LEM(5, 4), Norm(4, "relu"), Dense(4, 3))), ["lem", "norm", "dense"]),
    "linear-then-not": (
        Stack((LEM(5, 4), Norm(4), Norm(4, "relu"), Dense(4, 3))),
        ["lem", "norm", "dense"],
    ),
    "behind-a-function": (
        Stack((Dense(5, 4, "tanh"), Norm(4, "relu"), Dense(4, 3))),
        ["dense", "norm", "dense"],
    ),
}


def drawn(cell: Cell, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(0.0, 0.5, shape) for name, shape in cell.params.items()}
    return {**arrays, **cell.constants}


def sequences(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 1.0, (4, 30, 5)).astype(np.float32)


def outputs(cell: Cell, params: dict[str, np.ndarray]) -> np.ndarray:
    return trace(cell, params).scan(sequences(2).astype(np.float64))[0]


ALL = {**STACKS, **{f"staying-{name}": stack for name, (stack, _) in STAYING.items()}}


@pytest.mark.parametrize("cell", [*ALL.values(), LEM(5, 4)], ids=[*ALL, "no-stack"])
@pytest.mark.parametrize("form", ["absorbed", "prepared"])
def test_the_outputs_stay_what_they_were(cell: Cell, form: str) -> None:
    params = drawn(cell)
    network = absorbed(cell, params) if form == "absorbed" else prepare(cell, params, sequences())
    np.testing.assert_allclose(
        outputs(network.cell, network.params), outputs(cell, params), rtol=0.0, atol=1e-10
    )


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_no_norm_is_left_and_no_layer_is_gone(stack: Stack) -> None:
    network = absorbed(stack, drawn(stack))
    before = [cell.name for cell in stack.cells if not isinstance(cell, Norm)]
    assert [cell.name for cell in network.cell.cells] == before


@pytest.mark.parametrize(("stack", "left"), STAYING.values(), ids=STAYING)
def test_a_norm_that_fits_nowhere_stays(stack: Stack, left: list[str]) -> None:
    assert [cell.name for cell in absorbed(stack, drawn(stack)).cell.cells] == left


@pytest.mark.parametrize("stack", [*ALL.values()], ids=[*ALL])
def test_arrays_are_known_by_the_names_they_had(stack: Stack) -> None:
    params = drawn(stack)
    network = absorbed(stack, params)
    assert set(network.names) == set(network.cell.params)
    for now, before in network.names.items():
        if not before.endswith("b_u") and "norm" not in now:
            assert network.params[now].shape == params[before].shape
    untouched = [n for n in network.names if n.rpartition(".")[2] in ("e_h", "W_1", "U_i", "U_z")]
    for name in untouched:
        np.testing.assert_array_equal(network.params[name], params[network.names[name]])


def spread(graph: Graph, names: list[str]) -> float:
    """Largest ratio between the peaks of two elements of one value."""
    seen = observe(graph, sequences())
    return max(float(seen[n].peaks.max() / seen[n].peaks[seen[n].peaks > 0].min()) for n in names)


def test_hidden_units_and_memories_come_to_like_magnitudes() -> None:
    stack = STACKS["recipe-lmu"]
    params = drawn(stack)
    rows = np.array([30.0, 1.0, 0.03, 1.0, 8.0, 0.1])
    params["1.lmu.W_m"] *= rows[:, None]
    params["1.lmu.W_x"] *= rows[:, None]
    plain = absorbed(stack, params)
    balanced = prepare(stack, params, sequences())
    names = ["0.lmu.h_new", "0.lmu.m", "1.lmu.m"]
    before = spread(trace(plain.cell, plain.params), names)
    after = spread(trace(balanced.cell, balanced.params), names)
    assert after < 0.2 * before


def test_the_constants_of_a_balanced_memory_travel_with_it() -> None:
    network = prepare(STACKS["recipe-lmu"], drawn(STACKS["recipe-lmu"]), sequences())
    for name, array in network.cell.constants.items():
        assert network.params[name].shape == array.shape
        assert not np.allclose(network.params[name], array)
    # another basis, the same memory
    for layer in ("0.lmu.A", "1.lmu.A"):
        ours, theirs = (
            np.sort_complex(np.linalg.eigvals(arrays[layer]))
            for arrays in (network.params, network.cell.constants)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


@dataclass(frozen=True)
class Gated(Cell):
    """A cell that nobody here knows, one of whose matrices is called as that of a Dense."""

    name: ClassVar[str] = "gated"
    n_in: int
    n_out: int

    @property
    def params(self) -> Mapping[str, Shape]:
        n, m = self.n_out, self.n_in
        return {"W": (n, n), "W_f": (n, m), "W_h": (n, m), "b": (n,), "b_h": (n,)}

    @property
    def states(self) -> Mapping[str, Shape]:
        return {"h": (self.n_out,)}

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        f = ops.sigmoid(ops.add(ops.matvec(p["W_f"], x), p["b"]))
        driven = ops.add(ops.matvec(p["W_h"], x), p["b_h"])
        candidate = ops.tanh(ops.add(driven, ops.matvec(p["W"], s["h"])))
        h = ops.label(ops.add(s["h"], ops.mul(f, ops.sub(candidate, s["h"]))), "h_new")
        return {"h": h}, h


@dataclass(frozen=True)
class Skipping(Dense):
    """A Dense by inheritance, whose input has another way out."""

    name: ClassVar[str] = "skipping"

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        states, y = super().step(ops, p, s, x)
        return states, ops.add(y, ops.tanh(x))


BETWEEN: dict[str, Cell] = {
    "bidirectional": Bidirectional(LEM(5, 2)),
    "conv": Conv(5, 4, 3, "relu"),
    "dense": Dense(5, 4, "tanh"),
    "gru": GRU(5, 4),
    "lem": LEM(5, 4),
    "lmu": LMU(5, 4, 4, 6.0),
    "lstm": LSTM(5, 4),
    "norm": Norm(5, "relu"),
    "stack": Stack((Dense(5, 4), Dense(4, 4, "tanh"))),
    "gated": Gated(5, 4),
    "skipping": Skipping(5, 5),
}
KEEPING = ("conv", "norm", "skipping")
"""Something beside a product reads the input of these."""

OF_ITS_WHOLE_SEQUENCE = "bidirectional"


def test_every_cell_is_tried_between_norms() -> None:
    assert set(BETWEEN) >= set(CELLS)


@pytest.mark.parametrize("cell", BETWEEN.values(), ids=BETWEEN)
def test_no_norm_before_or_behind_a_cell_is_lost(cell: Cell) -> None:
    stack = Stack((Norm(5), cell, Norm(cell.n_out), Dense(cell.n_out, 3)))
    params = drawn(stack)
    network = absorbed(stack, params)
    if cell.name == OF_ITS_WHOLE_SEQUENCE:
        assert network.cell.cells[:2] == stack.cells[:2]
        np.testing.assert_array_equal(network.params["0.norm.gain"], params["0.norm.gain"])
        return
    np.testing.assert_allclose(
        outputs(network.cell, network.params), outputs(stack, params), rtol=0.0, atol=1e-10
    )
    assert {network.names[name] for name in network.names if "norm" in name} <= set(params)
    kept = any(isinstance(layer, Norm) for layer in network.cell.cells[:1])
    assert kept == (cell.name in KEEPING)


@pytest.mark.parametrize("name", [name for name in BETWEEN if name != OF_ITS_WHOLE_SEQUENCE])
def test_what_was_prepared_can_be_trained_in_rounded_form(name: str) -> None:
    cell = BETWEEN[name]
    stack = Stack((Norm(5), cell, Norm(cell.n_out), Dense(cell.n_out, 3)))
    network = prepare(stack, drawn(stack), sequences())
    scheme = settle(network.cell, network.params, 8, {}, sequences())
    # every trained array of the form that is trained comes from one of the network
    made = {part for parts in sources(network.cell).values() for part in parts}
    assert made == set(network.cell.params)
    rounded = rounded_network(network.cell, network.params, scheme)
    wanted, got = outputs(stack, drawn(stack)), rounded.scan(sequences(2).astype(np.float64))[0]
    assert np.sqrt(np.mean((got - wanted) ** 2) / np.mean(wanted**2)) < 0.2
    assert build(trace(network.cell, network.params), Scheme(), sequences()).program.operations
