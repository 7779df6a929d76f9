"""The host's half of the input: numbers to spikes on the lines of a thermometer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemem.ops import Array
from edgemem_loihi.spikes.code import Code


class Encoder:
    """Values to spikes, what was rounded off carried over to the next step.

    The sum of what the lines said never differs from the sum of the values by more than half a
    step, as long as values stay within the code's reach; beyond, they are held at the reach.

    Parameters
    ----------
    code : Code
        As :func:`~edgemem_loihi.spikes.code.uniform` makes it, on both sides.
    batch : int
    """

    def __init__(self, code: Code, batch: int) -> None:
        self._code = code
        # a line spikes where the number of steps reaches its own
        self._number = np.rint(np.abs(code.level) / code.step[code.unit] + 0.5)
        self._most = np.zeros(code.size)
        np.maximum.at(self._most, code.unit, self._number)
        self._batch = batch
        self.reset()

    def reset(self) -> None:
        """Nothing is left over."""
        self._rest = np.zeros((self._batch, self._code.size))

    def spikes(self, x: Array) -> NDArray[np.bool_]:
        """Lines, (batch, m), for the values of one step, (batch, n)."""
        code = self._code
        wanted = np.clip(x / code.step, -self._most, self._most) + self._rest
        steps = np.clip(np.rint(wanted), -self._most, self._most)
        self._rest = wanted - steps
        return np.asarray(code.sign * steps[:, code.unit] >= self._number)
