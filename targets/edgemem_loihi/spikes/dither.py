"""A dither that a ring of compartments plays, so that few levels average to a fine value.

A signal rounded to few levels is off by an error that follows the signal. With a number added
before rounding that runs evenly through one level, the mean of the rounded values is the signal's
(Roberts 1962; Schuchman 1964). Taken in the order of van der Corput, the numbers are spread evenly
over every part of a period as well, so that the error has its energy at high frequencies.
"""

from __future__ import annotations

import numpy as np

from edgemem.errors import ConfigError
from edgemem.ops import Array

LONGEST = 64
"""Longest period: its differences still fit a weight of 8 bits exactly."""


def dither(period: int) -> Array:
    """One period, (period,), of mean zero, within (-1/2, 1/2) levels.

    Element ``k`` is ``(2 r_k + 1 - P) / (2 P)`` where ``r_k`` is ``k`` with its bits reversed
    (van der Corput 1935).

    Raises
    ------
    ConfigError
        If the period is no power of two between 1 and 64.
    """
    if period < 1 or period > LONGEST or period & (period - 1):
        raise ConfigError(
            f"a dither of {period} steps; expected a power of two from 1 to {LONGEST}"
        )
    bits = period.bit_length() - 1
    reversed_bits = np.zeros(period, np.int64)
    for k in range(bits):
        reversed_bits |= ((np.arange(period) >> k) & 1) << (bits - 1 - k)
    return np.asarray((2.0 * reversed_bits + 1.0 - period) / (2.0 * period))
