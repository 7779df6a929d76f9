"""Sigma-delta messages: what is sent when a value changes, and how often."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .machine import PART_BITS

Ints = NDArray[Any]
HALF = 1 << (PART_BITS - 1)


def held_after(x: Ints, held: Ints, threshold: int, parts: int = 1) -> Ints:
    """What sender and receivers hold of ``x`` after its messages.

    Where ``|x - held|`` is greater than the threshold, the sender sends what brings both sides
    within the threshold of ``x``; both add the same number to what they hold, so that they never
    drift apart ("corrected" sigma-delta). It sends ``x - held``; of a value in two parts the
    nearest multiple of 256 instead, where that is near enough: then the high part alone travels.

    Parameters
    ----------
    x, held : (..., n) integer array
    threshold : int
        In integer steps of ``x``.
    parts : int
        See :func:`sent`.
    """
    if not threshold:
        return x
    # the difference of two 16-bit numbers needs 17
    change = x.astype(np.int32) - held
    moved = np.abs(change) > threshold
    if parts == 2:
        left = ((change + HALF) & (2 * HALF - 1)) - HALF
        ends = np.iinfo(x.dtype)
        short = (np.abs(left) <= threshold) & (x - left >= ends.min) & (x - left <= ends.max)
        x = np.where(short, x - left, x).astype(held.dtype)
    return np.asarray(np.where(moved, x, held))


def sent(before: Ints, after: Ints, zero: int, parts: int) -> NDArray[np.int64]:
    """Messages of each element, added up over batch axes.

    Parameters
    ----------
    before, after : (batch, n) integer array
        What was held, and what is held now.
    zero : int
        The integer that stands for 0.
    parts : int
        1, or 2: the value less ``zero`` is ``256 h + l`` with ``l`` from -128 to 127, and each of
        both is sent if it changed.

    Returns
    -------
    (parts, n) int64 array
        The low part first.
    """
    if parts == 1:
        return np.asarray(np.count_nonzero(after != before, axis=0), np.int64)[None]
    a, b = after.astype(np.int32) - zero, before.astype(np.int32) - zero
    low = ((a ^ b) & ((1 << PART_BITS) - 1)) != 0
    high = (a + HALF) >> PART_BITS != (b + HALF) >> PART_BITS
    return np.array([np.count_nonzero(part, axis=0) for part in (low, high)], np.int64)
