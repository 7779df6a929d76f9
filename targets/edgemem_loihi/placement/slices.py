"""Groups cut into slices, none of which asks more than a core holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import PlacementError

from .limits import Limits, Usage, axon_bits, index_bits
from .network import ChipNetwork, Group, Synapses

Units = NDArray[np.bool_]
"""(n_units,): one place for every unit of every input and group, in their order."""


@dataclass(frozen=True)
class Slice:
    """Units ``start`` to ``stop`` of a group."""

    group: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of units."""
        return self.stop - self.start


@dataclass(frozen=True)
class Piece:
    """A slice and what it asks of the core that holds it.

    Parameters
    ----------
    slice : Slice
    group : Group
    heard : (n_units,) bool array
        The units with a synapse to the slice; on its core, each is one input axon.
    synapse_bits : int
    formats : mapping of int
        Synapse formats, by the name of the synapses that need them.
    """

    slice: Slice
    group: Group
    heard: Units
    synapse_bits: int
    formats: dict[str, int]

    @property
    def compartments(self) -> int:
        """Compartments that the slice occupies."""
        return self.slice.size * self.group.compartments

    def usage(self) -> Usage:
        """The use of a core that holds nothing else, but for its output axons."""
        return Usage(
            compartments=self.compartments,
            in_axons=int(np.count_nonzero(self.heard)),
            synapse_bits=self.synapse_bits,
            compartment_configs=self.group.configs,
            threshold_configs=self.group.thresholds,
            synapse_formats=sum(self.formats.values()),
        )


@dataclass(frozen=True)
class _Pairs:
    """The connected pairs of a set of synapses, ordered by target."""

    targets: NDArray[np.int64]
    sources: NDArray[np.int64]


class Wiring:
    """A network in the form that partitioning asks: which units each slice hears.

    Parameters
    ----------
    network : ChipNetwork
    limits : Limits
    """

    def __init__(self, network: ChipNetwork, limits: Limits) -> None:
        self.network = network
        self.limits = limits
        sizes = network.sizes()
        stops = np.cumsum(list(sizes.values()))
        self.n_units = int(stops[-1])
        self.span = {
            name: slice(int(stop) - size, int(stop))
            for (name, size), stop in zip(sizes.items(), stops)
        }
        self._sizes = sizes
        self._index_bits = index_bits(limits.core.compartments)
        self._into: dict[str, list[Synapses]] = {group.name: [] for group in network.groups}
        for synapses in network.synapses:
            self._into[synapses.target].append(synapses)
        self._pairs = {
            s.name: _Pairs(*np.nonzero(s.connected))
            for s in network.synapses
            if s.connected is not None
        }

    def place_of(self, part: Slice) -> slice:
        """Where the units of a slice stand among all units."""
        first = self.span[part.group].start
        return slice(first + part.start, first + part.stop)

    def piece(self, group: Group, start: int, stop: int) -> Piece:
        """Units ``start`` to ``stop`` of ``group``, and what they ask of a core."""
        part = Slice(group.name, start, stop)
        heard = np.zeros(self.n_units, bool)
        bits, formats = 0, {}
        for synapses in self._into[group.name]:
            weights = self._weights(synapses, part)
            if weights.any():
                heard[self.span[synapses.source]] |= weights > 0
                bits += self._bits(synapses, part, weights)
                formats[synapses.name] = synapses.formats
        return Piece(part, group, heard, bits, formats)

    def least_bits(self, group: Group) -> int:
        """Bits of the weights alone, which remain however the group is cut."""
        return sum(
            int(self._weights(s, Slice(group.name, 0, group.size)).sum()) * s.bits
            for s in self._into[group.name]
        )

    def _weights(self, synapses: Synapses, part: Slice) -> NDArray[np.int64]:
        """Weights from each unit of the source to the slice, (n_source,)."""
        n_source = self._sizes[synapses.source]
        if synapses.connected is None:
            return np.full(n_source, part.size * synapses.weights_per_connection)
        pairs = self._pairs[synapses.name]
        low, high = np.searchsorted(pairs.targets, [part.start, part.stop])
        joined = np.bincount(pairs.sources[low:high], minlength=n_source)
        return np.asarray(joined * synapses.weights_per_connection, np.int64)

    def _bits(self, synapses: Synapses, part: Slice, weights: NDArray[np.int64]) -> int:
        """Memory of the weights: a row of the whole slice for each axon, or the joined
        compartments by their index, whichever takes less."""
        row = axon_bits(part.size * synapses.weights_per_connection, synapses.bits)
        dense = int(row) * int(np.count_nonzero(weights))
        indexed = axon_bits(weights, synapses.bits + self._index_bits)
        return min(dense, int(indexed.sum()))


def cut(wiring: Wiring) -> list[Piece]:
    """Every group in as few equal slices as the limits of a core leave, alone on cores.

    A unit cannot send to more cores than there are, so much is certain of output axons before
    slices are gathered on cores. Cutting a target makes its sources send to more cores, and so
    the cut is repeated until it stands.

    Raises
    ------
    PlacementError
        If a single unit asks more than a core holds; it names the limit.
    """
    groups = wiring.network.groups
    parts = {group.name: _cut_alone(wiring, group, 1) for group in groups}
    while True:
        crowded = list(_crowded(wiring, parts))
        if not crowded:
            return [piece for group in groups for piece in parts[group.name]]
        for group, n_slices in crowded:
            parts[group.name] = _cut_alone(wiring, group, n_slices)


def _cut_alone(wiring: Wiring, group: Group, n_slices: int) -> list[Piece]:
    """A group in at least so many slices, none beyond a core but for output axons."""
    core = wiring.limits.core
    per_core = core.compartments // group.compartments
    n_slices = max(n_slices, -(-group.size // max(per_core, 1)))
    while True:
        pieces = _equal(wiring, group, n_slices)
        broken = [piece for piece in pieces if any(piece.usage().beyond(core))]
        if not broken:
            return pieces
        if n_slices >= group.size:
            _refuse(broken[0], wiring.limits)
        needed = -(-wiring.least_bits(group) // core.synapse_bits)
        n_slices = min(max(n_slices + 1, needed), group.size)


def _equal(wiring: Wiring, group: Group, n_slices: int) -> list[Piece]:
    """Slices whose sizes differ by one at most."""
    bounds = [group.size * i // n_slices for i in range(n_slices + 1)]
    return [wiring.piece(group, start, stop) for start, stop in zip(bounds, bounds[1:])]


def _crowded(wiring: Wiring, parts: dict[str, list[Piece]]) -> Iterator[tuple[Group, int]]:
    """Groups with a slice of too many output axons, and how many slices to try."""
    limits = wiring.limits
    fanout = np.minimum(fanout_of([p for ps in parts.values() for p in ps]), limits.cores)
    for group in wiring.network.groups:
        pieces = parts[group.name]
        axons = [int(fanout[wiring.place_of(piece.slice)].sum()) for piece in pieces]
        if max(axons) > limits.core.out_axons and len(pieces) < group.size:
            needed = -(-sum(axons) // limits.core.out_axons)
            yield group, min(max(len(pieces) + 1, needed), group.size)


def fanout_of(pieces: Sequence[Piece]) -> NDArray[np.int64]:
    """Slices that each unit sends to, (n_units,)."""
    counts = np.zeros(pieces[0].heard.size, np.int64)
    for piece in pieces:
        counts += piece.heard
    return counts


def _refuse(piece: Piece, limits: Limits) -> None:
    what, used, most = next(piece.usage().beyond(limits.core))
    alone = "one unit of" if piece.slice.size == 1 else f"{piece.slice.size} units of"
    raise PlacementError(
        f"{alone} group {piece.slice.group!r} needs {used} {what} on its core; "
        f"a core of {limits.name!r} has {most}"
    )
