"""Neighbouring compartments whose registers stay in the cache while they are updated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba.kernel import Bools, Kernel, Moment
from edgemem_loihi.cuba.registers import Registers
from edgemem_loihi.cuba.rest import Rest, Tally


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
    dtype : dtype
        Of what arrives.

    Attributes
    ----------
    columns : slice
    u, v : (batch, n) int32 array
    q : (batch, n) float array
        What arrives in the step to come.
    updates : int
        Updates of compartments that were active.
    """

    def __init__(
        self,
        columns: slice,
        registers: Registers,
        arriving: NDArray[np.float64],
        batch: int,
        dtype: Any,
    ) -> None:
        self.columns = columns
        self._kernel = Kernel(registers, arriving)
        self._refractory = registers.refractory
        shape = (batch, columns.stop - columns.start)
        self.u, self.v = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self.q = np.zeros(shape, dtype)
        self._scratch, self._fired = np.empty(shape, np.int32), np.zeros(shape, bool)
        self.reset()

    def reset(self) -> None:
        """Back to the zero state."""
        self.u[...] = 0
        self.v[...] = 0
        self.updates = 0
        self._rest, self._tally = Rest(self._refractory), Tally(self.u.shape)

    def step(self, fired: Bools, moment: Moment) -> None:
        """Update; ``fired`` (batch, width of all columns) takes the spikes in."""
        own = self._fired
        self.updates += self._kernel.update(self.q, self.u, self.v, own, self._scratch, moment)
        spikes, v = own.reshape(-1), self.v.reshape(-1)
        resting = self._rest.resting()
        if resting.size:
            spikes[resting] = False
            v[resting] = 0
        active = np.flatnonzero(spikes)
        v[active] = 0
        self._rest.spiked(active)
        self._tally.add(own)
        fired[:, self.columns] = own

    def sent(self) -> NDArray[np.int64]:
        """Spikes since the zero state, over the batch, (n,)."""
        return self._tally.total()
