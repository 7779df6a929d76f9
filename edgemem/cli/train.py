"""Train a network in NengoDL."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgemem.cli import _crop
from edgemem.cli._speakers import rule_of, speaker_options
from edgemem.cli._tasks import TaskGroup
from edgemem.cli._training import check_extras, layer_values, stopped
from edgemem.errors import ConfigError

if TYPE_CHECKING:
    from edgemem.data import DataSet
    from edgemem.data.splits import SpeakerRule
    from edgemem.frontend import FrontEnd
    from edgemem.model import Model
    from edgemem.runtime.crop import Crop
    from edgemem.train.recipes import Recipe
    from edgemem.train.run import Last


@click.group(cls=TaskGroup)
def command() -> None:
    """Train a network in NengoDL, by task.

    kws trains keyword spotters; the others are the tasks of the papers on LMU and LEM.
    """


@command.command(
    epilog="Example: edgemem train kws --recipe lem --data DIR --epochs 10 --out kws.model"
)
@click.option("--cell", default=None, help="lmu, lem, lstm or gru: the cell's own recipe.")
@click.option("--recipe", "recipe_name", default=None, help="A recipe by name, e.g. lmu-small.")
@click.option(
    "--data",
    "root",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Speech Commands, a folder a word, lists, or precomputed features.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The model file to write.",
)
@click.option("--protocol", default=None, help="12, 35, folders, or words:yes,no,...")
@click.option("--frontend", default=None, help="'pictures', or a JSON file with a front end.")
@click.option(
    "--background",
    default=None,
    type=click.Path(exists=True, path_type=Path, file_okay=False),
    help="More recordings of background noise.",
)
@click.option(
    "--others",
    default=None,
    type=click.Path(exists=True, path_type=Path),
    help="More recordings, all of whose words are other words, for example of another language.",
)
@speaker_options
@_crop.options("1, or with --from as MODEL was trained")
@click.option("--cache", default=None, type=click.Path(path_type=Path), help="Folder for features.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training clips.")
@click.option("--batch", type=click.IntRange(1), help="Clips in a batch.")
@click.option("--learning-rate", type=float, help="Peak of the schedule.")
@click.option("--carry", type=float, help="Share of sequences with carried state.")
@click.option(
    "--hard",
    type=click.IntRange(0),
    help="With --from: how many times more to hear the other words most like keywords.",
)
@click.option("--smoothing", type=float, help="Share of a target that goes to all labels alike.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME=VALUE,...",
    help="Hyper-parameters of a layer, in place of the recipe's; repeat for each layer.",
)
@click.option("--qat", is_flag=True, help="Train to the end in the form that will be rounded.")
@click.option(
    "--weights",
    type=click.Choice(["8", "4", "2"]),
    help="With --qat: bits of weights, 8 if not said.",
)
@click.option(
    "--layers",
    "widths",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
    help='With --qat: a JSON file with bits of single matrices, e.g. {"1.lmu.W_m": 4}.',
)
@click.option(
    "--qat-epochs",
    type=click.IntRange(1),
    help="Epochs of rounded training: by default a quarter of --epochs, or 10 with --from.",
)
@click.option(
    "--spiking-aware", "aware", is_flag=True, help="Train to the end in the form that spikes."
)
@click.option(
    "--steps-per-frame",
    "steps",
    type=int,
    help="With --spiking-aware: simulator steps of a frame, by default those of the target.",
)
@click.option(
    "--code",
    type=click.Choice(["delta", "rate"]),
    help="With --spiking-aware: whether spikes say a change (by default) or a value.",
)
@click.option(
    "--rate-penalty",
    type=float,
    help="With --spiking-aware: weight of firing rates above target in the loss; 0 by default.",
)
@click.option(
    "--target-rate",
    type=float,
    help="With --spiking-aware: mean rate that costs nothing, 0 by default, 1 for every step.",
)
@click.option(
    "--spiking-epochs",
    type=click.IntRange(1),
    help="Epochs on spikes: by default a quarter of --epochs, or 10 with --from.",
)
@click.option(
    "--from",
    "base",
    metavar="MODEL",
    help="Go on with a trained model, a file or a pretrained name; --recipe then says how.",
)
@click.option("--name", default=None, help="Name in the model file; by default that of the file.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Decides all that is drawn.",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside OUT.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def kws(
    cell: str | None,
    recipe_name: str | None,
    root: Path,
    out: Path,
    protocol: str | None,
    frontend: str | None,
    background: Path | None,
    others: Path | None,
    speaker: str,
    test_speakers: int | None,
    seconds: float | None,
    center: bool | None,
    cache: Path | None,
    layers: tuple[str, ...],
    qat: bool,
    weights: str | None,
    widths: Path | None,
    qat_epochs: int | None,
    aware: bool,
    steps: int | None,
    code: str | None,
    rate_penalty: float | None,
    target_rate: float | None,
    spiking_epochs: int | None,
    base: str | None,
    name: str | None,
    seed: int,
    resume: bool,
    quiet: bool,
    as_json: bool,
    **overrides: Any,
) -> None:
    """Train a keyword spotter.

    OUT gets the model; beside it stand OUT.history.csv and OUT.curve.png. OUT.checkpoint is
    written after every epoch and goes when the model is there: a run that was interrupted goes on
    with --resume and the options it was started with, to the result it would have had.

    With --qat the last epochs train the network as integers will round it, with weights of few
    bits; with --spiking-aware they train it as it runs on spikes, few of them with a rate penalty.
    With --from MODEL a trained network goes on, in either way or in floats, for 10 epochs if not
    said. It trains by the recipe in its card, or by --recipe, which must be of the same network.
    """
    from edgemem.train.checkpoint import check_out

    given = {key: value for key, value in overrides.items() if value is not None}
    rounded = {"weights": weights, "layers": widths, "qat-epochs": qat_epochs}
    spiking = {
        "steps-per-frame": steps,
        "code": code,
        "rate-penalty": rate_penalty,
        "target-rate": target_rate,
        "spiking-epochs": spiking_epochs,
    }
    _check_last(qat, aware, rounded, spiking)
    if base:
        _check_from({"cell": cell, "layer": layers}, given, qat, aware)
    check_out(out, resume)
    model = _trained(base) if base else None
    recipe = _recipe(model, cell, recipe_name, layers, given)
    crop = _crop.crop_of(seconds, center, model.crop if model else None)
    last: Last | None = None
    if qat:
        schedule = _schedule(recipe, model, qat_epochs, given)
        last = _rounding(schedule, weights, widths)
    if aware:
        schedule = _schedule(recipe, model, spiking_epochs, given)
        last = _spiking(schedule, steps, code, rate_penalty, target_rate)
    if model and not (qat or aware):
        last = _in_floats(_schedule(recipe, model, given.get("epochs"), given))
    try:
        rule = rule_of(speaker, test_speakers)
        front = _front(root, frontend, model, rule)
        data = _load(root, protocol, front, background, others, rule, crop, cache, seed, quiet)
        source = root.name if others is None else f"{root.name}, others: {others.name}"
        if test_speakers:
            source += f", test speakers: {test_speakers} by {speaker}"
        summary = _train(
            data, source, recipe, last, model, name or out.stem, out, seed, resume, quiet
        )
    except KeyboardInterrupt:
        click.echo("\n" + stopped(out), err=True)
        raise
    if as_json:
        click.echo(json.dumps(summary))
    else:
        click.echo(
            f"{out}: {summary['parameters']:,} parameters, validation accuracy "
            f"{summary['validation_accuracy']:.2%} (epoch {summary['best_epoch']})"
        )


def _check_last(
    qat: bool,
    aware: bool,
    rounded: dict[str, Any],
    spiking: dict[str, Any],
) -> None:
    """Refuse two last parts, and options of one that is not asked for."""
    if qat and aware:
        raise ConfigError("--qat and --spiking-aware end a training in two forms; choose one")
    there = [name for name, value in rounded.items() if value is not None]
    if there and not qat:
        raise ConfigError(f"--{there[0]} is an option of rounded training; add --qat")
    there = [name for name, value in spiking.items() if value is not None]
    if there and not aware:
        raise ConfigError(f"--{there[0]} is an option of training on spikes; add --spiking-aware")


def _check_from(options: dict[str, Any], overrides: dict[str, Any], qat: bool, aware: bool) -> None:
    """Refuse another network beside that of a trained model."""
    there = [name for name, value in options.items() if value]
    if there:
        raise ConfigError(f"--from goes on with the network of MODEL; leave out --{there[0]}")
    if "epochs" in overrides and (qat or aware):
        form, kind = ("on spikes", "spiking") if aware else ("in rounded form", "qat")
        raise ConfigError(f"--from trains {form} alone; say --{kind}-epochs, not --epochs")


def _trained(name: str) -> Model:
    from edgemem import pretrained
    from edgemem.model import load

    return load(pretrained.resolve(name, pretrained.MODEL))


def _recipe(
    model: Model | None,
    cell: str | None,
    name: str | None,
    layers: tuple[str, ...],
    overrides: dict[str, Any],
) -> Recipe:
    from edgemem.train.recipes import recipe, recipe_of

    if model is not None:
        chosen = recipe_of(model.name, model.card)
        if name:
            chosen = chosen.trained_as(name)
        return replace(chosen, **overrides)
    chosen = recipe(name or cell or "lmu")
    if name and cell and chosen.cell != cell:
        raise ConfigError(f"recipe {name!r} is made of {chosen.cell} cells, --cell says {cell!r}")
    if layers:
        overrides = {**overrides, "layers": tuple(layer_values(text) for text in layers)}
    return replace(chosen, **overrides)


def _schedule(
    recipe: Recipe, model: Model | None, epochs: int | None, overrides: dict[str, Any]
) -> dict[str, Any]:
    """Epochs and learning rate of the last part."""
    from edgemem.train.last import EPOCHS, RATE, SHARE

    # with --from there is no other schedule that --learning-rate could mean
    as_given = model is not None and "learning_rate" in overrides
    return {
        "epochs": epochs or (EPOCHS if model is not None else max(1, round(SHARE * recipe.epochs))),
        "learning_rate": recipe.learning_rate * (1.0 if as_given else RATE),
    }


def _in_floats(schedule: dict[str, Any]) -> Last:
    from edgemem.train.further import Further

    return Further(**schedule)


def _rounding(schedule: dict[str, Any], weights: str | None, widths: Path | None) -> Last:
    from edgemem.train.qat import Qat, read_layers

    layers = read_layers(widths) if widths else {}
    return Qat(**schedule, weights=int(weights or 8), layers=layers)


def _spiking(
    schedule: dict[str, Any], steps: int | None, code: str | None, *rates: float | None
) -> Last:
    from edgemem.train.spiking_aware import SpikingAware

    names = ("steps", "code", "rate_penalty", "target_rate")
    said = zip(names, (steps, code, *rates))
    given: dict[str, Any] = {name: value for name, value in said if value is not None}
    return SpikingAware(**schedule, **given)


def _front(
    root: Path, named: str | None, model: Model | None, rule: SpeakerRule
) -> FrontEnd | None:
    """The front end that was named; else, for recordings, that of the model that goes on."""
    from edgemem.data.readers import declared
    from edgemem.data.source import look

    if named:
        return declared(named)
    heard = model is not None and look(root, rule).kind == "sound"
    return model.frontend if model is not None and heard else None


def _load(
    root: Path,
    protocol: str | None,
    frontend: FrontEnd | None,
    background: Path | None,
    others: Path | None,
    rule: SpeakerRule,
    crop: Crop,
    cache: Path | None,
    seed: int,
    quiet: bool,
) -> DataSet:
    check_extras()
    from edgemem.data import load
    from edgemem.train.others import with_others

    data = load(
        root,
        protocol=protocol,
        frontend=frontend,
        cache=cache,
        seed=seed,
        background=background,
        speaker=rule,
        complete=others is None,
        seconds=crop.seconds,
        center=crop.center,
    )
    if others is not None:
        data = with_others(data, others, cache, seed)
    if not quiet:
        click.echo("\n".join(data.report.lines()), err=True)
        click.echo(
            f"{len(data.labels)} labels, {len(data.train)} training and "
            f"{len(data.validation)} validation clips, {len(data.background)} of background",
            err=True,
        )
    return data


def _train(
    data: DataSet,
    source: str,
    recipe: Recipe,
    last: Last | None,
    model: Model | None,
    name: str,
    out: Path,
    seed: int,
    resume: bool,
    quiet: bool,
) -> dict[str, Any]:
    from edgemem.runtime.crop import SECOND
    from edgemem.train.run import Run

    identity: dict[str, Any] = {"data": source, "protocol": data.protocol, "clips": len(data.train)}
    if data.crop != SECOND:
        identity["crop"] = data.crop.to_dict()
    run = Run(data, recipe, seed, identity, last, model)
    result = run.train(out, resume=resume, quiet=quiet)
    made = run.finish(result, name, out)
    return {
        "model": str(out),
        "parameters": made.n_params,
        "validation_accuracy": result.best["validation_accuracy"],
        "best_epoch": int(result.best["epoch"]),
        "digest": made.digest,
    }
