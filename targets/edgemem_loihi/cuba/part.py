"""Neighbouring compartments whose registers stay in the cache while they are updated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba.kernel import Kernel, Moment, Workspace
from edgemem_loihi.cuba.registers import Registers
from edgemem_loihi.cuba.rest import Rest, tally


class Part:
    """State and step of some columns.

    Parameters
    ----------
    columns : slice
    registers : Registers
        Of those columns.
    arriving : (n,) float64 array
        See :class:`~.kernel.Kernel`.
    batch : int
    space : Workspace

    Attributes
    ----------
    columns : slice
    u, v : (batch, n) int32 array
    fired : (batch, n) bool array
        Spikes of the step; all parts have the same memory for it.
    sent : (n,) int64 array
        Spikes since the zero state, over the batch.
    updates : int
        Updates of compartments that were active.
    """

    def __init__(
        self,
        columns: slice,
        registers: Registers,
        arriving: NDArray[np.float64],
        batch: int,
        space: Workspace,
    ) -> None:
        self.columns = columns
        self._kernel = Kernel(registers, arriving, space)
        self._rest = Rest(registers.refractory, batch)
        n = columns.stop - columns.start
        self.u, self.v = np.zeros((batch, n), np.int32), np.zeros((batch, n), np.int32)
        self.sent = np.zeros(n, np.int64)
        self.fired, self._mask = space.fired(n), space.mask(n)
        self.reset()

    def reset(self) -> None:
        """Back to the zero state."""
        self.u[...] = 0
        self.v[...] = 0
        self.sent[...] = 0
        self.updates = 0
        self._rest.reset()

    def step(self, q: NDArray[Any], moment: Moment) -> None:
        """Update after ``q`` (batch, n) has arrived."""
        self.updates += self._kernel.update(q, self.u, self.v, self.fired, moment)
        self._rest.settle(self.fired, self.v, self._mask)
        self.sent += tally(self.fired)
