"""A picture of a placement: the mesh, what lies on every core, and how full it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

_WIDTH = 11.5
"""Inches that the tiles share, but for the bounds of a tile."""

_TILE = (1.4, 3.6)
"""Inches of the smallest and of the largest tile; shares stand beside the bars of large ones."""

_NUMBERS = 2.0


@dataclass(frozen=True)
class _Window:
    """The tiles that are drawn: from the port to the furthest one in use."""

    columns: range
    rows: range

    @property
    def tile(self) -> float:
        """Width of a tile in inches."""
        return min(max(_WIDTH / len(self.columns), _TILE[0]), _TILE[1])


def chip_map(placement: Placement, out: Path, title: str = "") -> None:
    """Write a picture of the chip.

    Every core in use is coloured by its groups, as much of the width as each has of its units;
    the number is its place. Below are four bars: compartments, input axons, output axons and
    synapse memory, against their limits. Tiles beyond those in use are left out; a small map shows
    where the rest lies on the chip.

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
    window = _window(placement)
    colours = _colours(placement)
    whole = len(window.columns) * len(window.rows) == _tiles(placement)
    width = max(window.tile * len(window.columns) + (0.6 if whole else 3.4), 8.5)
    figure = drawing.figure(width, window.tile * len(window.rows) + 1.9)
    if whole:
        axes = figure.subplots()
    else:
        share = width - 3.0
        axes, small = figure.subplots(1, 2, width_ratios=[share, 2.6])
        _draw_overview(small, placement, window)
    _draw_tiles(axes, placement, window, colours)
    figure.suptitle(_headline(placement, title), x=0.01, ha="left", fontsize=12)
    _draw_legend(figure, colours)
    drawing.save(figure, out)


def _headline(placement: Placement, title: str) -> str:
    limits = placement.limits
    where = f"{len(placement.cores)} of {limits.cores} cores of {limits.name}"
    mesh = f"{limits.columns} x {limits.rows} tiles of {limits.cores_per_tile} (mesh assumed)"
    return f"{title + ': ' if title else ''}{where}, {mesh}"


def _window(placement: Placement) -> _Window:
    column, row = placement.limits.port
    used = placement.limits.tiles()[[core.place for core in placement.cores]]
    columns, rows = [column, *map(int, used[:, 0])], [row, *map(int, used[:, 1])]
    return _Window(range(min(columns), max(columns) + 1), range(min(rows), max(rows) + 1))


def _tiles(placement: Placement) -> int:
    return placement.limits.columns * placement.limits.rows


def _boxes(placement: Placement, gap: float) -> list[tuple[float, float, float, float]]:
    """Left, top, width and height of every core, in tiles."""
    limits = placement.limits
    across = next(n for n in range(1, limits.cores_per_tile + 1) if n * n >= limits.cores_per_tile)
    down = -(-limits.cores_per_tile // across)
    width, height = 0.88 / across, 0.88 / down
    boxes = []
    for place, (column, row) in enumerate(limits.tiles()):
        slot = place % limits.cores_per_tile
        x = float(column) + 0.06 + (slot % across) * width
        y = float(row) + 0.06 + (slot // across) * height
        boxes.append((x + gap, y + gap, width - 2 * gap, height - 2 * gap))
    return boxes


def _draw_tiles(
    axes: Any, placement: Placement, window: _Window, colours: Mapping[str, str]
) -> None:
    held = {core.place: core for core in placement.cores}
    numbers = window.tile >= _NUMBERS
    for column in window.columns:
        for row in window.rows:
            _fill(axes, (column + 0.04, row + 0.04, 0.92, 0.92), "white", "#b9b9b4")
    tiles = placement.limits.tiles()
    for place, box in enumerate(_boxes(placement, 0.02)):
        if tiles[place][0] not in window.columns or tiles[place][1] not in window.rows:
            continue
        if place in held:
            _draw_core(axes, box, held[place], placement, colours, numbers)
        else:
            _fill(axes, box, _FREE)
    margin = 0.42 / window.tile
    _draw_port(axes, placement, margin)
    axes.set_xlim(window.columns.start - margin, window.columns.stop + 0.02)
    axes.set_ylim(window.rows.stop + 0.02, window.rows.start - 0.02)
    axes.set_aspect("equal")
    axes.set_anchor("W")
    axes.axis("off")


def _draw_port(axes: Any, placement: Placement, margin: float) -> None:
    column, row = placement.limits.port
    axes.annotate(
        "in",
        (column + 0.03, row + 0.5),
        (column - 0.95 * margin, row + 0.5),
        arrowprops={"arrowstyle": "->", "color": _INK},
        va="center",
        fontsize="small",
    )


def _draw_core(
    axes: Any,
    box: tuple[float, float, float, float],
    core: Core,
    placement: Placement,
    colours: Mapping[str, str],
    numbers: bool,
) -> None:
    x, y, width, height = box
    left = x
    for name, share in _shares(core).items():
        _fill(axes, (left, y, share * width, 0.5 * height), colours[name])
        left += share * width
    style = {"va": "center", "color": "white", "weight": "bold"}
    axes.text(x + 0.02, y + 0.25 * height, str(core.place), fontsize=8 + 4 * numbers, **style)
    shares = core.usage.shares(placement.limits.core)
    bar, reach = 0.46 * height / len(_BARS), width * (0.78 if numbers else 1.0)
    for i, (what, colour) in enumerate(_BARS.items()):
        top = y + 0.54 * height + i * bar
        _fill(axes, (x, top + 0.1 * bar, reach, 0.8 * bar), "#e4e4e0")
        _fill(axes, (x, top + 0.1 * bar, shares[what] * reach, 0.8 * bar), colour)
        if numbers:
            where = {"ha": "right", "va": "center_baseline"}
            text = f"{shares[what]:.0%}"
            axes.text(x + width, top + 0.5 * bar, text, fontsize=7, color=_INK, **where)


def _draw_overview(axes: Any, placement: Placement, window: _Window) -> None:
    """The whole chip in small: cores in use, and the part that is drawn."""
    used = {core.place for core in placement.cores}
    for place, box in enumerate(_boxes(placement, 0.02)):
        _fill(axes, box, _INK if place in used else "#e4e4e0")
    left, top = window.columns.start, window.rows.start
    _fill(axes, (left, top, len(window.columns), len(window.rows)), "none", "#c1121f")
    axes.set_xlim(-0.1, placement.limits.columns + 0.1)
    axes.set_ylim(placement.limits.rows + 0.1, -0.1)
    axes.set_aspect("equal")
    axes.set_anchor("N")
    axes.axis("off")
    axes.set_title("the whole chip", fontsize="small", loc="left")


def _fill(
    axes: Any, box: tuple[float, float, float, float], colour: str, edge: str = "none"
) -> None:
    from matplotlib.patches import Rectangle

    x, y, width, height = box
    axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor=edge))


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
