"""A placement as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from .limits import Usage
from .result import Core, Placement
from .slices import Slice

SHORT = {
    "compartments": "compartm.",
    "in_axons": "in axons",
    "out_axons": "out axons",
    "synapse_bits": "synapse bits",
    "compartment_configs": "configs",
    "threshold_configs": "thresholds",
    "synapse_formats": "formats",
}
"""Heads of the columns, by the fields of :class:`Usage`."""


def lines(placement: Placement) -> Iterator[str]:
    """The report of every core against its limits, then where messages go."""
    yield _summary(placement)
    yield from _cores(placement)
    yield from _links(placement)


def label(slices: tuple[Slice, ...]) -> str:
    """What a core holds, neighbouring slices joined: ``memory[0:128], hidden[64:96]``."""
    joined: list[Slice] = []
    for part in sorted(slices, key=lambda s: (s.group, s.start)):
        last = joined[-1] if joined else None
        if last and (last.group, last.stop) == (part.group, part.start):
            joined[-1] = Slice(part.group, last.start, part.stop)
        else:
            joined.append(part)
    return ", ".join(f"{part.group}[{part.start}:{part.stop}]" for part in joined)


def _summary(placement: Placement) -> str:
    limits, cores = placement.limits, placement.cores
    memory = sum(core.usage.synapse_bits for core in cores)
    return (
        f"{len(cores)} of {limits.cores} cores of {limits.name!r}, "
        f"{sum(core.usage.compartments for core in cores)} compartments, "
        f"{memory / 8192:.1f} KiB of synapses "
        f"({memory / (len(cores) * limits.core.synapse_bits):.0%} of these cores' memory)"
    )


def _cores(placement: Placement) -> Iterator[str]:
    limit = placement.limits.core
    cells = [_cells(core.usage, limit) for core in placement.cores]
    most = {name: f"/{value}" for name, value in limit.to_dict().items()}
    width = {
        name: max(len(SHORT[name]), len(most[name]), *(len(row[name]) for row in cells))
        for name in SHORT
    }
    for row, start in ((SHORT, "core  tile"), (most, "          ")):
        yield start + "".join(f"  {row[name]:>{width[name]}}" for name in SHORT)
    for core, row in zip(placement.cores, cells):
        numbers = "".join(f"  {row[name]:>{width[name]}}" for name in SHORT)
        yield f"{core.place:4d}  {_tile(core, placement):>4}{numbers}  {label(core.slices)}"


def _cells(usage: Usage, limit: Usage) -> dict[str, str]:
    shares = usage.shares(limit)
    return {name: f"{used} {shares[name]:4.0%}" for name, used in usage.to_dict().items()}


def _tile(core: Core, placement: Placement) -> str:
    column, row = placement.limits.tiles()[core.place]
    return f"{column},{row}"


def _links(placement: Placement) -> Iterator[str]:
    if not placement.links:
        return
    names = [f"{link.source} -> {link.target}" for link in placement.links]
    width = max(len("message"), *map(len, names))
    yield f"{'message':<{width}}  {'cores':>6}  {'hops E-W':>8}  {'hops N-S':>8}"
    for name, link in zip(names, placement.links):
        yield (
            f"{name:<{width}}  {link.cores:6.2f}  {link.east_west:8.2f}  {link.north_south:8.2f}"
        )
