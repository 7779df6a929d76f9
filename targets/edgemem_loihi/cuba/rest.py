"""What follows a spike: the reset, the refractory time, and a tally."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba.chip import Ints

Bools = NDArray[np.bool_]


class Rest:
    """Reset and refractory time of some compartments.

    Parameters
    ----------
    refractory : (n,) int32 array
        Steps from a spike to the next one that can be.
    batch : int
    """

    def __init__(self, refractory: Ints, batch: int) -> None:
        self._times = (refractory - 1).astype(np.uint8)
        self._left = np.zeros((batch, len(refractory)), np.uint8)
        self._rests = bool(self._times.any())

    def reset(self) -> None:
        """Back to the zero state."""
        self._left[...] = 0

    def settle(self, fired: Bools, v: Ints, mask: Bools) -> None:
        """Take spikes from what rests, and the voltage from what rests or has spiked.

        Parameters
        ----------
        fired : (batch, n) bool array
        v : (batch, n) int32 array
        mask : (batch, n) bool array
            Scratch.
        """
        if self._rests:
            left = self._left
            np.greater(left, 0, out=mask)
            np.greater(fired, mask, out=fired)
            left -= mask.view(np.uint8)
            np.logical_or(mask, fired, out=mask)
            # what has spiked did not rest: its count is 0
            left += fired.view(np.uint8) * self._times
            np.logical_not(mask, out=mask)
        else:
            np.logical_not(fired, out=mask)
        np.multiply(v, mask, out=v)


def tally(fired: Bools) -> NDArray[np.int64]:
    """Spikes of each compartment, over the batch, (n,)."""
    # sums of bytes in bytes are fast, and 255 of them cannot overflow
    small = np.uint8 if len(fired) < 256 else np.int64
    total: NDArray[np.int64] = np.add.reduce(fired.view(np.uint8), axis=0, dtype=small)
    return total.astype(np.int64)
