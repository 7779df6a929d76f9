"""Where populations and inputs stand in the arrays of an emulator: side by side, along one axis."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

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

    def cuts(self, widest: int) -> list[slice]:
        """Neighbouring columns of up to ``widest``, along the bounds of parts where that is
        possible."""
        bounds = [0]
        for part in self.columns.values():
            if part.stop - bounds[-1] > widest and part.start > bounds[-1]:
                bounds.append(part.start)
            while part.stop - bounds[-1] > widest:
                bounds.append(bounds[-1] + widest)
        if bounds[-1] < self.width:
            bounds.append(self.width)
        return [slice(start, stop) for start, stop in zip(bounds, bounds[1:])]


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
