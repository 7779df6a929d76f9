"""What a program must keep so that its C cannot overflow, and what has a C form at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ToleranceError, UnsupportedOpError
from edgemem.quantize.program import Operation, Program

from .storage import elements

LIMIT32 = (1 << 31) - 1
"""The largest value of a 32-bit accumulator."""

UNSIGNED = 255
"""The largest magnitude of an 8-bit input: it may be brought to unsigned integers."""

PACKED_COLUMNS = {8: 1 << 19, 16: 1 << 11}
"""Rows of packed weights have no more: weights of 0 to 15 times inputs then fit 32 bits twice."""

WIDTHS = (8, 16)


def check_program(program: Program) -> None:
    """Refuse a program whose C would overflow for some input, or has no C form.

    Raises
    ------
    ToleranceError
        If an accumulator could overflow.
    UnsupportedOpError
        If an operation has widths, shapes or shifts that the kernels do not know.
    """
    for name, tensor in program.tensors.items():
        if tensor.form.bits not in WIDTHS:
            raise UnsupportedOpError(
                f"{name!r} has {tensor.form.bits} bits; C knows values of 8 and 16 bits"
            )
    for op in program.operations:
        if op.kind in ("product", "wide_product"):
            _check_product(program, op)
        elif op.kind in ("sigmoid", "tanh"):
            _check_curve(program, op)
        elif op.kind in ("add", "sub", "mul", "relu", "rescale", "narrow"):
            _check_elementwise(program, op)


def _check_product(program: Program, op: Operation) -> None:
    bits = 8 if op.kind == "product" else 16
    found = (_bits(program, op.inputs[0]), _bits(program, op.output))
    if found != (bits, bits):
        raise UnsupportedOpError(
            f"{op.output!r}: a {op.kind} from {found[0]} to {found[1]} bits has no C form; "
            f"known: {bits} to {bits}"
        )
    weight = program.arrays[op.arrays["weight"]]
    if program.weights[op.arrays["weight"]].bits < 8 and weight.shape[1] > PACKED_COLUMNS[bits]:
        raise UnsupportedOpError(
            f"{op.output!r}: rows of {weight.shape[1]} packed weights have no C form; "
            f"known: {PACKED_COLUMNS[bits]}; give this layer 8 bits"
        )
    largest = _largest_sums(program, op)
    # the sum is shifted to the left before it is multiplied
    shift = program.arrays[op.arrays["shift"]].astype(np.int64)
    largest = largest * 2.0 ** np.maximum(shift, 0)
    if np.any(largest > LIMIT32):
        raise ToleranceError(
            f"{op.output!r}: the sum of its product could reach {largest.max():.3g}, beyond the "
            f"{float(LIMIT32):.3g} of its accumulator; train it with smaller weights or biases"
        )


def _largest_sums(program: Program, op: Operation) -> NDArray[np.float64]:
    """What each row's sum stays within, its bias and all intermediates included."""
    form = program.tensors[op.inputs[0]].form
    reach = UNSIGNED if form.bits == 8 else (1 << 15) + abs(form.zero_point)
    weight = program.arrays[op.arrays["weight"]].astype(np.float64)
    largest = reach * np.abs(weight).sum(axis=1)
    if "bias" in op.arrays:
        largest = largest + np.abs(program.arrays[op.arrays["bias"]].astype(np.float64))
    return np.asarray(largest)


def is_low(program: Program, op: Operation) -> bool:
    """Whether every factor of a product is below 1/2 and every sum below 2^30."""
    shift = program.arrays[op.arrays["shift"]]
    return bool(np.all(shift < 0) and np.all(_largest_sums(program, op) < 1 << 30))


def _check_curve(program: Program, op: Operation) -> None:
    multiplier, shift = op.attrs["multiplier"], op.attrs["shift"]
    if _bits(program, op.output) != 16:
        raise UnsupportedOpError(f"{op.output!r}: {op.kind} gives 16 bits in C")
    if not (0 <= multiplier <= 32767 and 0 <= shift <= 31):
        raise UnsupportedOpError(
            f"{op.output!r}: the argument of its {op.kind} reaches so far that its multiplier is "
            f"{multiplier}; 32767 is the largest; train it with smaller weights"
        )


def _check_elementwise(program: Program, op: Operation) -> None:
    sizes = [elements(program.tensors[name].shape) for name in op.inputs]
    whole = elements(program.tensors[op.output].shape)
    if max(sizes) != whole or any(whole % size for size in sizes):
        raise UnsupportedOpError(f"{op.output!r}: its operands have {sizes} elements of {whole}")
    if op.kind == "narrow" or (op.kind in ("add", "sub") and "left" not in op.attrs):
        shifts = [value for name, value in op.attrs.items() if name.startswith("shift")]
        if not all(0 <= shift <= 31 for shift in shifts):
            raise UnsupportedOpError(f"{op.output!r}: shifts of {shifts}; known: 0 to 31")
        return
    if largest_step(program, op) > LIMIT32:
        raise ToleranceError(
            f"{op.output!r}: its {op.kind} could leave 32 bits before it is scaled; "
            "calibrate it again"
        )


def largest_step(program: Program, op: Operation) -> int:
    """The largest magnitude that an intermediate of a scaled elementwise operation can take."""
    attrs, reaches = op.attrs, [_reach(program, name) for name in op.inputs]
    if op.kind in ("relu", "rescale"):
        return reaches[0] << max(attrs["shift"], 0)
    if op.kind == "mul":
        return (reaches[0] * reaches[1]) << max(attrs["shift"], 0)
    total, steps = 0, []
    for reach, name in zip(reaches, ("a", "b")):
        left = reach << (attrs["left"] + max(attrs[f"shift_{name}"], 0))
        steps.append(left)
        # one more for rounding
        scaled = left * attrs[f"multiplier_{name}"] >> 31
        total += (scaled >> max(-attrs[f"shift_{name}"], 0)) + 1
    return max(*steps, total << max(attrs["shift"], 0))


def _reach(program: Program, name: str) -> int:
    """The largest magnitude of ``x - zero_point``."""
    form = program.tensors[name].form
    return max(form.highest - form.zero_point, form.zero_point - form.lowest)


def _bits(program: Program, name: str) -> int:
    return program.tensors[name].form.bits
