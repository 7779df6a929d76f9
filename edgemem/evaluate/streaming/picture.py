"""A picture of false accepts an hour against missed keywords."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgemem import drawing
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
    figure = drawing.figure(7.0, 4.5)
    axes = figure.subplots()
    own = int(np.argmin(np.abs(scores.curve.shifts)))
    for name, curve in scores.curves().items():
        # less than one in all the hours cannot be told from none
        least = 0.5 / float(curve.hours.sum())
        rates = np.maximum(curve.accept_rates, least)
        (line,) = axes.step(rates, 100 * curve.reject_rates, where="post", label=name)
        axes.plot(rates[own], 100 * curve.reject_rates[own], "o", color=line.get_color())
    axes.set_xscale("log")
    axes.set_ylim(0.0, 100.0 * min(1.0, max(0.3, _worst(scores))))
    axes.axvline(0.5, color="0.7", linestyle="--", linewidth=0.8)
    axes.set_xlabel("false accepts an hour (a point: the thresholds of the file)")
    axes.set_ylabel("keywords missed, %")
    axes.set_title(title, loc="left", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", frameon=False)
    drawing.save(figure, out)


def _worst(scores: StreamScores) -> float:
    own = int(np.argmin(np.abs(scores.curve.shifts)))
    return 2.0 * max(float(curve.reject_rates[own]) for curve in scores.curves().values())
