"""Joules that a table makes of counts: a model, never a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgemem.energy.counts import Counts
from edgemem.energy.tables import Figure, Table, built_in

WORK = ("synaptic_operations", "macs", "active_updates", "idle_updates")
"""Counts without which a sum would say nothing: where one of them has no figure, there is none."""

PREFIXES = (("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9), ("pJ", 1e-12))


@dataclass(frozen=True)
class Range:
    """Low, typical and high estimate in joules."""

    low: float
    typical: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.typical + other.typical, self.high + other.high)

    def __str__(self) -> str:
        if self.low == self.high:
            return in_words(self.typical)
        return f"{in_words(self.typical)} ({in_words(self.low)} to {in_words(self.high)})"

    def to_dict(self) -> dict[str, float]:
        """The three, as JSON values."""
        return {"low": self.low, "typical": self.typical, "high": self.high}


@dataclass(frozen=True)
class Part:
    """What one kind of operation takes.

    Parameters
    ----------
    figure : Figure
    count : float
    energy : Range
    """

    figure: Figure
    count: float
    energy: Range


@dataclass(frozen=True)
class Modelled:
    """Energy of some counts on a device, by the figures of a table.

    Parameters
    ----------
    device : str
    table : str
        Name, version and date of the table.
    parts : tuple of Part
    unpriced : mapping of float
        Counts that the device has no figure for, by their names.
    notes : tuple of str
        What the table says of the device.
    """

    device: str
    table: str
    parts: tuple[Part, ...]
    unpriced: Mapping[str, float]
    notes: tuple[str, ...]

    @property
    def priced(self) -> Range | None:
        """The sum over what the device has figures for; None where it has none."""
        if not self.parts:
            return None
        return sum((part.energy for part in self.parts), Range(0.0, 0.0, 0.0))

    @property
    def without(self) -> tuple[str, ...]:
        """Work that was done and that the device has no figure for."""
        return tuple(item for item in WORK if item in self.unpriced)

    @property
    def total(self) -> Range | None:
        """The sum; None where work was done that the device has no figure for."""
        return None if self.without else self.priced

    def lines(self) -> Iterator[str]:
        """Sum, parts, what is left out, and the table, as text."""
        total = "no joules" if self.priced is None else f"modelled {self.priced}"
        left = " and ".join(map(spoken, self.without))
        yield f"{self.device}: {total}{', without ' + left if left else ''} [{self.table}]"
        for part in self.parts:
            share = f"  {part.count:,.0f} {spoken(part.figure.item)}: {part.energy}"
            yield f"{share} [{part.figure.mark}: {part.figure.source}]"
        if self.unpriced:
            without = ", ".join(f"{n:,.0f} {spoken(item)}" for item, n in self.unpriced.items())
            yield f"  without a figure: {without}"
        for note in self.notes:
            yield f"  {note}"

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "modelled": True,
            "device": self.device,
            "table": self.table,
            "joules": None if self.total is None else self.total.to_dict(),
            "priced": None if self.priced is None else self.priced.to_dict(),
            "without": list(self.without),
            "parts": {
                part.figure.item: {
                    "count": part.count,
                    **part.energy.to_dict(),
                    "source": part.figure.source,
                    "date": part.figure.date,
                    "mark": part.figure.mark,
                }
                for part in self.parts
            },
            "unpriced": dict(self.unpriced),
            "notes": list(self.notes),
        }


def joules(
    counts: Counts | Mapping[str, float], device: str, table: Table | None = None
) -> Modelled:
    """Energy of ``counts`` on a device.

    Parameters
    ----------
    counts : Counts, or mapping of float
        A mapping may hold means, such as counts per inference, under the names of
        :class:`Counts`.
    device : str
        Name of a device of the table.
    table : Table, optional
        The table that comes with edgemem without it.

    Raises
    ------
    UnknownNameError
        If the table has no such device.
    """
    table = built_in() if table is None else table
    known = table.device(device)
    given = counts.to_dict() if isinstance(counts, Counts) else counts
    left = {item: float(n) for item, n in given.items() if n and item != "frames"}
    parts = []
    for figure in known.figures:
        count = left.pop(figure.item, 0.0)
        if count:
            energy = Range(*(count * each for each in figure.joules()))
            parts.append(Part(figure, count, energy))
        for item in figure.covers:
            left.pop(item, None)
    return Modelled(device, table.title, tuple(parts), left, known.notes)


def in_words(energy: float) -> str:
    """An energy with three digits and its unit: ``2.70 mJ``."""
    for unit, size in PREFIXES:
        if energy >= size:
            return f"{energy / size:.3g} {unit}"
    return f"{energy / 1e-12:.3g} pJ"


def spoken(item: str) -> str:
    """A count's name in words."""
    return "MACs" if item == "macs" else item.replace("_", " ")
