"""Bytes that the numbers of an integer program take on a device."""

from __future__ import annotations

from edgemem.quantize.program import Program, Shape


def packed_bytes(shape: Shape, bits: int) -> int:
    """Bytes of a matrix of ``bits`` bits: two weights of 4 or four of 2 to a byte.

    Each row begins with a new byte.
    """
    rows, columns = shape
    return rows * (-(-columns * bits // 8))


def parameter_bytes(program: Program) -> int:
    """Bytes of the parameters of ``program`` as the C target holds them.

    Weights are packed; biases, multipliers and shifts of the rows and constants are counted in the
    integers that the program holds them in.
    """
    total = sum(int(constant.nbytes) for constant in program.constants.values())
    # an array that two operations share is held once
    for name in {name for op in program.operations for name in op.arrays.values()}:
        array = program.arrays[name]
        if name in program.weights:
            total += packed_bytes(array.shape, program.weights[name].bits)
        else:
            total += int(array.nbytes)
    return total
