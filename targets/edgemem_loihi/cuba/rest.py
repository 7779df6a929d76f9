"""Which compartments are in their refractory time, and how often each has spiked."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba.chip import Ints

Indices = NDArray[np.intp]

_NONE: Indices = np.empty(0, np.intp)


class Rest:
    """Flat indices (batch, width) of the compartments that rest.

    Parameters
    ----------
    refractory : (width,) int32 array
        Steps from a spike to the next one that can be.
    """

    def __init__(self, refractory: Ints) -> None:
        self._refractory = refractory
        times = sorted(set(refractory.tolist()) - {1})
        self._alike = len(set(refractory.tolist())) == 1
        self._queues = {steps: deque([_NONE], maxlen=steps - 1) for steps in times}

    def resting(self) -> Indices:
        """Those whose voltage is held at zero in this step."""
        waiting = [spiked for queue in self._queues.values() for spiked in queue if spiked.size]
        if len(waiting) > 1:
            return np.concatenate(waiting)
        return waiting[0] if waiting else _NONE

    def spiked(self, active: Indices) -> None:
        """Take in the spikes of a step, behind :meth:`resting`."""
        if not self._queues:
            return
        if self._alike:
            for queue in self._queues.values():
                queue.append(active)
            return
        steps = self._refractory[active % len(self._refractory)]
        for time, queue in self._queues.items():
            queue.append(active[steps == time])


class Tally:
    """Spikes of every compartment, counted in bytes that are emptied before they are full.

    Parameters
    ----------
    shape : tuple of int
        Batch and width.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._bytes = np.zeros(shape, np.uint8)
        self._steps = 0
        self._total = np.zeros(shape[1], np.int64)

    def add(self, fired: NDArray[np.bool_]) -> None:
        """Count the spikes of a step, (batch, width)."""
        if self._steps == 255:
            self.total()
        self._bytes += fired.view(np.uint8)
        self._steps += 1

    def total(self) -> NDArray[np.int64]:
        """Spikes so far, over the batch, (width,)."""
        self._total += self._bytes.sum(axis=0, dtype=np.int64)
        self._bytes[...] = 0
        self._steps = 0
        return self._total.copy()
