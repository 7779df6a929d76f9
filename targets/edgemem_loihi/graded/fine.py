"""States in all of the machine's 24 bits, where a step adds to them.

A program keeps states in 16 bits, as every integer target can. A long memory adds up many small
changes, and their rounding with them; a machine of 24 bits can keep eight more bits of both. The
rest of the program stays as it is and reads the upper 16 bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgemem.quantize.formats import Format
from edgemem.quantize.program import Integers, Operation, Program, Tensor

from .elements import PRODUCTS
from .machine import STATE_BITS

MORE = STATE_BITS - 16
"""Bits that a state gains."""

FINE = f":{STATE_BITS}"
REST = ":rest"
_PLAIN = {"shift_a": 0, "shift_b": 0, "relu": 0}


def with_fine_states(program: Program) -> Program:
    """``program`` with each state ``s' = s + d`` in 24 bits, where ``d`` can be given finer.

    ``s`` and ``s'`` keep their names and their 16 bits for all that reads them; what is carried
    over is ``s:24``. Since 16 bits were proved to hold the state, 24 hold it with 8 more. Where
    ``d`` is a product with the state itself, as in a memory, the 8 bits that ``s`` leaves out are
    sent as well.

    Parameters
    ----------
    program : Program
    """
    for state in tuple(program.states):
        changes = _changes(program, state)
        if changes:
            program = _refined(program, state, changes)
            for name in changes:
                program = _with_rest(program, state, name)
    return _without_unread(program)


def rest_unsent(thresholds: Mapping[str, int]) -> dict[str, int]:
    """``thresholds`` at which what a state leaves of 24 bits never travels.

    Where messages may be off by a step of 16 bits, the 8 bits below say nothing.
    """
    return {name: 1 << MORE if name.endswith(REST) else n for name, n in thresholds.items()}


def _changes(program: Program, state: str) -> tuple[str, ...]:
    """The values that make up ``d``, its sum last; none where the form is another."""
    makers = {op.output: op for op in program.operations}
    after = makers.get(program.states[state])
    if after is None or after.kind != "add" or not _only_adds(after) or state not in after.inputs:
        return ()
    if program.tensors[state].form.bits != 16:
        return ()
    changes = [name for name in after.inputs if name != state]
    return tuple(_parts(program, makers, changes[0])) if len(changes) == 1 else ()


def _only_adds(op: Operation) -> bool:
    shifts = (op.attrs.get("shift_a"), op.attrs.get("shift_b"))
    return shifts == (0, 0) and "left" not in op.attrs and not op.attrs.get("relu")


def _parts(program: Program, makers: Mapping[str, Operation], name: str) -> list[str]:
    reads = Counter(read for op in program.operations for read in op.inputs)
    op = makers.get(name)
    if op is None or reads[name] != 1 or name in (program.output, *program.states.values()):
        return []
    if op.kind in PRODUCTS or op.kind == "mul":
        return [] if op.attrs.get("relu") else [name]
    if op.kind != "add" or not _only_adds(op):
        return []
    parts = [_parts(program, makers, part) for part in op.inputs]
    return [*parts[0], *parts[1], name] if all(parts) else []


def _refined(program: Program, state: str, changes: tuple[str, ...]) -> Program:
    after = program.states[state]
    tensors, arrays = dict(program.tensors), dict(program.arrays)
    for name in changes:
        tensors[name] = _fine(tensors[name])
    for name in (state, after):
        tensors[name + FINE] = _fine(tensors[name])
    operations = [Operation("narrow", state, (state + FINE,), {"shift": MORE})]
    for op in program.operations:
        if op.output == after:
            inputs = tuple(state + FINE if name == state else name for name in op.inputs)
            operations.append(replace(op, output=after + FINE, inputs=inputs))
            operations.append(Operation("narrow", after, (after + FINE,), {"shift": MORE}))
        elif op.output in changes and op.kind != "add":
            operations.append(_scaled(op, arrays))
        else:
            operations.append(op)
    states = {
        (state + FINE if name == state else name): (after + FINE if name == state else now)
        for name, now in program.states.items()
    }
    return replace(
        program, tensors=tensors, operations=tuple(operations), arrays=arrays, states=states
    )


def _fine(tensor: Tensor) -> Tensor:
    return Tensor(tensor.shape, Format(32, float(tensor.form.scale) / 2.0**MORE))


def _scaled(op: Operation, arrays: dict[str, Integers]) -> Operation:
    """The operation with its result in steps 256 times as fine."""
    if op.kind not in PRODUCTS:
        return replace(op, attrs={**op.attrs, "shift": op.attrs["shift"] + MORE})
    name = f"{op.output}{FINE}.shift"
    arrays[name] = _moved(arrays, op, MORE)
    return replace(op, arrays={**op.arrays, "shift": name})


def _with_rest(program: Program, state: str, name: str) -> Program:
    """The product ``[A, B] [s; u]`` as it is, and ``A`` times what ``s`` leaves of ``s:24``."""
    makers = {op.output: op for op in program.operations}
    op = makers[name]
    joined = makers.get(op.inputs[0])
    reads_itself = joined is not None and joined.kind == "concat" and joined.inputs[0] == state
    if op.kind != "wide_product" or not reads_itself:
        return program
    coarse, rest, upper, lower = f"{state}:coarse", state + REST, f"{name}:upper", f"{name}:lower"
    own, tensors, arrays = program.tensors[state], dict(program.tensors), dict(program.arrays)
    fine = tensors[state + FINE]
    tensors.update({coarse: fine, upper: tensors[name], lower: tensors[name]})
    tensors[rest] = Tensor(own.shape, Format(8, float(fine.form.scale)))
    arrays[f"{lower}.weight"] = arrays[op.arrays["weight"]][:, : own.shape[-1]]
    arrays[f"{lower}.shift"] = _moved(arrays, op, -MORE)
    named = {
        "weight": f"{lower}.weight",
        "multiplier": op.arrays["multiplier"],
        "shift": f"{lower}.shift",
    }
    parts = (
        Operation("rescale", coarse, (state,), {"multiplier": 1 << 30, "shift": MORE + 1}),
        Operation("sub", rest, (state + FINE, coarse), _PLAIN),
    )
    sums = (
        replace(op, output=upper),
        Operation(op.kind, lower, (rest,), op.attrs, named),
        Operation("add", name, (upper, lower), _PLAIN),
    )
    operations: list[Operation] = []
    for old in program.operations:
        operations += sums if old.output == name else (old,)
        if old.output == state and rest not in makers:
            operations += parts
    weights = {**program.weights, named["weight"]: program.weights[op.arrays["weight"]]}
    return replace(
        program,
        tensors=tensors,
        operations=tuple(operations),
        arrays=arrays,
        weights=weights,
    )


def _moved(arrays: Mapping[str, Integers], op: Operation, by: int) -> Integers:
    """Shifts of a product's rows for factors ``2^by`` times as large; rows of zeros stay."""
    before = arrays[op.arrays["shift"]]
    moved = np.where(arrays[op.arrays["multiplier"]] != 0, before + by, before)
    return np.asarray(moved, before.dtype)


def _without_unread(program: Program) -> Program:
    """``program`` without operations and arrays that nothing reads any more."""
    needed = {program.output, *program.states.values()}
    kept: list[Operation] = []
    for op in reversed(program.operations):
        if op.output in needed:
            needed.update(op.inputs)
            kept.append(op)
    arrays = {name for op in kept for name in op.arrays.values()}
    named = needed | {program.input, *program.states, *program.constants}
    return replace(
        program,
        tensors={name: t for name, t in program.tensors.items() if name in named},
        operations=tuple(reversed(kept)),
        arrays={name: a for name, a in program.arrays.items() if name in arrays},
        weights={name: f for name, f in program.weights.items() if name in arrays},
    )
