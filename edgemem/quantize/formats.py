"""How a real number is held as an integer: ``real = scale * (integer - zero_point)``.

The one home of scale choice and rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError
from edgemem.ops import Array

Scale = Union[float, Array]

_SMALLEST = 2.0**-40
"""Scales stay normal float32 numbers, also for values that are always zero."""

_NUDGE = 1.0 + 2.0**-20
"""See :func:`shifted`."""

_EXACT = 1 << 53
"""Integers up to this are exact in float64."""


@dataclass(frozen=True, eq=False)
class Format:
    """Signed integers of ``bits`` bits.

    Parameters
    ----------
    bits : int
        2, 4, 8, 16, 32 or 64.
    scale : float or (n,) array
        Size of one step; an array gives each row of a matrix (or element of a bias) its own.
        Rounded to float32, in which files hold it.
    zero_point : int
        The integer that stands for 0.
    """

    bits: int
    scale: Scale
    zero_point: int = 0

    def __post_init__(self) -> None:
        scale = np.asarray(self.scale, np.float32).astype(np.float64)
        if not np.all(np.isfinite(scale)) or not np.all(scale > 0):
            raise ConfigError(f"format: scale must be finite and greater than 0 (got {scale})")
        object.__setattr__(self, "scale", scale if scale.ndim else float(scale))

    @property
    def dtype(self) -> str:
        """NumPy's name of the integers; those of fewer than 8 bits are held in 8."""
        return f"int{max(self.bits, 8)}"

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def highest(self) -> int:
        return (1 << (self.bits - 1)) - 1

    def quantize(self, x: Array) -> NDArray[Any]:
        """The nearest integers, half to even, saturating; shape of ``x``."""
        integers = np.rint(np.asarray(x) / self._along(np.ndim(x))) + self.zero_point
        # float64 cannot hold the ends of int64; what comes near them is no sensible value
        low, high = max(self.lowest, -_EXACT), min(self.highest, _EXACT)
        held: NDArray[Any] = np.clip(integers, low, high)
        return held.astype(self.dtype)

    def dequantize(self, q: NDArray[Any]) -> Array:
        """The reals that the integers ``q`` stand for."""
        steps = np.asarray(q, np.float64) - self.zero_point
        return np.asarray(steps * self._along(np.ndim(q)))

    def _along(self, ndim: int) -> Array:
        scale = np.asarray(self.scale)
        return scale.reshape(-1, *[1] * (ndim - 1)) if scale.ndim else scale


def symmetric(magnitude: float, bits: int, power_of_two: bool = False) -> Format:
    """Zero point 0, covering ``-magnitude`` to ``magnitude``.

    With ``power_of_two`` the scale is the next power of two, so that changing it is a shift.
    """
    highest = float((1 << (bits - 1)) - 1)
    scale = max(magnitude / highest, _SMALLEST)
    if power_of_two:
        # the end of the range may saturate by one step: 1.0 stands in 2^-15 steps as 32767
        scale = 2.0 ** np.ceil(np.log2(max(magnitude / (highest + 1.0), _SMALLEST)) - 1e-9)
    return Format(bits, float(scale))


def shifted(low: float, high: float, bits: int = 8) -> Format:
    """As :func:`affine` with a scale that a shift leads to, the range in the middle.

    The scale is a power of two and a millionth more. What lies half between two integers is then
    a little less than that, for whoever divides by the scale or multiplies by its inverse in 32-bit
    floats: all round it towards zero, also those whose rule for halves is another.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    levels = float((1 << bits) - 1)
    scale = float(2.0 ** np.ceil(np.log2(max((high - low) / levels, _SMALLEST)) - 1e-9))
    lowest = -(1 << (bits - 1))
    zero_point = int(np.clip(np.rint(-0.5 - (low + high) / (2.0 * scale)), lowest, -lowest - 1))
    return Format(bits, scale * _NUDGE, zero_point)


def shift_between(wide: Format, narrow: Format) -> int | None:
    """Bits by which integers of ``wide`` are shifted into those of :func:`shifted`, if they are."""
    mantissa, exponent = math.frexp(float(narrow.scale) / float(wide.scale))
    return exponent - 1 if mantissa == 0.5 * _NUDGE and exponent >= 1 else None


def affine(low: float, high: float, bits: int = 8) -> Format:
    """Covering ``low`` to ``high`` and, exactly, 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    levels = float((1 << bits) - 1)
    scale = float(np.float32(max((high - low) / levels, _SMALLEST)))
    lowest = -(1 << (bits - 1))
    zero_point = int(np.clip(np.rint(lowest - low / scale), lowest, -lowest - 1))
    return Format(bits, scale, zero_point)


def per_row(weight: Array, bits: int = 8, floor: Array | float = 0.0) -> Format:
    """Zero point 0, each row of ``weight`` its own scale, none below ``floor``."""
    highest = float((1 << (bits - 1)) - 1)
    magnitude = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    return Format(bits, np.maximum(np.maximum(magnitude / highest, floor), _SMALLEST))
