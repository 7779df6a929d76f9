"""A picture of false accepts an hour against missed keywords."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgemem import drawing
from edgemem.evaluate.streaming.curve import Curve
from edgemem.evaluate.streaming.scores import StreamScores


def draw(scores: StreamScores, out: Path, title: str = "") -> None:
    """Write one curve for each signal-to-noise ratio.

    Parameters
    ----------
    scores : StreamScores
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
    draw_curves(scores.curves(), out, title)


def draw_curves(curves: Mapping[str, Curve], out: Path, title: str = "") -> None:
    """Write curves by their names; see :func:`draw`."""
    figure = drawing.figure(7.0, 4.5)
    axes = figure.subplots()
    worst = 0.0
    for name, curve in curves.items():
        # less than one in all the hours cannot be told from none
        rates = np.maximum(curve.accept_rates, 0.5 / float(curve.hours.sum()))
        misses = 100.0 * curve.reject_rates
        own = int(np.argmin(np.abs(curve.shifts)))
        worst = max(worst, float(misses[own]))
        (line,) = axes.step(rates, misses, where="post", label=name)
        axes.plot(rates[own], misses[own], "o", color=line.get_color())
    axes.set_xscale("log")
    axes.set_ylim(0.0, min(100.0, max(10.0, 2.0 * worst)))
    axes.axvline(0.5, color="0.7", linestyle="--", linewidth=0.8)
    axes.set_xlabel("false accepts an hour (points: the thresholds of the file)")
    axes.set_ylabel("keywords missed, %")
    axes.set_title(title, loc="left", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", frameon=False)
    drawing.save(figure, out)
