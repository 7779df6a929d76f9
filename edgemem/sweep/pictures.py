"""Pictures of a sweep: what was tried and what came of it, and what the best ones cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemem import drawing
from edgemem.errors import MissingExtraError
from edgemem.sweep.space import Choices, Param, Range, Scalar, Space, spelled
from edgemem.sweep.trials import Trial, best_of, front, parameters, seconds

COLOURS = ("#2f6f9f", "#c8641b", "#4d8a3d", "#8a4f9e", "#a33b3b", "#5b6770")

ABSENT = -0.12
"""Height at which a line passes the axis of a hyper-parameter that its network does not have."""

WIDE = 30.0
"""Positive figures whose largest is so many times the least are drawn logarithmically."""

TICKS = 5


@dataclass(frozen=True)
class _Axis:
    """Values of one kind on a vertical line from 0 to 1."""

    title: str
    place: Callable[[Scalar], float]
    ticks: Sequence[tuple[float, str]]


def draw_parallel(trials: Sequence[Trial], space: Space, title: str, out: Path) -> None:
    """Write a picture with a vertical line for each hyper-parameter and one for the metric.

    Each complete trial is a line across, coloured by the metric; the best one is thick. Where a
    network lacks a hyper-parameter its line passes below the axis.

    Parameters
    ----------
    trials : sequence of Trial
    space : Space
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
    shown = _complete(trials)
    figure = drawing.figure(2.2 + 1.7 * (len(space.params) + 1), 4.4)
    axes = figure.subplots()
    _frame(axes, title, shown)
    if shown:
        _draw_lines(figure, axes, shown, space)
    drawing.save(figure, out)


def draw_pareto(trials: Sequence[Trial], space: Space, title: str, out: Path) -> None:
    """Write a picture of the metric against parameters and against seconds of training.

    A line joins the trials that no other one beats in both; they carry their numbers. Colours are
    those of the first hyper-parameter that is a choice.

    Parameters, Raises
    ------------------
    As in :func:`draw_parallel`.
    """
    shown = _complete(trials)
    figure = drawing.figure(10.0, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    _frame(left, title, shown)
    if shown:
        choice = next((p for p in space.params if isinstance(p, Choices)), None)
        _draw_front(left, shown, parameters, "parameters", choice)
        _draw_front(right, shown, seconds, "training, s", choice)
        left.set_ylabel(_metric(shown))
        if _wide(_values(shown)):
            left.set_yscale("log")
        if choice is not None:
            right.legend(title=choice.name, fontsize="small", frameon=False)
    drawing.save(figure, out)


def _complete(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.result is not None]


def _values(shown: Sequence[Trial]) -> list[float]:
    return [trial.result.validation for trial in shown if trial.result]


def _metric(shown: Sequence[Trial]) -> str:
    result = shown[0].result
    return f"validation {result.metric} ({result.better} is better)" if result else ""


def _frame(axes: Any, title: str, shown: Sequence[Trial]) -> None:
    axes.set_title(title, loc="left", fontsize="medium")
    if not shown:
        axes.text(0.5, 0.5, "no trial is complete", ha="center", transform=axes.transAxes)
        axes.set_axis_off()


def _wide(values: Sequence[float]) -> bool:
    return min(values) > 0.0 and max(values) > WIDE * min(values)


# parallel coordinates


def _draw_lines(figure: Any, axes: Any, shown: Sequence[Trial], space: Space) -> None:
    best, values = best_of(shown), _values(shown)
    scales = [_axis(param) for param in space.params]
    measured = _numbers(_metric(shown).partition(" (")[0], min(values), max(values), _wide(values))
    colours = _colours(values)
    for trial in sorted(shown, key=lambda t: t is best):
        heights = [
            axis.place(trial.params[param.name]) if param.name in trial.params else ABSENT
            for axis, param in zip(scales, space.params)
        ]
        value = trial.result.validation if trial.result else math.nan
        width = 3.0 if trial is best else 1.2
        axes.plot(
            [*heights, measured.place(value)],
            color=colours.to_rgba(value),
            linewidth=width,
            alpha=1.0 if trial is best else 0.7,
        )
    for x, axis in enumerate((*scales, measured)):
        _draw_axis(axes, x, axis)
    some_lack = any(p.name not in t.params for t in shown for p in space.params)
    if some_lack:
        axes.text(-0.08, ABSENT, "has none", ha="right", va="center", fontsize="small")
    axes.set_xlim(-0.4, len(scales) + 0.6)
    axes.set_ylim(ABSENT - 0.08, 1.08)
    axes.set_xticks(range(len(scales) + 1), [a.title for a in (*scales, measured)])
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(colours, ax=axes, label=_metric(shown))


def _draw_axis(axes: Any, x: int, axis: _Axis) -> None:
    axes.plot([x, x], [0.0, 1.0], color="black", linewidth=1.0)
    halo = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
    for height, text in axis.ticks:
        axes.plot([x - 0.02, x + 0.02], [height, height], color="black", linewidth=1.0)
        axes.text(x + 0.04, height, text, va="center", fontsize="small", bbox=halo)


def _axis(param: Param) -> _Axis:
    if isinstance(param, Range):
        return _numbers(param.name, param.low, param.high, param.log)
    places = {spelled(value): (i + 0.5) / len(param.values) for i, value in enumerate(param.values)}
    ticks = [(height, text) for text, height in places.items()]
    return _Axis(param.name, lambda value: places[spelled(value)], ticks)


def _numbers(title: str, low: float, high: float, log: bool) -> _Axis:
    def place(value: Scalar) -> float:
        ends = [math.log(v) if log else float(v) for v in (low, high, float(value))]
        return (ends[2] - ends[0]) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.5

    shares = [i / (TICKS - 1) for i in range(TICKS)] if high > low else [0.5]
    values = [low * (high / low) ** s if log else low + (high - low) * s for s in shares]
    return _Axis(
        title, place, [(place(v), f"{v:.3g}" if v < 1000 else f"{v:,.0f}") for v in values]
    )


def _colours(values: Sequence[float]) -> Any:
    try:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import LogNorm, Normalize
    except ImportError:
        raise MissingExtraError("drawing", "matplotlib", "plot") from None
    low, high = min(values), max(values)
    norm = LogNorm(low, high) if _wide(values) else Normalize(low, high)
    return ScalarMappable(norm, "viridis")


# Pareto fronts


def _draw_front(
    axes: Any,
    shown: Sequence[Trial],
    against: Callable[[Trial], float],
    label: str,
    choice: Choices | None,
) -> None:
    groups: Sequence[Scalar | None] = (None,) if choice is None else choice.values
    for i, value in enumerate(groups):
        group = [t for t in shown if choice is None or t.params.get(choice.name) == value]
        axes.scatter(
            [against(t) for t in group],
            _values(group),
            color=COLOURS[i % len(COLOURS)],
            label=None if value is None else spelled(value),
        )
    best = front(shown, against)
    x = [against(trial) for trial in best]
    axes.step(x, _values(best), where="post", color="0.4", linewidth=1.0, zorder=0)
    for trial in best:
        at = (against(trial), _values([trial])[0])
        axes.annotate(str(trial.number), at, (4, 4), textcoords="offset points", fontsize="small")
    if _wide([against(trial) for trial in shown]):
        axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.grid(alpha=0.3)
