"""Host half: an activation as comparators, neurons that each spike above a level of their own.

A neuron with ``tau = dt`` forgets everything within a step: its voltage is its input, and it spikes
in the same step where that passes the threshold. ``K`` of them, with thresholds where an increasing
``f`` is half-way between two levels, count how high ``f(x)`` is:

.. math::

    f(x) \\approx f_0 + \\Delta \\sum_k [x > f^{-1}(f_0 + (k + \\tfrac12) \\Delta)],

which is ``f(x)`` rounded to the nearest level, and no further from it than half of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgemem.errors import UnsupportedOpError
from edgemem.ops import Array

COUNTED = frozenset({"relu", "tanh"})
"""Activations that comparators stand for."""


@dataclass(frozen=True)
class Staircase:
    """An activation of n units in K levels above its lowest.

    Parameters
    ----------
    thresholds : (n, K) array
        What the input must pass for each level.
    height : (n,) array
        Distance of two levels.
    lowest : float
        The level without a spike.
    """

    thresholds: Array
    height: Array
    lowest: float


def staircase(op: str, peaks: Array, levels: int) -> Staircase:
    """The levels of ``op`` for units whose outputs reach ``peaks``.

    Parameters
    ----------
    op : str
        One of :data:`COUNTED`.
    peaks : (n,) array
        Greatest absolute output of each unit along the calibration.
    levels : int
    """
    # a unit that never gave anything gets the levels of the average one
    peaks = np.where(peaks > 0, peaks, peaks.mean() or 1.0)
    middles = np.arange(levels) + 0.5
    if op == "relu":
        height = peaks / levels
        return Staircase(height[:, None] * middles, height, 0.0)
    if op != "tanh":
        raise UnsupportedOpError(f"nir: no comparators stand for {op}")
    height = np.full(len(peaks), 2.0 / levels)
    return Staircase(np.arctanh(height[:, None] * middles - 1.0), height, -1.0)
