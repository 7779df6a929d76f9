"""Pictures of a network's integers: noise and ranges of each value, size against accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgemem import drawing
from edgemem.quantize.report import FormatReport, TensorReport, WeightReport
from edgemem.quantize.trials import Found, Limits, Trial, drop_interval, front

COPIES = frozenset({"reshape", "slice", "concat", "widen", "constant"})
"""Kinds of values whose integers are those of other values."""

COLOURS = {16: "tab:green", 8: "tab:blue", 4: "tab:orange", 2: "tab:red"}
"""By bits."""

REACH = 1.75
"""Ranges are drawn up to so many times the format's."""

BELOW = 6.0
"""Trials that lose more points than this are counted, not drawn."""


def draw_report(report: FormatReport, title: str, out: Path) -> None:
    """Write a picture of a report: noise of each value, its range against its format, weights.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    OutputError
        If the file cannot be written.
    """
    shown = [tensor for tensor in report.tensors if tensor.kind not in COPIES]
    rows = max(len(shown), 4)
    figure = drawing.figure(13.0, 1.6 + 0.17 * rows)
    noise, ranges, weights = figure.subplots(1, 3, width_ratios=(3, 4, 3))
    colours = ", ".join(f"{colour[4:]} {bits} bits" for bits, colour in COLOURS.items())
    figure.suptitle(f"{title} ({colours})", fontsize="medium")
    _draw_noise(noise, shown)
    _draw_ranges(ranges, shown)
    _draw_weights(weights, report.weights)
    drawing.save(figure, out, dpi=100)


def draw_front(found: Found, limits: Limits, title: str, out: Path) -> None:
    """Write a picture of size against validation accuracy for all trials of a search.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    OutputError
        If the file cannot be written.
    """
    figure = drawing.figure(7.0, 4.5)
    axes = figure.add_subplot()
    top = 100.0 * found.correct / found.clips
    worst = max(BELOW, 2.0 * (limits.drop or 0.0))
    drawn = [t for t in found.trials if 100.0 * found.accuracy(t) >= top - worst]
    axes.plot(*_points(found, drawn), "o", color="0.7", markersize=4, label="trials")
    best = [t for t in front(found.trials) if t in drawn]
    axes.plot(*_points(found, best), ".-", color="tab:blue", label="none smaller and better")
    axes.axhline(top, color="0.4", linestyle="--", linewidth=0.8, label="floats")
    if limits.budget is not None:
        axes.axvline(limits.budget / 1000.0, color="tab:red", linewidth=0.8, label="budget")
    if limits.drop is not None:
        axes.axhline(top - limits.drop, color="tab:red", linestyle=":", linewidth=0.8, label="drop")
    sizes, accuracies = _points(found, [found.best])
    low, high = drop_interval(found.best.measure, found.clips)
    drop = top - accuracies[0]
    axes.errorbar(
        sizes,
        accuracies,
        yerr=[[max(high - drop, 0.0)], [max(drop - low, 0.0)]],
        fmt="*",
        markersize=13,
        capsize=3,
        color="tab:orange",
        label="chosen; 95 % of its drop",
    )
    lowest = min((100.0 * found.accuracy(t) for t in drawn), default=top)
    axes.set_ylim(max(top - worst, lowest - 0.5), None)
    axes.set_xlabel("parameters, kB")
    axes.set_ylabel(f"accuracy on {found.clips:,} validation clips, %")
    below = len(found.trials) - len(drawn)
    axes.set_title(f"{title}: {len(found.trials)} trials, {below} of them below", fontsize="medium")
    axes.legend(loc="lower right", fontsize="small")
    axes.grid(alpha=0.3)
    drawing.save(figure, out, dpi=100)


def _points(found: Found, trials: Sequence[Trial]) -> tuple[list[float], list[float]]:
    sizes = [trial.measure.size / 1000.0 for trial in trials]
    return sizes, [100.0 * found.accuracy(trial) for trial in trials]


def _draw_noise(axes: Any, tensors: Sequence[TensorReport]) -> None:
    heights = [tensor.sqnr if math.isfinite(tensor.sqnr) else 0.0 for tensor in tensors]
    axes.barh(range(len(tensors)), heights, color=[COLOURS[t.bits] for t in tensors], height=0.7)
    _rows(axes, [tensor.name for tensor in tensors])
    axes.set_xlabel("signal to quantisation noise, dB")


def _draw_ranges(axes: Any, tensors: Sequence[TensorReport]) -> None:
    for row, tensor in enumerate(tensors):
        form = tensor.format
        ends = [form.scale * (end - form.zero_point) for end in (form.lowest, form.highest)]
        unit = max(abs(float(end)) for end in ends)
        low, high = (float(end) / unit for end in ends)
        axes.barh(row, high - low, left=low, height=0.8, color="0.88")
        low, high = (min(max(end / unit, -REACH), REACH) for end in (tensor.low, tensor.high))
        axes.barh(row, high - low, left=low, height=0.4, color=COLOURS[tensor.bits])
        if tensor.clipped:
            axes.annotate(
                f" {tensor.clipped:.1%} clipped",
                (REACH, row),
                va="center",
                fontsize=7,
                annotation_clip=False,
            )
    _rows(axes, [f"{tensor.bits} {tensor.q}" for tensor in tensors])
    axes.set_xlim(-REACH, REACH)
    axes.set_xlabel("range seen (colour) over range of the format (grey)")


def _draw_weights(axes: Any, weights: Sequence[WeightReport]) -> None:
    names = [f"{w.source or w.name + ' (fixed)'}" for w in weights]
    heights = [weight.sqnr if math.isfinite(weight.sqnr) else 0.0 for weight in weights]
    axes.barh(range(len(weights)), heights, color=[COLOURS[w.bits] for w in weights], height=0.7)
    for row, weight in enumerate(weights):
        axes.text(1.0, row, f"{weight.bits} bits, {weight.size:,} B", va="center", size=7)
    _rows(axes, names)
    axes.set_xlabel("signal to noise of the rounded weights, dB")


def _rows(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
