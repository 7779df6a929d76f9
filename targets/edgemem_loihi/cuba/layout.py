"""Where populations and inputs stand in the arrays of an emulator: side by side, along one axis."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from edgemem_loihi.cuba.chip import Network


class Layout:
    """Columns of named parts.

    Parameters
    ----------
    sizes : mapping of int
        Units of each part, in the order in which they shall stand.

    Attributes
    ----------
    columns : dict of slice
    width : int
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.columns: dict[str, slice] = {}
        self.width = 0
        for name, size in sizes.items():
            self.columns[name] = slice(self.width, self.width + size)
            self.width += size
        self._starts = [c.start for c in self.columns.values()]

    def unit(self, column: int) -> str:
        """The words that name the unit in that column."""
        at = bisect_right(self._starts, column) - 1
        return f"{list(self.columns)[at]!r}, compartment {column - self._starts[at]}"

    def cuts(self, names: Sequence[str], widest: int) -> list[slice]:
        """Columns of some neighbours in pieces of up to ``widest``, along the bounds of parts where
        that is possible."""
        bounds = [self.columns[names[0]].start]
        for part in (self.columns[name] for name in names):
            if part.stop - bounds[-1] > widest and part.start > bounds[-1]:
                bounds.append(part.start)
            while part.stop - bounds[-1] > widest:
                bounds.append(bounds[-1] + widest)
        if bounds[-1] < self.columns[names[-1]].stop:
            bounds.append(self.columns[names[-1]].stop)
        return [slice(start, stop) for start, stop in zip(bounds, bounds[1:])]


def stages(network: Network) -> list[list[str]]:
    """Populations in stages that only feed later ones; one stage of all if spikes go in circles.

    Within a stage they stand in the order of :func:`order`.
    """
    names = order(network)
    depth = dict.fromkeys(names, 0)
    edges = {(s.source, s.target) for s in network.synapses if s.source in depth}
    for _ in names:
        deeper = dict(depth)
        for source, target in edges:
            deeper[target] = max(deeper[target], depth[source] + 1)
        if deeper == depth:
            return [[n for n in names if depth[n] == k] for k in range(max(depth.values()) + 1)]
        depth = deeper
    return [names]


def order(network: Network) -> list[str]:
    """Populations in the order in which spikes of the inputs reach them, breadth first: parallel
    chains of populations stand in the same order at every stage, and their weights at equal
    distances."""
    targets: dict[str, list[str]] = {name: [] for name in network.sizes}
    for s in network.synapses:
        targets[s.source].append(s.target)
    found = dict.fromkeys(network.inputs)
    for start in [*network.inputs, *network.populations]:
        waiting = [start]
        while waiting:
            found.update(dict.fromkeys(waiting))
            reached = dict.fromkeys(t for name in waiting for t in targets[name])
            waiting = [name for name in reached if name not in found]
    return [name for name in found if name in network.populations]
