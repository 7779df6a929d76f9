"""The storage plan: no value is overwritten while something still reads it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.quantize import Format, Operation, Program, Tensor
from edgemem_c.storage import OUTPUT, Place, Storage, elements, n_bytes, plan_storage

EIGHT, SIXTEEN = Format(8, 0.5), Format(16, 0.5)
SHIFTS = {"shift_a": 0, "shift_b": 0}


def program_of(
    operations: list[Operation],
    tensors: dict[str, Tensor],
    states: dict[str, str],
    output: str,
) -> Program:
    return Program(tensors, tuple(operations), {}, {}, {}, states, "x", output)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Lines of operations over values of a few sizes, whose states come from anywhere."""
    form = draw(st.sampled_from([EIGHT, SIXTEEN]))
    tensors = {name: Tensor((4,), form) for name in ("x", "s", "t", "u")}
    operations: list[Operation] = []
    for i in range(draw(st.integers(1, 12))):
        names = [n for n, t in tensors.items() if t.form.bits == 16 or form is EIGHT]
        a = draw(st.sampled_from(names))
        kind = draw(st.sampled_from(["add", "reshape", "slice", "concat", "widen", "narrow"]))
        shape, held = tensors[a].shape, tensors[a].form
        inputs: tuple[str, ...] = (a,)
        attrs: dict[str, int] = {}
        if kind in ("add", "concat"):
            like = [n for n in names if tensors[n].shape == shape and tensors[n].form is held]
            inputs = (a, draw(st.sampled_from(like)))
            attrs = SHIFTS if kind == "add" else {}
            if kind == "concat":
                shape = (*shape[:-1], 2 * shape[-1])
        elif kind == "reshape":
            shape = draw(st.sampled_from([shape, (elements(shape),), (1, elements(shape))]))
        elif kind == "slice":
            attrs = {"start": shape[-1] // 2, "stop": shape[-1]}
            shape = (*shape[:-1], shape[-1] - shape[-1] // 2)
        elif kind == "widen":
            held = SIXTEEN
        else:
            attrs, held = {"shift": 1}, EIGHT
        name = f"v{i}"
        tensors[name] = Tensor(shape, held)
        operations.append(Operation(kind, name, inputs, attrs))
    after = [n for n, t in tensors.items() if t.shape == (4,) and t.form is form]
    states = {state: draw(st.sampled_from(after)) for state in ("s", "t", "u")}
    return program_of(operations, tensors, states, draw(st.sampled_from(list(tensors))))


class Machine:
    """Memory whose bytes say which element of which value they hold."""

    def __init__(self, program: Program, plan: Storage) -> None:
        self.program, self.plan = program, plan
        self.memory: dict[tuple[str, int], tuple[str, int]] = {}
        for name in (program.input, *program.states):
            self.write(name, Place(name), name)

    def cells(self, name: str, place: Place) -> Iterator[tuple[int, list[tuple[str, int]]]]:
        """Element and the bytes in which it lies."""
        root, size = place.root, self.width(place.root)
        base = 0
        if root in self.plan.stretches:
            base, root = self.plan.stretches[root].offset, "arena"
        for i in range(elements(self.program.tensors[name].shape)):
            first = base + (place.start + i) * size
            yield i, [(root, first + k) for k in range(size)]

    def width(self, root: str) -> int:
        name = self.program.output if root == OUTPUT else root
        return self.program.tensors[name.strip("*")].form.bits // 8

    def write(self, name: str, place: Place, tag: str) -> None:
        for i, cells in self.cells(name, place):
            self.memory.update(dict.fromkeys(cells, (tag, i)))

    def holds(self, name: str, place: Place) -> bool:
        """Whether every byte still belongs to the value that ``name`` is a view of."""
        tag, start = self.origin(name)
        return all(
            self.memory.get(cell) == (tag, start + i)
            for i, cells in self.cells(name, place)
            for cell in cells
        )

    def origin(self, name: str) -> tuple[str, int]:
        """The computed value behind a view, and the view's first element in it."""
        ops = {op.output: op for op in self.program.operations}
        start = 0
        while name in ops and self.is_view(ops[name]):
            start += ops[name].attrs.get("start", 0)
            name = ops[name].inputs[0]
        return name, start

    def is_view(self, op: Operation) -> bool:
        places = self.plan.places
        return (
            op.kind in ("reshape", "widen", "slice")
            and op.output not in self.plan.in_place
            and places[op.output].root == places[op.inputs[0]].root
            and places[op.output].root != op.output
        )


@settings(max_examples=300)
@given(programs())
def test_what_is_read_is_what_was_written(program: Program) -> None:
    plan = plan_storage(program)
    machine = Machine(program, plan)
    for op in program.operations:
        for name in op.inputs:
            assert machine.holds(name, plan.places[name]), (op, name)
        if not machine.is_view(op):
            machine.write(op.output, plan.places[op.output], op.output)
    # the end: what goes through a detour first, then the output, then the states
    for state, stretch in plan.saved.items():
        after = plan.kept[state]
        assert machine.holds(after, plan.places[after])
        machine.write(state, Place(stretch), machine.origin(after)[0])
    assert machine.holds(program.output, plan.places[program.output])
    for state, after in plan.kept.items():
        if state not in plan.saved:
            assert machine.holds(after, plan.places[after]), (state, after)
        machine.write(state, Place(state), machine.origin(after)[0])
    for state, after in program.states.items():
        held = {
            machine.memory[c][0] for _, cells in machine.cells(state, Place(state)) for c in cells
        }
        assert held == {machine.origin(after)[0]}
    assert all(s.offset + s.size <= plan.size for s in plan.stretches.values())


def test_an_update_of_a_state_stays_where_it_is() -> None:
    tensors = {name: Tensor((8,), SIXTEEN) for name in ("x", "m", "after")}
    program = program_of(
        [Operation("add", "after", ("m", "x"), SHIFTS)], tensors, {"m": "after"}, "m"
    )
    # the output is the old value: it must be there until the end
    assert plan_storage(program).kept == {"m": "after"}
    program = program_of(
        [Operation("add", "after", ("m", "x"), SHIFTS)], tensors, {"m": "after"}, "after"
    )
    plan = plan_storage(program)
    assert plan.in_place == {"after": "m"}
    assert (plan.kept, plan.size) == ({}, 0)


def test_values_that_do_not_live_together_share_bytes() -> None:
    # a chain: two values are alive at a time, ten in all
    tensors = {"x": Tensor((16,), SIXTEEN)}
    operations = []
    for i in range(10):
        before = f"v{i - 1}" if i else "x"
        tensors[f"v{i}"] = Tensor((16,), SIXTEEN)
        operations.append(Operation("add", f"v{i}", (before, before), SHIFTS))
    plan = plan_storage(program_of(operations, tensors, {}, "v9"))
    assert plan.size == 2 * n_bytes(tensors["x"])
    assert plan.output_in_place


def test_shapes_cost_nothing() -> None:
    tensors = {
        "x": Tensor((12,), EIGHT),
        "grid": Tensor((3, 4), EIGHT),
        "flat": Tensor((12,), EIGHT),
        "cut": Tensor((5,), EIGHT),
        "wide": Tensor((5,), SIXTEEN),
        "y": Tensor((5,), SIXTEEN),
    }
    operations = [
        Operation("reshape", "grid", ("x",)),
        Operation("reshape", "flat", ("grid",)),
        Operation("slice", "cut", ("flat",), {"start": 2, "stop": 7}),
        Operation("widen", "wide", ("cut",)),
        Operation("tanh", "y", ("wide",), {"multiplier": 20000, "shift": 3}),
    ]
    plan = plan_storage(program_of(operations, tensors, {}, "y"))
    assert plan.places["wide"] == Place("x", 2)
    assert (plan.size, plan.stretches) == (0, {})
    assert np.prod(tensors["y"].shape) == 5
