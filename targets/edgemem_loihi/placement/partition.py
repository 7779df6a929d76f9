"""A network placed on a chip: cut into slices, gathered on cores, put on the mesh."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import PlacementError

from .limits import LOIHI, Limits
from .mesh import assign, spread
from .network import ChipNetwork, Traffic
from .packing import Packing
from .result import Core, Link, Placement, Routes
from .slices import Wiring, cut

Integers = NDArray[np.int64]


def place(
    network: ChipNetwork, limits: Limits = LOIHI, traffic: Traffic | None = None
) -> Placement:
    """A network on the cores of a chip.

    An axon joins a unit with a core: all synapses of the unit there share it. Output axons are
    counted on the core of the unit, input axons on the core that hears it; what comes from outside
    needs input axons alone. Groups are cut as often as their own compartments, input axons and
    synapse memory ask, and oftener where their units would need too many output axons for the
    cores that their targets lie on. Slices of several groups share a core where they fit.

    Parameters
    ----------
    network : ChipNetwork
    limits : Limits
    traffic : Traffic, optional
        How often units send; without it all equally often. It decides which slices lie together
        and near each other, not how many cores there are of it.

    Returns
    -------
    placement : Placement

    Raises
    ------
    PlacementError
        If the network does not fit; it names the limit that is broken and both numbers.
    GraphError
        If ``traffic`` does not fit the network.
    """
    sent = np.concatenate(list((traffic or Traffic()).of(network).values()))
    wiring = Wiring(network, limits)
    packing = Packing(wiring, cut(wiring), sent)
    _refuse_beyond(packing, limits)
    heard = packing.heard()
    home = _homes(wiring, packing)
    places = assign(*_flow(heard, home, sent), limits)
    tiles = spread([*places], limits)
    from_port = np.abs(limits.tiles()[places] - limits.port)
    # the ways of each unit's message to each core, (n_cores, n_units, 2)
    ways = np.where(home[None, :, None] < 0, from_port[:, None], tiles[:, home])
    routes = {
        name: Routes(
            cores=np.count_nonzero(heard[:, span], axis=0).astype(np.int64),
            east_west=(heard[:, span] * ways[:, span, 0]).sum(axis=0),
            north_south=(heard[:, span] * ways[:, span, 1]).sum(axis=0),
        )
        for name, span in wiring.span.items()
    }
    return Placement(
        limits=limits,
        cores=tuple(
            Core(int(places[i]), tuple(p.slice for p in packing.cores[i]), packing.usage(i))
            for i in np.argsort(places)
        ),
        routes=routes,
        links=tuple(_links(wiring, packing, ways)),
    )


def _refuse_beyond(packing: Packing, limits: Limits) -> None:
    n_cores = len(packing.cores)
    if n_cores > limits.cores:
        shares = [packing.usage(core).shares(limits.core) for core in range(n_cores)]
        mean = {what: float(np.mean([share[what] for share in shares])) for what in shares[0]}
        tightest = max(mean, key=lambda what: mean[what])
        raise PlacementError(
            f"the network needs {n_cores} cores; {limits.name!r} has {limits.cores}. What fills "
            f"them most are {tightest.replace('_', ' ')}, {mean[tightest]:.0%} of a core"
        )
    for core in range(n_cores):
        for what, used, most in packing.usage(core).beyond(limits.core):
            held = ", ".join(piece.slice.group for piece in packing.cores[core])
            raise PlacementError(
                f"units of {held} need {used} {what} on one core; "
                f"a core of {limits.name!r} has {most}"
            )


def _homes(wiring: Wiring, packing: Packing) -> Integers:
    """The core of each unit, (n_units,); -1 for what comes from outside."""
    home = np.full(wiring.n_units, -1, np.int64)
    for core, pieces in enumerate(packing.cores):
        for piece in pieces:
            home[wiring.place_of(piece.slice)] = core
    return home


def _flow(
    heard: NDArray[np.bool_], home: Integers, sent: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Messages per frame from core to core, and from outside to each core."""
    n_cores = len(heard)
    weighted = heard * sent
    between = np.stack(
        [np.bincount(home[home >= 0], row[home >= 0], minlength=n_cores) for row in weighted],
        axis=1,
    )
    return between.astype(np.float64), np.asarray(weighted[:, home < 0].sum(axis=1), np.float64)


def _links(wiring: Wiring, packing: Packing, ways: Integers) -> Iterator[Link]:
    pairs = dict.fromkeys((s.source, s.target) for s in wiring.network.synapses)
    for source, target in pairs:
        span = wiring.span[source]
        hears = np.zeros((len(packing.cores), span.stop - span.start), bool)
        for core, pieces in enumerate(packing.cores):
            for piece in pieces:
                if piece.slice.group == target:
                    hears[core] |= piece.heard[span]
        senders = max(int(np.count_nonzero(hears.any(axis=0))), 1)
        hops = (hears[..., None] * ways[:, span]).sum(axis=(0, 1)) / senders
        yield Link(source, target, float(hears.sum()) / senders, float(hops[0]), float(hops[1]))
