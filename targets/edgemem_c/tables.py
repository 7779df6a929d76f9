"""The constant arrays of a generated source: equal ones are written once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .parts import rows

SIZES = {"int8_t": 1, "shift_t": 1, "int16_t": 2, "int32_t": 4, "int64_t": 8}


class Tables:
    """Arrays as they are asked for."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str, tuple[str, ...]], str] = {}
        self._texts: list[str] = []
        self.size = 0
        """Bytes of all arrays."""

    def add(
        self, stem: str, ctype: str, values: NDArray[np.int64] | Sequence[str], behind: str = ""
    ) -> str:
        """The name of an array with these values.

        Parameters
        ----------
        stem : str
            What it is for: begins its name.
        ctype : str
        values : integer array or sequence of str
            Integers, or constant expressions of C.
        behind : str
            How many zeros follow, as a constant expression of C.
        """
        if isinstance(values, np.ndarray):
            items = tuple(_constant(int(value), ctype) for value in values.reshape(-1))
        else:
            items = tuple(values)
        key = (ctype, behind, items)
        if key not in self._names:
            name = f"{stem}_{len(self._names)}"
            self._names[key] = name
            self.size += len(items) * SIZES[ctype]
            size = f"{len(items)} + {behind}" if behind else str(len(items))
            self._texts.append(
                f"\nstatic const {ctype} {name}[{size}] = {{\n    {rows(items)}\n}};\n"
            )
        return self._names[key]

    def text(self) -> str:
        """The definitions of all arrays."""
        return "".join(self._texts)


def _constant(value: int, ctype: str) -> str:
    """A constant of just that type; the lowest value has no literal of its own."""
    if ctype == "int64_t":
        return f"INT64_C({value})" if value != -(1 << 63) else "INT64_MIN"
    return str(value) if value != -(1 << 31) else "INT32_MIN"


def up_to(n: int, block: int) -> int:
    """The next multiple of ``block``."""
    return -(-n // block) * block
