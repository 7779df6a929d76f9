"""What has to hold before a program may run on the machine's numbers."""

from __future__ import annotations

import numpy as np

from edgemem.errors import ToleranceError
from edgemem.quantize.program import Operation, Program

from .machine import HIGHEST_EXPONENT, LIMIT, LOWEST_EXPONENT, PART_BITS, STATE_BITS


def reach(program: Program, op: Operation, parts: int = 1) -> float:
    """Greatest sum that any input of its format can bring about in an accumulator of a product.

    Parameters
    ----------
    program : Program
    op : Operation
        A product.
    parts : int
        2 where the high and the low part of its input are added up apart.
    """
    form = program.tensors[op.inputs[0]].form
    largest = max(form.highest - form.zero_point, form.zero_point - form.lowest)
    if parts == 2:  # x = 256 h + l with l from -128 to 127, so that |h| is at most 128 as well
        largest = 1 << (PART_BITS - 1)
    weight = program.arrays[op.arrays["weight"]].astype(np.int64)
    return float(np.abs(weight).sum(axis=1).max() * largest)


def check_reach(op: Operation, greatest: float) -> None:
    """Refuse a product whose sums could leave their accumulators in two parts as well.

    Raises
    ------
    ToleranceError
    """
    if greatest >= LIMIT:
        raise ToleranceError(
            f"{op.output!r}: its sum could reach {greatest:.3g} also where messages travel in two "
            f"parts, and accumulators of {STATE_BITS} bits end at {LIMIT:.3g}; make the layer "
            "before it smaller"
        )


def check_exponents(program: Program, op: Operation) -> None:
    """Refuse a row of a product whose factor ``s_x s_w / s_y`` no unit can apply.

    Raises
    ------
    ToleranceError
    """
    multiplier = np.asarray(program.arrays[op.arrays["multiplier"]])
    shift = np.asarray(program.arrays[op.arrays["shift"]])
    lost = program.arrays[op.arrays["weight"]].any(axis=1) & (multiplier == 0)
    known = f"units scale by exponents from {LOWEST_EXPONENT} to {HIGHEST_EXPONENT}"
    if lost.any():
        raise ToleranceError(
            f"{op.output!r}: weights of row {int(lost.argmax())} need an exponent below "
            f"{LOWEST_EXPONENT}; {known}: set these weights to zero, they add nothing"
        )
    if shift.max() > HIGHEST_EXPONENT:
        raise ToleranceError(
            f"{op.output!r}: weights of row {int(shift.argmax())} need an exponent of "
            f"{int(shift.max())}; {known}: train it with smaller weights"
        )
