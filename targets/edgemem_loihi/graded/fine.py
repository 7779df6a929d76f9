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


def with_fine_states(program: Program) -> Program:
    """``program`` with each state ``s' = s + d`` in 24 bits, where ``d`` can be given finer.

    ``s`` and ``s'`` keep their names and their 16 bits for all that reads them; what is carried
    over is ``s:24``. Since 16 bits were proved to hold the state, 24 hold it with 8 more.

    Parameters
    ----------
    program : Program
    """
    for state in program.states:
        changes = _changes(program, state)
        if changes:
            program = _refined(program, state, changes)
    return program


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
    before = arrays[op.arrays["shift"]]
    arrays[name] = np.where(arrays[op.arrays["multiplier"]] != 0, before + MORE, before).astype(
        before.dtype
    )
    return replace(op, arrays={**op.arrays, "shift": name})
