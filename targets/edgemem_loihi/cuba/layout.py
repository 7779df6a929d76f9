"""Where populations and inputs stand in the arrays of an emulator: side by side, along one axis."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping

from edgemem_loihi.cuba.chip import Compartments


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


def alike(populations: Mapping[str, Compartments]) -> dict[str, Compartments]:
    """Populations in an order in which those that need the same arithmetic are neighbours."""

    def arithmetic(item: tuple[str, Compartments]) -> tuple[bool, ...]:
        return traits(item[1])

    return dict(sorted(populations.items(), key=arithmetic))


def traits(c: Compartments) -> tuple[bool, bool, bool, bool]:
    """Which parts of the update a population needs: current kept, leak, bias, upper bound.

    The upper bound does nothing where it lies above every threshold: what exceeds it spikes, and
    a spike resets.
    """
    keeps_current = bool((c.decay_u < 4095).any())
    return keeps_current, bool(c.decay_v.any()), bool(c.bias.any()), bool((c.vth >= c.vmax).any())


def runs(populations: Iterable[tuple[str, Compartments]]) -> list[list[str]]:
    """Names of neighbours with the same :func:`traits`."""
    found: list[list[str]] = []
    last = None
    for name, compartments in populations:
        now = traits(compartments)
        if now != last:
            found.append([])
        found[-1].append(name)
        last = now
    return found
