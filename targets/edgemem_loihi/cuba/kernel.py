"""The update of neighbouring compartments: what arrives to currents, voltages and spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba import limits
from edgemem_loihi.cuba.chip import Compartments, Ints
from edgemem_loihi.cuba.layout import traits
from edgemem_loihi.cuba.overflow import Overflow, Where

Bools = NDArray[np.bool_]

_SCALE = 1 << limits.DECAY_BITS
_UNIT = 1 << limits.WEIGHT_SHIFT


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
        if _leaves(values, 1 << bits):
            values[...] = self.overflow(quantity, values, bits, self.step, self.where)


class Kernel:
    """Compartments that need the same parts of the update (:func:`~.layout.traits`).

    Parameters
    ----------
    compartments : sequence of Compartments
    arriving : (n,) float64 array
        The most that can arrive at each in one step, on the scale of the current: registers that
        no input can overflow are not looked at.
    """

    def __init__(self, compartments: Sequence[Compartments], arriving: NDArray[np.float64]) -> None:
        def joined(values: Sequence[Any]) -> Any:
            return np.concatenate(values)

        keeps_current, leaks, biased, topped = traits(compartments[0])
        keep_u = joined([_SCALE - limits.DECAY_U_OFFSET - c.decay_u for c in compartments])
        keep_v = joined([_SCALE - c.decay_v for c in compartments])
        bias = joined([c.bias for c in compartments])
        self._keep_u = keep_u / _SCALE if keeps_current else None
        self._keep_v = keep_v / _SCALE if leaks else None
        self._bias = bias if biased else None
        self._idles = bool((bias == 0).any())
        self._vth = joined([c.vth for c in compartments])
        self._vmin = joined([np.full(c.size, c.vmin, np.int32) for c in compartments])
        tops = joined([np.full(c.size, c.vmax, np.int32) for c in compartments])
        self._vmax = tops if topped else None
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
            What arrives, in units of 64.
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
        if not self._q_fits and _leaves(q, (1 << limits.Q_BITS) // _UNIT):
            # in 64 bits: a sum that leaves the register may leave int32 as well
            q = moment.overflow(
                "q", q.astype(np.int64) * _UNIT, limits.Q_BITS, moment.step, moment.where
            )
            np.copyto(scratch, q)
        else:
            np.multiply(q, _UNIT, out=scratch, casting="unsafe")
        # u' = trunc(u (4095 - decay_u) / 4096) + q: exact in float64, and a cast truncates
        if self._keep_u is None:
            np.copyto(u, scratch)
        else:
            np.multiply(u, self._keep_u, out=u, casting="unsafe")
            u += scratch
        if not self._u_fits:
            moment.held("u", u, limits.U_BITS)
        active = u.size
        if self._idles:
            np.bitwise_or(u, v, out=scratch)
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


def _leaves(values: NDArray[Any], half: int) -> bool:
    """Whether any value is outside ``[-half, half)``."""
    return bool(values.max() >= half or values.min() < -half)
