"""Bytes: of the parameters of an integer program, and in words."""

from __future__ import annotations

import re

from edgemem.errors import ConfigError
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


_SIZE = re.compile(r"\s*([0-9][0-9_,]*(?:\.[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 10**6, "kib": 1024, "mib": 1024**2}


def parse_bytes(text: str) -> int:
    """Bytes in words: ``45kB`` is 45,000, ``45KiB`` 46,080, ``45000`` itself.

    Raises
    ------
    ConfigError
        If it is no size of 1 byte or more.
    """
    found = _SIZE.fullmatch(text)
    factor = None if found is None else _UNITS.get(found[2].lower())
    if found is None or factor is None:
        raise ConfigError(f"{text!r} is no number of bytes; expected such as 45kB, 45KiB or 45000")
    size = int(float(found[1].replace(",", "").replace("_", "")) * factor)
    if size < 1:
        raise ConfigError(f"{text!r} is less than 1 byte")
    return size
