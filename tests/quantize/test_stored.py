"""Programs in files: the table of kinds against the arithmetic, each rule against its damage."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, Cell, Conv, Dense, Norm, Stack
from edgemem.errors import GraphError
from edgemem.ir import trace
from edgemem.quantize import IntegerOps, Program, Scheme, build
from edgemem.quantize.kinds import KINDS
from edgemem.quantize.stored import program_of
from edgemem.reading import DamageError

N_IN = 4
CELLS: tuple[Cell, ...] = (
    Stack((Norm(N_IN), LMU(N_IN, 6, 3, 5.0, 2, activation="relu"), Dense(6, 3))),
    Stack((Conv(N_IN, 6, 3, "relu"), LEM(6, 5), Dense(5, 3))),
    LMU(N_IN, 6, 48, 400.0, activation="relu"),
    GRU(N_IN, 5),
)


def built(cell: Cell, activations: str = "int8") -> Program:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 40, N_IN)).astype(np.float32)
    return build(trace(cell, cell.init(rng)), Scheme(activations), x).program


@pytest.mark.parametrize("activations", ["int8", "int16"])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_what_is_built_is_read_back(cell: Cell, activations: str) -> None:
    program = built(cell, activations)
    again = program_of(program.to_dict(), program.to_arrays())
    assert again.to_dict() == program.to_dict()
    assert all(np.array_equal(a, program.arrays[n]) for n, a in again.arrays.items())


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_shapes_of_the_table_are_those_that_the_arithmetic_gives(cell: Cell) -> None:
    program = built(cell)
    ops = IntegerOps(program)
    _, values = ops.step(program.zero_state(), np.zeros(program.n_in, np.int8))
    for op in program.operations:
        shapes = [values[name].shape for name in op.inputs]
        given = values[op.output].shape
        assert KINDS[op.kind].shape(shapes, op.attrs, given) == given, op


def test_every_kind_that_a_build_makes_is_in_the_table_and_has_a_meaning() -> None:
    program = built(CELLS[0])
    assert set(KINDS) == set(IntegerOps(program)._run)


def first(plan: dict[str, Any], *kinds: str) -> list[Any]:
    return next(op for op in plan["operations"] if op[0] in kinds)


def attrs(*kinds: str, **changes: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def damage(plan: dict[str, Any], arrays: dict[str, Any]) -> None:
        first(plan, *kinds)[3].update(changes)

    return damage


def array(role: str, change: Callable[[Any], Any]) -> Callable[[Any, Any], None]:
    def damage(plan: dict[str, Any], arrays: dict[str, Any]) -> None:
        name = "arrays/" + first(plan, "product")[4][role]
        arrays[name] = change(arrays[name])

    return damage


DAMAGE: list[tuple[Callable[[Any, Any], Any], str]] = [
    (lambda p, a: p.pop("states"), "lacks states"),
    (lambda p, a: p.update(more=1), "unknown field 'more'"),
    (lambda p, a: first(p, "product").__setitem__(0, "system"), "one of "),
    (lambda p, a: first(p, "product")[2].append("x"), "2 inputs for a product"),
    (lambda p, a: first(p, "product")[2].clear(), "a list of 1 to 2"),
    (lambda p, a: first(p, "product")[4].update(more="x"), "at most 4 fields"),
    (lambda p, a: first(p, "product")[4].pop("shift"), "with arrays"),
    (lambda p, a: first(p, "add", "mul")[4].update(first(p, "product")[4]), "with arrays"),
    (attrs("add", shift_a="0; system()"), "shift_a is"),
    (attrs("add", shift_a=16.0), "shift_a is 16.0"),
    (attrs("add", shift_a=-1, shift_b=-40), "from 0 to 15|from -31 to 31"),
    (attrs("narrow", shift=32), "shift is 32"),
    (attrs("narrow", more=1), "unknown field 'more'"),
    (attrs("product", relu=2), "relu is 2"),
    (lambda p, a: p["tensors"]["x"].__setitem__(0, [0]), "must be a whole number"),
    (lambda p, a: p["tensors"]["x"].__setitem__(0, [1 << 22, 2]), "is too large"),
    (lambda p, a: p["tensors"]["x"].__setitem__(0, [2, 2]), "more than one axis"),
    (lambda p, a: p["tensors"]["x"].__setitem__(1, 64), "one of "),
    (lambda p, a: p["tensors"]["x"].__setitem__(2, 0.0), "finite number"),
    (lambda p, a: p["tensors"]["x"].__setitem__(3, 300), "zero point 300"),
    (lambda p, a: p["tensors"].pop("x"), "never described"),
    (lambda p, a: p["states"].update({next(iter(p["states"])): p["output"]}), "another format"),
    (lambda p, a: p["constants"].append("x"), "no array named 'constants/x'"),
    (lambda p, a: p["weights"].update(x=8), "no array named 'scales/x'"),
    (array("weight", lambda w: w[:, :-1]), "weights between"),
    (array("weight", lambda w: w.astype(np.int16)), "holds no 8-bit integers"),
    (array("weight", lambda w: w.astype(np.float32)), "holds no 8-bit integers"),
    (array("weight", lambda w: w[0]), "is no matrix"),
    (array("multiplier", lambda m: -m), "beyond 31 bits"),
    (array("multiplier", lambda m: m[None]), "its multiplier is no row"),
    (array("shift", lambda s: s + np.int8(60)), "beyond 31 bits"),
    (array("bias", lambda b: b[:1]), "bias for each"),
    (array("bias", lambda b: b.astype(np.float64)), "its bias is no row of int32"),
]


@pytest.mark.parametrize(("damage", "complaint"), DAMAGE)
def test_damage_is_refused(damage: Callable[[Any, Any], Any], complaint: str) -> None:
    program = built(CELLS[0])
    plan, arrays = copy.deepcopy(program.to_dict()), dict(program.to_arrays())
    damage(plan, arrays)
    with pytest.raises((DamageError, GraphError), match=complaint):
        program_of(plan, arrays)


def test_weights_of_few_bits_stay_within_them() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 40, N_IN)).astype(np.float32)
    program = build(trace(CELLS[0], CELLS[0].init(rng)), Scheme("int8", 4), x).program
    arrays = dict(program.to_arrays())
    name = next(n for n, form in program.weights.items() if form.bits == 4)
    arrays[f"arrays/{name}"] = np.full_like(arrays[f"arrays/{name}"], 8)
    with pytest.raises(GraphError, match="holds no 4-bit integers"):
        program_of(program.to_dict(), arrays)
