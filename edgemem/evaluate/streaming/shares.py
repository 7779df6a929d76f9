"""Thresholds for a number of false accepts: how much of it each keyword may use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgemem.evaluate.streaming.tables import Table

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Share = Callable[[Table, Floats], Ints]
"""Of a table and rates: for each the places of the keywords' thresholds in ``table.odds``."""

TAIL = 20
"""Number of the highest false accepts to which the tail is fitted."""

DOUBT = 4.0
"""A keyword's own count weighs as much as its expected count when it is this large."""

_PRICES = np.geomspace(1e4, 1e-4, 161)


def common(table: Table, rates: Floats) -> Ints:
    """One threshold for all: the lowest whose expected false accepts fit each rate.

    Parameters
    ----------
    table : Table
    rates : (n,) array
        False accepts an hour.

    Returns
    -------
    (n, n_keywords) int array
        Places in ``table.odds``; the last one where nothing fits.
    """
    fit = tail(table)[:, None] <= rates * table.hours.sum()
    places = np.where(fit.any(axis=0), fit.argmax(axis=0), len(table.odds) - 1)
    return np.repeat(places[:, None], table.accepts.shape[2], axis=1)


def apart(table: Table, rates: Floats) -> Ints:
    """Thresholds with the fewest misses in all whose expected false accepts fit each rate.

    Each keyword minimises ``misses + price * accepts`` for a price that all share; the lowest price
    that fits is taken. Accepts are those that :func:`expected` makes of the counts. Parameters and
    result as for :func:`common`.
    """
    accepts = expected(table)
    misses = table.misses.sum(axis=1)
    columns = np.arange(accepts.shape[1])
    highest = np.full(accepts.shape[1], len(table.odds) - 1)
    wanted = [highest, *((misses + price * accepts).argmin(axis=0) for price in _PRICES)]
    costs = np.array([accepts[places, columns].sum() for places in wanted])
    fit = np.searchsorted(np.maximum.accumulate(costs), rates * table.hours.sum(), side="right")
    return np.asarray(np.array(wanted)[np.maximum(fit - 1, 0)])


def tail(table: Table) -> Floats:
    """Expected false accepts of all keywords over the threshold, (n,).

    The count itself, as long as it is :data:`TAIL` or more. Beyond, where single events decide, an
    exponential in log-odds: its slope is one over the mean excess of the highest events over the
    threshold that the last of them reaches.
    """
    counts = table.accepts.sum(axis=(1, 2))
    counts = np.maximum.accumulate(counts[::-1])[::-1]
    few = counts < TAIL
    if not few.any() or few.all():
        return np.asarray(counts if not few.all() else counts + 0.5)
    start = int(np.argmax(few)) - 1
    odds = table.odds
    # the area under the rest of the counts is the sum of the excesses
    areas = (counts[start:-1] + counts[start + 1 :]) / 2.0 * np.diff(odds[start:])
    excess = float(areas.sum() / counts[start])
    values = counts.copy()
    values[start:] = counts[start] * np.exp(-(odds[start:] - odds[start]) / max(excess, 1e-6))
    return np.asarray(values)


def expected(table: Table) -> Floats:
    """Expected false accepts of each keyword over its threshold, (n, n_keywords).

    A keyword without a false accept in a few hours may have one in the next. So each count is drawn
    towards what the keyword's share of all false accepts at low thresholds would make of
    :func:`tail`, the more the fewer its own are:

        n_k / (n_k + d) n_k + d / (n_k + d) share_k tail,  d = DOUBT
    """
    counts = table.accepts.sum(axis=1)
    counts = np.maximum.accumulate(counts[::-1], axis=0)[::-1]
    all_of = tail(table)
    enough = max(0, int((counts.sum(axis=1) >= 5 * counts.shape[1]).sum()) - 1)
    shares = (counts[enough] + 1.0) / (counts[enough] + 1.0).sum()
    weight = counts / (counts + DOUBT)
    return np.asarray(weight * counts + (1.0 - weight) * all_of[:, None] * shares)
