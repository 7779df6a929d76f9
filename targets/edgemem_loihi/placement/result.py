"""Where a network lies on a chip, and what its messages go through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import GraphError, check_known

from .limits import Limits, Usage
from .slices import Slice

Integers = NDArray[np.int64]

MOST_UNITS = 1 << 20
"""Units and inputs of a network on chips."""


@dataclass(frozen=True)
class Core:
    """One core of the chip that holds something.

    Parameters
    ----------
    place : int
        Which of the chip's cores; ``place // cores_per_tile`` is its tile, row by row.
    slices : tuple of Slice
    usage : Usage
    """

    place: int
    slices: tuple[Slice, ...]
    usage: Usage


@dataclass(frozen=True)
class Routes:
    """Where one message of each unit of a group or an input goes.

    Parameters
    ----------
    cores : (size,) int array
        Cores that hear the unit: as many messages leave when it sends.
    east_west, north_south : (size,) int array
        Tiles that these messages pass, added up over the cores.
    """

    cores: Integers
    east_west: Integers
    north_south: Integers

    @property
    def hops(self) -> Integers:
        """Tiles that one message passes, over all the cores that hear it, (size,)."""
        return self.east_west + self.north_south


@dataclass(frozen=True)
class Link:
    """What a message from an input or a group to a group goes through.

    Parameters
    ----------
    source, target : str
    cores : float
        Cores with units of the target that a message goes to; mean over the units of the source
        that are heard there.
    east_west, north_south : float
        Tiles passed on the way to all of them, the same mean.
    """

    source: str
    target: str
    cores: float
    east_west: float
    north_south: float


@dataclass(frozen=True)
class Placement:
    """A network on a chip.

    Parameters
    ----------
    limits : Limits
        The chip.
    cores : tuple of Core
        Those that hold something, in the order of their places.
    routes : mapping of Routes
        For every input and group.
    links : tuple of Link
    """

    limits: Limits
    cores: tuple[Core, ...]
    routes: Mapping[str, Routes]
    links: tuple[Link, ...]

    def fanout(self, name: str) -> Integers:
        """Cores that hear each unit of a group or an input, (size,).

        Raises
        ------
        UnknownNameError
        """
        return self._of(name).cores

    def hops(self, name: str) -> Integers:
        """Tiles that one message of each unit passes, over all the cores that hear it, (size,).

        Raises
        ------
        UnknownNameError
        """
        return self._of(name).hops

    def route(self, sent: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
        """Messages and hops when each unit has sent so often, as :class:`edgemem.energy.Counts`
        counts them.

        Parameters
        ----------
        sent : mapping of (size,) int array

        Raises
        ------
        UnknownNameError
        """
        counts = {name: np.asarray(times, np.int64) for name, times in sent.items()}
        messages = sum(int(times @ self.fanout(name)) for name, times in counts.items())
        return messages, sum(int(times @ self.hops(name)) for name, times in counts.items())

    def lines(self) -> Iterator[str]:
        """The report of every core, and of the messages, as text."""
        from .text import lines

        return lines(self)

    def draw(self, out: Path, title: str = "") -> None:
        """Write a picture of the chip: :func:`~edgemem_loihi.placement.picture.chip_map`."""
        from .picture import chip_map

        chip_map(self, out, title)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values; equal neighbours in ``routes`` are written once."""
        return {
            "limits": self.limits.to_dict(),
            "cores": [
                {
                    "place": core.place,
                    "slices": [[s.group, s.start, s.stop] for s in core.slices],
                    "usage": core.usage.to_dict(),
                }
                for core in self.cores
            ],
            "routes": {
                name: {
                    "cores": _runs(r.cores),
                    "east_west": _runs(r.east_west),
                    "north_south": _runs(r.north_south),
                }
                for name, r in self.routes.items()
            },
            "links": [
                [link.source, link.target, link.cores, link.east_west, link.north_south]
                for link in self.links
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Placement:
        """The placement that :meth:`to_dict` described, in values of these kinds.

        Raises
        ------
        GraphError
            If routes of a group say different numbers of units, or more than a chip holds.
        PlacementError
            If the chip is none.
        """
        routes = {}
        for name, parts in values["routes"].items():
            units = {sum(n for _, n in runs) for runs in parts.values()}
            if len(units) > 1 or max(units) > MOST_UNITS:
                raise GraphError(f"routes of {name!r} for {sorted(units)} units")
            routes[name] = Routes(**{what: _spelled(runs) for what, runs in parts.items()})
        if sum(len(route.cores) for route in routes.values()) > MOST_UNITS:
            raise GraphError(f"routes for more than {MOST_UNITS} units")
        return cls(
            limits=Limits.from_dict(values["limits"]),
            cores=tuple(
                Core(
                    core["place"],
                    tuple(Slice(*part) for part in core["slices"]),
                    Usage(**core["usage"]),
                )
                for core in values["cores"]
            ),
            routes=routes,
            links=tuple(Link(*link) for link in values["links"]),
        )

    def _of(self, name: str) -> Routes:
        check_known("input or group", [name], self.routes)
        return self.routes[name]


def _runs(values: Integers) -> list[list[int]]:
    """Each value with how often it follows itself."""
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    lengths = np.diff([*starts, values.size])
    return [[int(values[i]), int(n)] for i, n in zip(starts, lengths)]


def _spelled(runs: list[list[int]]) -> Integers:
    values, lengths = zip(*runs)
    return np.repeat(np.asarray(values, np.int64), lengths)
