"""Picture of the inside of a model: a row for each gate and for each window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgemem import drawing
from edgemem.errors import ConfigError
from edgemem.inspect.report import Inside
from edgemem.inspect.timescales import QUANTILES, Steps, TimeScales
from edgemem.inspect.window import Window, over_channels
from edgemem.ops import Array

TRAINED, UNTRAINED = "#2f6f9f", "#c8641b"
BINS = 36
CHANNELS = 3
"""Channels of a memory whose window is drawn."""

ROW = 2.3
"""Height of a row, in inches."""


def draw(inside: Inside, out: Path) -> None:
    """Write the picture.

    A gate gets a histogram of the time constants of its units, trained and untrained, and the
    range of step sizes of each unit along the data. A memory gets the window of a few channels at
    the end of one sequence, true and read back; the error of every channel against the delay; and
    the median of that.

    Parameters
    ----------
    inside : Inside
    out : Path
        PNG file.

    Raises
    ------
    ConfigError
        If no layer has gates or a window.
    MissingExtraError
        Without matplotlib.
    OutputError
        If the file cannot be written.
    """
    rows = len(inside.scales) + len(inside.windows)
    if not rows:
        raise ConfigError(
            f"{inside.name} has no LEM, LMU, GRU or LSTM layer: there is nothing to draw"
        )
    figure = drawing.figure(10.0, 0.6 + ROW * rows)
    strips = np.ravel(figure.subfigures(rows, 1))
    bins = _bins(inside)
    for strip, scales in zip(strips, inside.scales):
        left, right = strip.subplots(1, 2)
        _draw_histogram(left, scales, bins, inside.period)
        _draw_units(right, scales)
    for strip, seen in zip(strips[len(inside.scales) :], inside.windows):
        left, middle, right = strip.subplots(1, 3)
        _draw_window(left, seen, inside.period)
        _draw_map(strip, middle, seen)
        _draw_median(right, seen, inside.period)
    figure.suptitle(
        f"{inside.name}: {inside.sequences} {inside.along}, {inside.n_steps} steps each",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    drawing.save(figure, out, dpi=76)


def _bins(inside: Inside) -> Array:
    """Of all histograms alike, so that layers can be compared."""
    constants = [s.time_constants for each in inside.scales for s in (each.trained, each.fresh)]
    exponents = np.log10(np.concatenate(constants)) if constants else np.zeros(1)
    return np.logspace(exponents.min() - 0.05, exponents.max() + 0.05, BINS + 1)


def _draw_histogram(axes: Any, scales: TimeScales, bins: Array, period: float | None) -> None:
    trained, fresh = scales.trained.time_constants, scales.fresh.time_constants
    axes.hist(trained, bins, color=TRAINED, alpha=0.75, label="trained")
    axes.hist(fresh, bins, color=UNTRAINED, histtype="step", linewidth=1.6, label="untrained")
    axes.set_xscale("log")
    _plain(axes.xaxis, bins)
    axes.set_xlabel("time constant of a unit, steps", fontsize="small")
    axes.set_ylabel("units", fontsize="small")
    axes.legend(fontsize="small", frameon=False)
    _title(axes, f"{scales.layer}: {scales.gate}, which blends {scales.state}")
    above = _seconds(axes, period)
    if above is not None:
        _plain(above.xaxis, bins)


def _draw_units(axes: Any, scales: TimeScales) -> None:
    _draw_band(axes, scales.fresh, UNTRAINED)
    _draw_band(axes, scales.trained, TRAINED)
    axes.set_yscale("log")
    _plain(axes.yaxis, np.concatenate([scales.fresh.quantiles, scales.trained.quantiles]))
    axes.set_xlabel("units, in the order of their median", fontsize="small")
    axes.set_ylabel("step size", fontsize="small")
    low, high = (f"{100 * q:g}" for q in (QUANTILES[0], QUANTILES[-1]))
    _title(axes, f"median and {low} to {high} % of steps")


def _draw_band(axes: Any, steps: Steps, colour: str) -> None:
    low, _, middle, _, high = steps.quantiles[:, np.argsort(steps.quantiles[2])]
    places = np.arange(len(middle))
    axes.fill_between(places, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(places, middle, color=colour, linewidth=1.4)


def _draw_window(axes: Any, found: Window, period: float | None) -> None:
    seen = found.seen
    chosen = _channels(found)
    # each channel in its own band, scaled by how far its window goes
    for place, channel in enumerate(chosen):
        true, decoded = seen.u[channel], seen.decoded[channel]
        middle, reach = true.mean(), max(float(np.ptp(true)), 1e-12)
        raised = -1.3 * place
        axes.plot(
            seen.delays + 0.5,
            (true - middle) / reach + raised,
            color="black",
            marker=".",
            markersize=4,
            linewidth=0.8,
            label=None if place else "u, written",
        )
        axes.plot(
            seen.fine * found.theta,
            np.clip((decoded - middle) / reach, -1.0, 1.0) + raised,
            color=TRAINED,
            linewidth=1.6,
            label=None if place else "read back",
        )
    axes.set_yticks([-1.3 * i for i in range(len(chosen))], [f"ch. {c}" for c in chosen])
    axes.set_xlim(found.theta, 0.0)
    axes.set_xlabel("steps ago", fontsize="small")
    axes.legend(fontsize="x-small", frameon=False, loc="upper left", ncols=2)
    axes.set_ylim(-1.3 * len(chosen) + 0.4, 1.5)
    _title(axes, f"{found.layer}: at the end of sequence {seen.sequence}")
    _seconds(axes, period)


def _draw_map(figure: Any, axes: Any, found: Window) -> None:
    shown = axes.imshow(
        found.nrmse,
        aspect="auto",
        origin="lower",
        cmap="magma",
        vmin=0.0,
        vmax=1.0,
        extent=(0.0, (found.delays[-1] + 1) / found.theta, -0.5, len(found.nrmse) - 0.5),
    )
    axes.set_xlim(1.0, 0.0)
    axes.set_xlabel("delay, in windows", fontsize="small")
    axes.set_ylabel("channel", fontsize="small")
    _title(axes, "error (NRMSE) of each channel")
    figure.colorbar(shown, ax=axes)


def _draw_median(axes: Any, found: Window, period: float | None) -> None:
    at = found.delays + 0.5
    low, high = (over_channels(found.nrmse, q) for q in (0.25, 0.75))
    axes.fill_between(at, low, high, color=TRAINED, alpha=0.25, linewidth=0)
    axes.plot(at, found.median, color=TRAINED, linewidth=1.6, label="memory")
    limit = over_channels(found.limit)
    axes.plot(at, limit, color="black", linestyle="--", linewidth=1.0, label="best polynomials")
    axes.set_xlim(found.theta, 0.0)
    axes.set_ylim(0.0, max(1.0, float(np.nanmax([*high, 0.0])) * 1.05))
    axes.set_xlabel("steps ago", fontsize="small")
    axes.legend(fontsize="x-small", frameon=False)
    _title(axes, f"channels: median, middle half; order {found.order}")
    _seconds(axes, period)


def _channels(found: Window) -> list[int]:
    """A few channels, evenly spread from the best known to the worst."""
    error: Array = np.nan_to_num(found.nrmse, nan=np.inf).mean(axis=1)
    order = np.argsort(error, kind="stable")
    places = np.linspace(0, len(order) - 1, min(CHANNELS, len(order))).round().astype(int)
    return [int(order[place]) for place in places]


def _title(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontsize="small")
    axes.tick_params(labelsize="small")
    axes.spines[["top", "right"]].set_visible(False)


def _plain(axis: Any, values: Array) -> None:
    """Figures on a logarithmic axis; between the powers of ten only where there are few of them."""
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("{x:g}" if values.max() < 10.0 * values.min() else "")
    axis.set_tick_params(which="minor", labelsize="x-small")


def _seconds(axes: Any, period: float | None) -> Any:
    """A second scale above, in milliseconds; None where a step has no time."""
    if period is None:
        return None
    factor = 1e3 * period
    above = axes.secondary_xaxis("top", functions=(lambda x: x * factor, lambda x: x / factor))
    above.set_xlabel("ms", fontsize="x-small", labelpad=1.0)
    above.tick_params(labelsize="x-small")
    return above
