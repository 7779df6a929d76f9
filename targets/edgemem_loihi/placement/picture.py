"""A picture of a placement: the mesh, what lies on every core, and how full it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgemem import drawing

from .result import Core, Placement

_PALETTE = (
    *("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#ff9da7"),
    *("#9c755f", "#2f4b7c", "#86bcb6", "#d37295", "#8cd17d", "#b6992d", "#499894", "#d4a6c8"),
)
_FREE = "#f1f1ef"
_INK = "#333333"
_BARS = {
    "compartments": "#1d3557",
    "in_axons": "#5c8db0",
    "out_axons": "#a3a9b5",
    "synapse_bits": "#c1121f",
}
"""Colours of the bars, by the fields of :class:`Usage`, in their order from the top."""


def chip_map(placement: Placement, out: Path, title: str = "") -> None:
    """Write a picture of the chip.

    Every core in use is coloured by its groups, as much of the width as each has of its units;
    the number is its place. Below are four bars: compartments, input axons, output axons and
    synapse memory, against their limits.

    Parameters
    ----------
    placement : Placement
    out : Path
        PNG file.
    title : str

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    OutputError
        If the file cannot be written.
    """
    limits = placement.limits
    across, down = _grid(limits.cores_per_tile)
    columns, rows = limits.columns, limits.rows
    figure = drawing.figure(1.4 * columns + 0.6, 1.4 * rows + 1.5)
    axes = figure.subplots()
    colours = _colours(placement)
    held = {core.place: core for core in placement.cores}
    for place, (column, row) in enumerate(limits.tiles()):
        if place % limits.cores_per_tile == 0:
            _draw_tile(axes, float(column), float(row))
        slot = place % limits.cores_per_tile
        x = column + 0.06 + (slot % across) * 0.88 / across
        y = row + 0.06 + (slot // across) * 0.88 / down
        box = (x + 0.02, y + 0.02, 0.88 / across - 0.04, 0.88 / down - 0.04)
        _draw_core(axes, box, held.get(place), placement, colours, place)
    port_x, port_y = limits.port
    axes.annotate(
        "in",
        (port_x + 0.03, port_y + 0.5),
        (port_x - 0.3, port_y + 0.5),
        arrowprops={"arrowstyle": "->", "color": _INK},
        va="center",
        fontsize="small",
    )
    axes.set_xlim(-0.32, columns + 0.02)
    axes.set_ylim(rows + 0.02, -0.02)
    axes.set_aspect("equal")
    axes.axis("off")
    figure.suptitle(_headline(placement, title), x=0.01, ha="left", fontsize=12)
    _draw_legend(figure, colours)
    drawing.save(figure, out)


def _headline(placement: Placement, title: str) -> str:
    limits = placement.limits
    where = f"{len(placement.cores)} of {limits.cores} cores of {limits.name}"
    mesh = f"{limits.columns} x {limits.rows} tiles of {limits.cores_per_tile} cores (mesh assumed)"
    return f"{title + ': ' if title else ''}{where}, {mesh}"


def _draw_tile(axes: Any, column: float, row: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (column + 0.05, row + 0.05),
            0.9,
            0.9,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor="white",
            edgecolor="#b9b9b4",
            linewidth=1.0,
        )
    )


def _draw_core(
    axes: Any,
    box: tuple[float, float, float, float],
    core: Core | None,
    placement: Placement,
    colours: Mapping[str, str],
    place: int,
) -> None:
    x, y, width, height = box
    if core is None:
        _fill(axes, x, y, width, height, _FREE)
        return
    left = x
    for name, share in _shares(core).items():
        _fill(axes, left, y, share * width, 0.56 * height, colours[name])
        left += share * width
    style = {"va": "center", "fontsize": 8, "color": "white", "weight": "bold"}
    axes.text(x + 0.02, y + 0.28 * height, str(place), **style)
    shares = core.usage.shares(placement.limits.core)
    bar = 0.4 * height / len(_BARS)
    for i, (what, colour) in enumerate(_BARS.items()):
        top = y + 0.6 * height + i * bar
        _fill(axes, x, top + 0.1 * bar, width, 0.8 * bar, "#e4e4e0")
        _fill(axes, x, top + 0.1 * bar, shares[what] * width, 0.8 * bar, colour)


def _fill(axes: Any, x: float, y: float, width: float, height: float, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="none"))


def _shares(core: Core) -> dict[str, float]:
    """Share of the core's units that each of its groups has."""
    sizes: dict[str, int] = {}
    for part in core.slices:
        sizes[part.group] = sizes.get(part.group, 0) + part.size
    return {name: size / sum(sizes.values()) for name, size in sizes.items()}


def _colours(placement: Placement) -> dict[str, str]:
    """A colour for each group, in the order of the network; they come again after 16."""
    placed = {part.group for core in placement.cores for part in core.slices}
    names = [name for name in placement.routes if name in placed]
    return {name: _PALETTE[i % len(_PALETTE)] for i, name in enumerate(names)}


def _draw_legend(figure: Any, colours: Mapping[str, str]) -> None:
    from matplotlib.patches import Patch

    shown = list(colours.items())[: len(_PALETTE)]
    handles = [Patch(color=colour, label=name) for name, colour in shown]
    if len(colours) > len(shown):
        handles.append(Patch(color="none", label=f"and {len(colours) - len(shown)} more"))
    bars = [Patch(color=colour, label=what.replace("_", " ")) for what, colour in _BARS.items()]
    style = {"frameon": False, "fontsize": "small", "alignment": "left"}
    figure.legend(handles=handles, loc="outside lower left", ncols=4, title="group", **style)
    figure.legend(
        handles=bars, loc="outside lower right", ncols=2, title="bars: share of the limit", **style
    )


def _grid(cores: int) -> tuple[int, int]:
    """Cores of a tile side by side, and rows of them."""
    across = next(n for n in range(1, cores + 1) if n * n >= cores)
    return across, -(-cores // across)
