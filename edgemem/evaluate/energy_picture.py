"""Picture of modelled energy: forms of a network, devices, and how far the estimates reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgemem import drawing
from edgemem.energy import Modelled
from edgemem.energy.joules import in_words, spoken
from edgemem.evaluate.energy import Cost

_COLOURS = ("#2f6f9f", "#c8641b", "#4d8a3d", "#8a4f9e", "#a33b3b", "#5b6770")


def draw(costs: Sequence[Cost], title: str, out: Path) -> None:
    """Write a picture of the energy of one inference, a bar for each form and device.

    A bar ends at the typical estimate, a line spans the low and the high one. Hatched bars leave
    out work that the device has no figure for. Where it has none at all, words say so.

    Parameters
    ----------
    costs : sequence of Cost
    title : str
        What one inference is.
    out : Path
        PNG file.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    OutputError
        If the file cannot be written.
    """
    rows = [(cost, energy) for cost in costs for energy in cost.energies]
    figure = drawing.figure(9.5, 1.9 + 0.33 * len(rows) + 0.2 * len(costs))
    axes = figure.subplots()
    known = [energy.priced for _, energy in rows if energy.priced is not None]
    floor = min((total.low for total in known if total.low > 0.0), default=1e-9) / 3.0
    ceiling = max((total.high for total in known), default=1e-6) * 30.0
    places, names = [], []
    y = 0.0
    for i, cost in enumerate(costs):
        axes.text(
            floor, y - 0.62, f" {cost.name} ({cost.form})", fontsize="small", fontweight="bold"
        )
        for energy in cost.energies:
            _draw_bar(axes, y, energy, floor, _COLOURS[i % len(_COLOURS)])
            places.append(y)
            names.append(cost.machine(energy))
            y += 1.0
        y += 0.9
    axes.set_xscale("log")
    axes.set_xlim(floor, max(ceiling, 100.0 * floor))
    axes.set_ylim(y - 1.2, -1.1)
    axes.set_yticks(places, names, fontsize="small")
    star = "; * figures not meant for this form" if any(c.foreign for c in costs) else ""
    axes.set_xlabel(f"joules per inference, logarithmic; line: low to high estimate{star}")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Modelled energy, not measured: {title}", x=0.01, ha="left", fontsize=11)
    if rows:
        axes.set_title(f"table: {rows[0][1].table}", loc="left", fontsize="small", color="#555555")
    drawing.save(figure, out)


def _draw_bar(axes: Any, y: float, energy: Modelled, floor: float, colour: str) -> None:
    sums = energy.priced
    if sums is None:
        text = "  no joules: no figure is published"
        axes.text(floor, y, text, va="center", fontsize="small", color="#777777")
        return
    hatch = "////" if energy.without else ""
    axes.barh(
        y, sums.typical - floor, left=floor, height=0.68, color=colour, alpha=0.85, hatch=hatch
    )
    if sums.high > sums.low:
        axes.plot([sums.low, sums.high], [y, y], color="black", linewidth=1.2, marker="|")
    left = " and ".join(map(spoken, energy.without))
    text = in_words(sums.typical) + (f", without {left}" if left else "")
    axes.text(1.15 * sums.high, y, text, va="center", fontsize="small")
