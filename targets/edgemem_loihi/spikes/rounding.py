"""Real weights as the chip's: 8 bits of mixed sign, one exponent for each row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError
from edgemem.ops import Array
from edgemem_loihi.cuba import limits

Ints = NDArray[np.int64]

LARGEST = 254
"""Greatest magnitude of a weight of mixed sign: even, and the same with either sign."""

LEAST_EXPONENT = -1
"""An even weight shifted right by one keeps all its bits; further right it would lose some."""


@dataclass(frozen=True)
class Rows:
    """A matrix whose row ``i`` is ``weights[i] 2^(exponents[i] + 6)`` on the current's scale."""

    weights: Ints
    exponents: Ints

    @property
    def effective(self) -> Ints:
        """What a spike adds, on the scale of the current."""
        added = self.weights * 2.0 ** (self.exponents[:, None] + limits.WEIGHT_SHIFT)
        return added.astype(np.int64)


def rounded(name: str, matrix: Array, chain: Ints | None = None) -> Rows:
    """The nearest weights of mixed sign, each row with the least exponent that holds it.

    Parameters
    ----------
    name : str
        For messages.
    matrix : (n, m) array
        On the scale of the current.
    chain : (m,) int array, optional
        Columns that only ever act together with all columns before them of the same number, as
        the comparators of a thermometer do: the sums of these are rounded, not each weight.

    Raises
    ------
    ConfigError
        If a row needs an exponent above 7.
    """
    units = np.abs(matrix).max(axis=1, initial=0.0) / 2.0**limits.WEIGHT_SHIFT
    with np.errstate(divide="ignore"):
        needed = np.ceil(np.log2(units / LARGEST))
    exponents = np.maximum(np.where(np.isfinite(needed), needed, 0.0), LEAST_EXPONENT)
    highest = limits.WEIGHT_EXPONENTS[1]
    if exponents.max(initial=0.0) > highest:
        raise ConfigError(
            f"{name}: a weight needs exponent {int(exponents.max())}, the chip has {highest} at "
            "most; ranges of the values that it joins are too far apart"
        )
    steps = 2.0 ** (exponents[:, None] + limits.WEIGHT_SHIFT + 1)
    weights = 2.0 * _nearest(matrix / steps, chain)
    return Rows(np.clip(weights, -LARGEST, LARGEST).astype(np.int64), exponents.astype(np.int64))


def _nearest(ratio: Array, chain: Ints | None) -> Array:
    """Whole numbers, or whole sums along each chain."""
    if chain is None:
        return np.asarray(np.rint(ratio))
    starts = np.flatnonzero(np.diff(chain, prepend=-1))
    sums = np.cumsum(ratio, axis=1)
    before = np.repeat(sums[:, starts] - ratio[:, starts], np.diff(starts, append=len(chain)), 1)
    whole = np.rint(sums - before)
    shifted = np.concatenate([np.zeros((len(ratio), 1)), whole[:, :-1]], axis=1)
    shifted[:, starts] = 0.0
    return np.asarray(whole - shifted)
