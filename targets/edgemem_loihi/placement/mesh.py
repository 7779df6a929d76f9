"""Cores of a network put on the cores of a chip, so that messages travel few tiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .limits import Limits

Floats = NDArray[np.float64]

ROUNDS = 20
"""So often every core is looked at once more; it ends earlier where no exchange helps."""


def assign(between: Floats, entering: Floats, limits: Limits) -> NDArray[np.int64]:
    """A place on the chip for each core.

    Greedy first, the core with the most traffic with those that are placed next, where its
    messages travel least; then pairs of places are exchanged as long as that saves hops.
    The cost is the sum over messages of the tiles that they pass. Equal costs are decided by the
    order of cores and places: the same network always lies the same way.

    Parameters
    ----------
    between : (n, n) array
        Messages per frame from each core (row) to each core.
    entering : (n,) array
        Messages per frame from outside to each core.
    limits : Limits

    Returns
    -------
    places : (n,) int array
    """
    tiles = limits.tiles()
    distance = np.abs(tiles[:, None] - tiles[None]).sum(axis=-1).astype(float)
    from_port = np.abs(tiles - limits.port).sum(axis=-1).astype(float)
    traffic = between + between.T
    places = _greedy(traffic, entering, distance, from_port)
    return _exchange(places, traffic, entering, distance, from_port)


def _greedy(
    traffic: Floats, entering: Floats, distance: Floats, from_port: Floats
) -> NDArray[np.int64]:
    n = len(entering)
    places = np.full(n, -1, np.int64)
    free = np.ones(len(distance), bool)
    pull = entering.copy()  # traffic of each core with those that are placed, and with the port
    volume = traffic.sum(axis=1) + entering
    for _ in range(n):
        waiting = np.flatnonzero(places < 0)
        core = waiting[np.lexsort((waiting, -volume[waiting], -pull[waiting]))[0]]
        placed = np.flatnonzero(places >= 0)
        cost = distance[:, places[placed]] @ traffic[core, placed] + from_port * entering[core]
        places[core] = int(np.argmin(np.where(free, cost, np.inf)))
        free[places[core]] = False
        pull += traffic[core]
    return places


def _exchange(
    places: NDArray[np.int64],
    traffic: Floats,
    entering: Floats,
    distance: Floats,
    from_port: Floats,
) -> NDArray[np.int64]:
    """Exchange what stands on two places, one of which may be free, while a sum of hops falls."""
    n_places = len(distance)
    # cores that do not exist stand on the free places and talk to nobody
    flow = np.zeros((n_places, n_places))
    flow[: len(traffic), : len(traffic)] = traffic
    np.fill_diagonal(flow, 0.0)
    enter = np.zeros(n_places)
    enter[: len(entering)] = entering
    free = np.setdiff1d(np.arange(n_places), places)
    standing = np.concatenate([places, free])
    for _ in range(ROUNDS):
        moved = False
        for core in range(len(places)):
            saved = _saved(core, standing, flow, enter, distance, from_port)
            other = int(np.argmax(saved))
            if saved[other] > 1e-9 * (1.0 + flow.sum()):
                standing[[core, other]] = standing[[other, core]]
                moved = True
        if not moved:
            break
    return np.asarray(standing[: len(places)], np.int64)


def _saved(
    core: int,
    standing: NDArray[np.int64],
    flow: Floats,
    enter: Floats,
    distance: Floats,
    from_port: Floats,
) -> Floats:
    """Hops per frame that are saved when ``core`` changes places with each other one, (n,)."""
    here = standing[core]
    between = distance[np.ix_(standing, standing)]
    # sum over k of (flow[core, k] - flow[other, k]) * (d(here, k) - d(there, k)); what the two send
    # each other goes as far as before, and stands in that sum twice
    change = between[core] - between
    gain = np.asarray(((flow[core] - flow) * change).sum(axis=1))
    gain -= 2.0 * flow[core] * distance[here, standing]
    return np.asarray(gain + (enter[core] - enter) * (from_port[here] - from_port[standing]))


def spread(places: Sequence[int], limits: Limits) -> NDArray[np.int64]:
    """Tiles from each core to each core, east or west and north or south, (n, n, 2)."""
    tiles = limits.tiles()[np.asarray(places, np.int64)]
    return np.asarray(np.abs(tiles[:, None] - tiles[None]), np.int64)
