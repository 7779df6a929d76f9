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


class Workspace:
    """Arrays that hold nothing from one part to the next, and hence stay in the cache.

    Parameters
    ----------
    batch, widest : int
    span : int
        Steps that are known at a time.
    dtype : dtype
        Of what arrives.
    """

    def __init__(self, batch: int, widest: int, span: int, dtype: Any) -> None:
        self._batch = batch
        self._arriving = np.zeros(span * batch * widest, dtype)
        self._scratch = np.zeros(batch * widest, np.int32)
        self._fired = np.zeros(batch * widest, bool)
        self._mask = np.zeros(batch * widest, bool)
        self._floors: dict[int, Ints] = {}

    def arriving(self, steps: int, n: int) -> NDArray[Any]:
        """(steps, batch, n) float."""
        return self._arriving[: steps * self._batch * n].reshape(steps, self._batch, n)

    def scratch(self, n: int) -> Ints:
        """(batch, n) int32."""
        return self._scratch[: self._batch * n].reshape(self._batch, n)

    def fired(self, n: int) -> Bools:
        """(batch, n) bool."""
        return self._fired[: self._batch * n].reshape(self._batch, n)

    def mask(self, n: int) -> Bools:
        """(batch, n) bool."""
        return self._mask[: self._batch * n].reshape(self._batch, n)

    def floor(self, value: int, n: int) -> Ints:
        """``value`` everywhere, (batch, n): a maximum with it is faster than with a scalar."""
        if value not in self._floors:
            self._floors[value] = np.full_like(self._scratch, value)
        return self._floors[value][: self._batch * n].reshape(self._batch, n)


class Kernel:
    """The parts of the update that some compartments need.

    Parameters
    ----------
    registers : Registers
    arriving : (n,) float64 array
        The most that can arrive at each in one step: what no input can overflow is not looked at.
    space : Workspace
    """

    def __init__(
        self, registers: Registers, arriving: NDArray[np.float64], space: Workspace
    ) -> None:
        n = len(registers.vth)
        self._scratch = space.scratch(n)
        bias = registers.bias
        self._keep_u = (_SCALE - limits.DECAY_U_OFFSET - registers.decay_u) / _SCALE
        self._keeps = bool(self._keep_u.any())
        self._leak = Leak(registers)
        self._bias = bias if bias.any() else None
        self._idles = bool((bias == 0).any())
        self._vth = registers.vth
        lowest = np.unique(registers.vmin)
        self._vmin = space.floor(int(lowest[0]), n) if lowest.size == 1 else registers.vmin
        # a bound above every threshold does nothing: what exceeds it spikes, and a spike resets
        self._vmax = registers.vmax if (registers.vth >= registers.vmax).any() else None
        # |u| <= keep |u| + |q| gives |u| <= |q| / (1 - keep)
        q = np.minimum(arriving, 1 << limits.Q_BITS)
        u = q / (1.0 - self._keep_u)
        self._q_fits = bool((arriving < 1 << limits.Q_BITS).all())
        self._u_fits = bool((u < 1 << limits.U_BITS).all())
        self._sum_fits = bool((u + np.abs(bias) < 1 << limits.U_BITS).all())
        self._keep_u = alike(self._keep_u)

    def update(self, q: NDArray[Any], u: Ints, v: Ints, fired: Bools, moment: Moment) -> int:
        """One step, in place, without reset and refractory time.

        Parameters
        ----------
        q : (batch, n) float array
            What arrives: whole numbers.
        u, v : (batch, n) int32 array
        fired : (batch, n) bool array
            Becomes ``v > vth``.
        moment : Moment

        Returns
        -------
        active : int
            Compartments with a current, a voltage or a bias.
        """
        scratch = self._scratch
        if not self._q_fits:
            moment.held("q", q, limits.Q_BITS)
        # u' = trunc(u (4095 - decay_u) / 4096) + q: exact in float64, and a cast truncates
        if self._keeps:
            np.copyto(scratch, q, casting="unsafe")
            np.multiply(u, self._keep_u, out=u, casting="unsafe")
            u += scratch
        else:
            np.copyto(u, q, casting="unsafe")
        if not self._u_fits:
            moment.held("u", u, limits.U_BITS)
        active = u.size
        if self._idles:
            np.bitwise_or(u, v, out=scratch)
            if self._bias is not None:
                scratch |= self._bias
            active = int(np.count_nonzero(scratch))
        # v' = trunc(v (4096 - decay_v) / 4096) + u + bias, within [vmin, vmax]
        self._leak(v, scratch)
        if self._bias is None:
            v += u
        else:
            total = np.add(u, self._bias, out=scratch)
            if not self._sum_fits:
                moment.held("u + bias", total, limits.U_BITS)
            v += total
        np.maximum(v, self._vmin, out=v)
        if self._vmax is not None:
            np.minimum(v, self._vmax, out=v)
        np.greater(v, self._vth, out=fired)
        return active


class Leak:
    """``v' = trunc(v (4096 - decay_v) / 4096)``, in place.

    Parameters
    ----------
    registers : Registers
    """

    def __init__(self, registers: Registers) -> None:
        decay = registers.decay_v
        self._leaks = bool(decay.any())
        self._keep = alike((_SCALE - decay) / _SCALE)
        # between two steps a voltage is at most its threshold
        highest = np.minimum(registers.vth, registers.vmax).astype(np.int64)
        self._whole = bool((registers.vmin == 0).all() and (highest * decay < 1 << 31).all())
        self._loss = alike(-decay)

    def __call__(self, v: Ints, scratch: Ints) -> None:
        if not self._leaks:
            return
        if self._whole:
            # for v >= 0: v - ceil(v decay / 4096) = v + floor(-v decay / 4096)
            np.multiply(v, self._loss, out=scratch)
            np.right_shift(scratch, limits.DECAY_BITS, out=scratch)
            v += scratch
        else:
            # exact in float64, and a cast truncates
            np.multiply(v, self._keep, out=v, casting="unsafe")


def alike(values: NDArray[Any]) -> NDArray[Any]:
    """One value where all are the same: it costs less than a row of them."""
    return values[:1] if np.all(values == values[0]) else values
