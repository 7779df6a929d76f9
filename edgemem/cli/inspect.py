"""Look inside a trained network: what layers cost, how fast they forget, what they remember."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgemem.cli._tables import aligned

if TYPE_CHECKING:
    from edgemem.evaluate.simulation import Clips
    from edgemem.inspect import Inside, LayerCounts, TimeScales
    from edgemem.model import Model


@click.command(epilog="Example: edgemem inspect kws12-lem --plot inside.png")
@click.argument("model")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of recordings, a folder a word."
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="validation",
    show_default=True,
    help="Which clips of --data.",
)
@click.option(
    "--clips",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    help="At most that many, spread evenly over all.",
)
@click.option(
    "--show",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Number, among the clips that run, of the one whose window is drawn.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of the arrays of the untrained layers beside the trained ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Draw time scales and windows, a row for each layer.",
)
def command(
    model: str,
    data: Path | None,
    split: str,
    clips: int,
    show: int,
    seed: int,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Look inside a trained network: what layers cost, how fast they forget, what they remember.

    MODEL is a trained model or the name of a pretrained network. For each layer: parameters,
    constants, states, multiply-accumulates. Along clips (those of validation that ride in the
    model, without --data): over how many steps the units of LEM, GRU and LSTM layers forget,
    beside the same layer untrained; and how well the window that an LMU remembers can be read
    back, against the delay.
    """
    from edgemem import pretrained
    from edgemem.files import check_writable
    from edgemem.inspect import looks_along, report
    from edgemem.model import load

    if plot:
        check_writable(plot)
    opened = load(pretrained.resolve(model, pretrained.MODEL))
    if looks_along(opened):
        found = _clips(opened, data, split, clips)
        inside = report(opened, found.features, found.about, seed, show)
    else:
        inside = report(opened)
    if plot:
        from edgemem.inspect.picture import draw

        draw(inside, plot)
    if as_json:
        click.echo(json.dumps(inside.to_dict()))
    else:
        click.echo("\n".join(_lines(inside)))


def _clips(model: Model, data: Path | None, split: str, limit: int) -> Clips:
    from edgemem.errors import ConfigError
    from edgemem.evaluate.subject import carried, recorded

    if data is None:
        return carried(model, limit)
    if model.frontend.kind == "values":
        raise ConfigError(
            f"{model.name} reads {model.cell.n_in} values a step, no sound: leave --data out; "
            "validation sequences ride in the model"
        )
    return recorded(model, data, split, limit)


def _lines(inside: Inside) -> Iterator[str]:
    step = "" if inside.period is None else f", a step is {1e3 * inside.period:g} ms"
    yield f"{inside.name}: {len(inside.layers)} layers{step}"
    yield from aligned(list(_counted(inside)))
    if not inside.along:
        yield "no layer is a LEM, LMU, GRU or LSTM: there is nothing more to look at"
        return
    yield ""
    yield f"{inside.sequences} {inside.along}, {inside.n_steps} steps each"
    if inside.scales:
        yield (
            "time constants of the units, -1 / mean ln(1 - step size); apart: decades between units"
            " (5 to 95 %); sways: decades that the step size of one unit covers along the data"
        )
        yield from aligned(list(_scales(inside)), left=(0, 1, 2))
    if inside.windows:
        yield (
            "windows read back: NRMSE, median over channels (0 perfect, 1 the mean), against the "
            "delay; limit: best polynomials of that order"
        )
        yield from aligned(list(_windows(inside)))


def _counted(inside: Inside) -> Iterator[list[str]]:
    from edgemem.inspect.counts import per_second, total

    def row(counts: LayerCounts) -> list[str]:
        figures = (counts.parameters, counts.constants, counts.states, counts.macs)
        each = per_second(counts.macs, inside.period)
        return [
            *(counts.name, f"{counts.n_in}", f"{counts.n_out}", *(f"{n:,}" for n in figures)),
            *([] if each is None else [f"{each:,.0f}"]),
        ]

    head = ["layer", "in", "out", "parameters", "constants", "states", "MACs/step"]
    yield [*head, *([] if inside.period is None else ["MACs/s"])]
    yield from map(row, inside.layers)
    yield row(total(inside.layers))


def _scales(inside: Inside) -> Iterator[list[str]]:
    yield ["layer", "gate", "", "5 %", "median", "95 %", "apart", "sways"]
    for scale in inside.scales:
        yield from _scale_rows(scale, inside.period)


def _scale_rows(scale: TimeScales, period: float | None) -> Iterator[list[str]]:
    label = f"{scale.gate} of {scale.state}"
    for name, steps in (("trained", scale.trained), ("untrained", scale.fresh)):
        low, _, middle, _, high = (_time(tau, period) for tau in steps.over_units)
        layer = scale.layer if name == "trained" else ""
        yield [
            *(layer, label if layer else "", name, low, middle, high),
            *(f"{steps.decades:.2f}", f"{steps.variation:.2f}"),
        ]


def _time(steps: float, period: float | None) -> str:
    words = f"{steps:.3g} steps"
    return words if period is None else f"{words} = {_seconds(steps * period)}"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1.0 else f"{1e3 * value:.3g} ms"


def _windows(inside: Inside) -> Iterator[list[str]]:
    from edgemem.inspect.window import READ_AT

    shares = [f"{share:g} theta" for share in READ_AT]
    yield ["layer", "channels", "order", "theta", *shares, "whole", "limit"]
    for seen in inside.windows:
        overall = (_error(seen.overall), _error(seen.overall_limit))
        yield [
            *(seen.layer, str(len(seen.nrmse)), str(seen.order)),
            *(_time(seen.theta, inside.period), *map(_error, seen.read()), *overall),
        ]


def _error(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"
