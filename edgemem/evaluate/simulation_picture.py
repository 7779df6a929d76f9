"""Pictures of a simulated execution: spikes and states of one clip, accuracy against spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem import drawing
from edgemem.energy import Execution
from edgemem.evaluate.simulation import Point
from edgemem.runtime.detector import softmax

Array = NDArray[Any]

_TRACES = 6
"""So many elements of a state are drawn: more cannot be told apart."""

_UNITS = 150
"""So many units of a population are drawn, spread evenly over all."""


def draw_clip(
    execution: Execution,
    traces: Sequence[str],
    trained: Mapping[str, Array],
    labels: Sequence[str],
    seconds_per_frame: float,
    title: str,
    out: Path,
) -> None:
    """Write a picture of one clip: raster, states and posteriors beside their trained forms.

    Parameters
    ----------
    execution : Execution
        Of one clip, with its probes and spikes.
    traces : sequence of str
        The probes whose values are drawn; spikes are drawn of all.
    trained : mapping of (t, ...) array
        The same terms in the trained network, by name, and its logits under ``""``.
    labels : sequence of str
        Name of each logit.
    seconds_per_frame : float
    title : str
    out : Path
        PNG file.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    OutputError
        If the file cannot be written.
    """
    rasters = {name: spikes[0] for name, spikes in execution.spikes.items()}
    raster = 1.5 + 0.5 * len(rasters) if rasters else 0.0
    heights = [raster] * bool(rasters) + [1.3] * len(traces) + [2.0]
    figure = drawing.figure(11.0, 1.2 * sum(heights))
    axes = list(np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)))
    axes[0].set_title(title, loc="left", fontsize="medium")
    if rasters:
        _draw_raster(axes.pop(0), rasters, seconds_per_frame)
    for name in traces:
        values = execution.probes[name][0]
        _draw_traces(axes.pop(0), name, values, trained.get(name), seconds_per_frame)
    logits = execution.outputs[0]
    _draw_posteriors(axes[0], logits, trained.get("", logits), labels, seconds_per_frame)
    axes[0].set_xlim(0.0, seconds_per_frame * len(logits))
    drawing.save(figure, out)


def draw_curve(points: Sequence[Point], unit: str, title: str, out: Path) -> None:
    """Write a picture of accuracy (or distance, without labels) against messages per inference.

    Parameters
    ----------
    points : sequence of Point
        The settings of a sweep.
    unit : str
        What a message is called: spikes, messages.
    title : str
    out : Path
        PNG file.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    OutputError
        If the file cannot be written.
    """
    figure = drawing.figure(7.0, 4.5)
    axes = figure.subplots()
    sent = [point.per_clip()["messages"] for point in points]
    labelled = points[0].accuracy is not None
    heights = [100.0 * p.accuracy if p.accuracy is not None else p.distance for p in points]
    axes.plot(sent, heights, marker="o", color="C0", label="on spikes" if unit == "spikes" else "")
    for x, y, point in zip(sent, heights, points):
        setting = point.name.rpartition("=")[2]
        axes.annotate(
            setting, (x, y), textcoords="offset points", xytext=(5, -11), fontsize="small"
        )
    if labelled and points[0].accuracy_trained is not None:
        trained = 100.0 * points[0].accuracy_trained
        axes.axhline(
            trained, color="0.4", linestyle="--", linewidth=0.9, label="trained, in floats"
        )
        axes.axhline(
            trained - 1.0, color="0.7", linestyle=":", linewidth=0.9, label="one point less"
        )
    axes.set_xscale("log")
    axes.set_xlabel(f"{unit} per inference")
    axes.set_ylabel("accuracy, %" if labelled else "distance of the logits")
    axes.set_title(title, loc="left", fontsize="medium")
    axes.legend(frameon=False, fontsize="small")
    axes.grid(color="0.92")
    drawing.save(figure, out)


def _draw_raster(axes: Any, rasters: Mapping[str, Array], period: float) -> None:
    base, ticks = 0, []
    for name, spikes in rasters.items():
        frames, steps, units = spikes.shape
        chosen = np.unique(np.linspace(0, units - 1, min(units, _UNITS)).astype(int))
        flat = spikes.reshape(frames * steps, units)[:, chosen]
        for sign, colour in ((1, "0.1"), (-1, "C3")):
            at, unit = np.nonzero(np.sign(flat) == sign)
            axes.scatter(at * (period / steps), base + unit, s=1.2, c=colour, linewidths=0)
        ticks.append((base + len(chosen) / 2, name))
        base += len(chosen) + 4
        axes.axhline(base - 2, color="0.85", linewidth=0.6)
    axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks], fontsize="x-small")
    axes.set_ylim(-2, base)
    axes.set_ylabel("units (red: negative spikes)", fontsize="small")


def _draw_traces(axes: Any, name: str, values: Array, trained: Array | None, period: float) -> None:
    values = values.reshape(len(values), -1)
    chosen = np.unique(np.linspace(0, values.shape[1] - 1, _TRACES).astype(int))
    times = period * np.arange(1, len(values) + 1)
    for i, element in enumerate(chosen):
        axes.step(times, values[:, element], where="post", color=f"C{i}", linewidth=1.1)
        if trained is not None:
            wanted = trained.reshape(len(values), -1)[:, element]
            style = {"color": "0.2", "linewidth": 0.7, "linestyle": "--"}
            axes.step(times, wanted, where="post", **style)
    axes.set_ylabel(name, fontsize="x-small")


def _draw_posteriors(
    axes: Any, logits: Array, trained: Array, labels: Sequence[str], period: float
) -> None:
    times = period * np.arange(1, len(logits) + 1)
    for i, label in enumerate(labels):
        colour = f"C{i % 10}"
        axes.plot(times, softmax(logits)[:, i], color=colour, linewidth=1.3, label=label)
        axes.plot(times, softmax(trained)[:, i], color=colour, linewidth=0.8, linestyle="--")
    axes.set_ylim(0.0, 1.05)
    axes.set_xlabel("time, s (dashed: the trained network in floats)")
    axes.set_ylabel("posterior")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="x-small", frameon=False)
