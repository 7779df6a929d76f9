"""What happens when a value leaves its register: an error, or the chip's wrap, counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ChipOverflowError
from edgemem_loihi.cuba.chip import Ints

QUANTITIES = ("q", "u", "u + bias")
"""What can overflow: what arrives in a step, the current, and the current with its bias."""

Where = Callable[[int, int], str]
"""Row and column in a block of values to the words that name the sequence and compartment."""


class Overflow(Protocol):
    """Called with values of which at least one is outside ``bits`` bits and a sign."""

    def __call__(
        self, quantity: str, values: NDArray[Any], bits: int, step: int, where: Where
    ) -> Ints:
        """The values as the register holds them, (rows, n) int32."""
        ...


class Refuse:
    """Overflow is an error."""

    def __call__(
        self, quantity: str, values: NDArray[Any], bits: int, step: int, where: Where
    ) -> Ints:
        row, column = np.argwhere(_outside(values, bits))[0]
        raise ChipOverflowError(
            f"{quantity} of {where(int(row), int(column))} is {int(values[row, column])} in step "
            f"{step}; the chip has {bits} bits and a sign. Scale weights or biases down, or run "
            "in hardware mode to see it wrap"
        )


@dataclass
class Wrap:
    """Two's complement, as the chip does, and counted.

    Attributes
    ----------
    counts : dict of int
        Overflows of each of :data:`QUANTITIES`.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUANTITIES, 0))

    def __call__(
        self, quantity: str, values: NDArray[Any], bits: int, step: int, where: Where
    ) -> Ints:
        self.counts[quantity] += int(np.count_nonzero(_outside(values, bits)))
        return wrapped(values, bits)


def wrapped(values: NDArray[Any], bits: int) -> Ints:
    """``values`` modulo ``2^(bits + 1)``, in ``[-2^bits, 2^bits)``."""
    half = np.int64(1) << bits
    return np.asarray(((values.astype(np.int64) + half) & (2 * half - 1)) - half, np.int32)


def _outside(values: NDArray[Any], bits: int) -> NDArray[np.bool_]:
    half = 1 << bits
    return np.asarray((values < -half) | (values >= half))
