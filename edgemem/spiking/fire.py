"""Integrate-and-fire under a constant drive: spikes of a window in closed form.

A unit with membrane ``v`` and rate ``r``, at most 1 in magnitude, does in every step

.. math::

    v \\leftarrow v + r, \\qquad s = \\lfloor v + 1/2 \\rfloor, \\qquad v \\leftarrow v - s

with a spike ``s`` of -1, 0 or 1, and a reset by subtraction. ``v`` stays within half a spike of
zero, and after ``n`` steps ``floor(v + n r + 1/2)`` spikes were sent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemem.ops import Array

EARLY = 2.0**-20
"""A threshold is met from so little below it, so that whoever adds up the same rate in another
order or in float32 sends the spike in the same step."""

THRESHOLD = 0.5 - EARLY
"""Membrane at which a spike is sent; the negative one is sent below ``THRESHOLD - 1``."""


def fire(v: Array, rate: Array, steps: int) -> tuple[Array, Array]:
    """Spikes of a window, with their sign, and the membrane after it.

    Parameters
    ----------
    v : array
        Membranes before the window, within half a spike of zero.
    rate : array
        Spikes per step, between -1 and 1.
    steps : int
        Length of the window.

    Returns
    -------
    sent : array
        Whole numbers.
    v : array
    """
    charge = v + steps * rate
    sent = np.floor(charge + (1.0 - THRESHOLD))
    return sent, charge - sent


def spike_times(v: Array, rate: Array, steps: int) -> NDArray[np.int8]:
    """The spike of each step of a window.

    Parameters
    ----------
    v, rate : (..., n_units) array
    steps : int

    Returns
    -------
    (..., steps, n_units) int8 array
        -1, 0 or 1.
    """
    steps_done = np.arange(steps + 1)[:, None]
    sent = np.floor(v[..., None, :] + steps_done * rate[..., None, :] + (1.0 - THRESHOLD))
    return np.asarray(np.diff(sent, axis=-2), np.int8)
