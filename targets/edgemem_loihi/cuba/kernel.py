"""The update of neighbouring compartments: what arrives to currents, voltages and spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba import limits
from edgemem_loihi.cuba.chip import Ints
from edgemem_loihi.cuba.overflow import Overflow, Where
from edgemem_loihi.cuba.registers import Registers

Bools = NDArray[np.bool_]

_SCALE = 1 << limits.DECAY_BITS


@dataclass(frozen=True)
class Moment:
    """When and where an update takes place, and what an overflow does.

    Parameters
    ----------
    step : int
    overflow : Overflow
    where : callable
    """

    step: int
    overflow: Overflow
    where: Where

    def held(self, quantity: str, values: NDArray[Any], bits: int) -> None:
        """Bring ``values`` into their register, in place."""
        half = 1 << bits
        if values.max() >= half or values.min() < -half:
            values[...] = self.overflow(quantity, values, bits, self.step, self.where)


class Kernel:
    """The parts of the update that some compartments need.

    Parameters
    ----------
    registers : Registers
    arriving : (n,) float64 array
        The most that can arrive at each in one step: what no input can overflow is not looked at.
    """

    def __init__(self, registers: Registers, arriving: NDArray[np.float64]) -> None:
        keep_u = _SCALE - limits.DECAY_U_OFFSET - registers.decay_u
        keep_v = _SCALE - registers.decay_v
        bias = registers.bias
        self._keep_u = keep_u / _SCALE if keep_u.any() else None
        self._keep_v = keep_v / _SCALE if registers.decay_v.any() else None
        self._bias = bias if bias.any() else None
        self._idles = bool((bias == 0).any())
        self._vth, self._vmin = registers.vth, registers.vmin
        # a bound above every threshold does nothing: what exceeds it spikes, and a spike resets
        self._vmax = registers.vmax if (registers.vth >= registers.vmax).any() else None
        # |u| <= keep |u| + |q| gives |u| <= |q| / (1 - keep)
        q = np.minimum(arriving, 1 << limits.Q_BITS)
        u = q / (1.0 - keep_u / _SCALE)
        self._q_fits = bool((arriving < 1 << limits.Q_BITS).all())
        self._u_fits = bool((u < 1 << limits.U_BITS).all())
        self._sum_fits = bool((u + np.abs(bias) < 1 << limits.U_BITS).all())

    def update(
        self, q: NDArray[Any], u: Ints, v: Ints, fired: Bools, scratch: Ints, moment: Moment
    ) -> int:
        """One step, in place, without reset and refractory time.

        Parameters
        ----------
        q : (rows, n) float array
            What arrives: whole numbers.
        u, v : (rows, n) int32 array
        fired : (rows, n) bool array
            Becomes ``v > vth``.
        scratch : (rows, n) int32 array
        moment : Moment

        Returns
        -------
        active : int
            Compartments with a current, a voltage or a bias.
        """
        if not self._q_fits:
            moment.held("q", q, limits.Q_BITS)
        # u' = trunc(u (4095 - decay_u) / 4096) + q: exact in float64, and a cast truncates
        if self._keep_u is None:
            np.copyto(u, q, casting="unsafe")
        else:
            np.copyto(scratch, q, casting="unsafe")
            np.multiply(u, self._keep_u, out=u, casting="unsafe")
            u += scratch
        if not self._u_fits:
            moment.held("u", u, limits.U_BITS)
        active = u.size
        if self._idles:
            np.bitwise_or(u, v, out=scratch)
            if self._bias is not None:
                scratch |= self._bias
            active = int(np.count_nonzero(scratch))
        total = u
        if self._bias is not None:
            total = np.add(u, self._bias, out=scratch)
            if not self._sum_fits:
                moment.held("u + bias", total, limits.U_BITS)
        # v' = trunc(v (4096 - decay_v) / 4096) + u + bias, within [vmin, vmax]
        if self._keep_v is not None:
            np.multiply(v, self._keep_v, out=v, casting="unsafe")
        v += total
        np.maximum(v, self._vmin, out=v)
        if self._vmax is not None:
            np.minimum(v, self._vmax, out=v)
        np.greater(v, self._vth, out=fired)
        return active
