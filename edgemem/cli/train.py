"""Train a network in NengoDL."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgemem.errors import ConfigError, MissingExtraError
from edgemem.files import check_writable

if TYPE_CHECKING:
    from edgemem.train.recipes import Recipe


@click.group()
def command() -> None:
    """Train a network in NengoDL, by task."""


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
@click.option("--cache", default=None, type=click.Path(path_type=Path), help="Folder for features.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training clips.")
@click.option("--batch", type=click.IntRange(1), help="Clips in a batch.")
@click.option("--learning-rate", type=float, help="Peak of the schedule.")
@click.option("--carry", type=float, help="Share of sequences with carried state.")
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME=VALUE,...",
    help="Hyper-parameters of a layer, in place of the recipe's; repeat for each layer.",
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
    cache: Path | None,
    layers: tuple[str, ...],
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
    """
    _check_out(out, resume)
    recipe = _recipe(cell, recipe_name, layers, overrides)
    try:
        summary = _train(
            root, out, protocol, frontend, background, cache, recipe, name, seed, resume, quiet
        )
    except KeyboardInterrupt:
        click.echo("\n" + _stopped(beside(out, "checkpoint")), err=True)
        raise
    if as_json:
        click.echo(json.dumps(summary))
    else:
        click.echo(
            f"{out}: {summary['parameters']:,} parameters, validation accuracy "
            f"{summary['validation_accuracy']:.2%} (epoch {summary['best_epoch']})"
        )


def _check_out(out: Path, resume: bool) -> None:
    """Refuse to write over what is there, and what could not be written after hours of work."""
    check_writable(out)
    checkpoint = beside(out, "checkpoint")
    if out.exists() and not (resume and checkpoint.exists()):
        raise ConfigError(f"{out} is there already, and its run is over; choose another --out")
    if checkpoint.exists() and not resume:
        raise ConfigError(
            f"{checkpoint} of an unfinished run is there; go on with --resume, or remove it"
        )


def _recipe(
    cell: str | None, name: str | None, layers: tuple[str, ...], overrides: dict[str, Any]
) -> Recipe:
    from edgemem.train.recipes import recipe

    chosen = recipe(name or cell or "lmu")
    if name and cell and chosen.cell != cell:
        raise ConfigError(f"recipe {name!r} is made of {chosen.cell} cells, --cell says {cell!r}")
    given = {key: value for key, value in overrides.items() if value is not None}
    if layers:
        given["layers"] = tuple(_layer(text) for text in layers)
    return replace(chosen, **given)


def _layer(text: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in text.split(","):
        key, found, value = item.partition("=")
        if not found:
            raise ConfigError(f"--layer: {item!r} is not NAME=VALUE, in {text!r}")
        try:
            values[key.strip()] = json.loads(value)
        except json.JSONDecodeError:
            values[key.strip()] = value.strip()
    return values


def _train(
    root: Path,
    out: Path,
    protocol: str | None,
    frontend: str | None,
    background: Path | None,
    cache: Path | None,
    recipe: Recipe,
    name: str | None,
    seed: int,
    resume: bool,
    quiet: bool,
) -> dict[str, Any]:
    _check_extras()
    from edgemem import model as models
    from edgemem.data import load
    from edgemem.data.readers import declared
    from edgemem.train.kws import make_model
    from edgemem.train.progress import draw_history, write_history
    from edgemem.train.trainer import fit

    data = load(
        root,
        protocol=protocol,
        frontend=declared(frontend) if frontend else None,
        cache=cache,
        seed=seed,
        background=background,
    )
    if not quiet:
        click.echo("\n".join(data.report.lines()), err=True)
        click.echo(
            f"{len(data.labels)} labels, {len(data.train)} training and "
            f"{len(data.validation)} validation clips, {len(data.background)} of background",
            err=True,
        )
    run = {"data": root.name, "protocol": data.protocol, "clips": len(data.train)}
    checkpoint = beside(out, "checkpoint")
    result = fit(data, recipe, seed, checkpoint, resume=resume, quiet=quiet, run=run)
    model = make_model(name or out.stem, data, recipe, seed, result, run)
    write_history(beside(out, "history.csv"), result.history)
    draw_history(beside(out, "curve.png"), result.history)
    models.save(model, out)
    checkpoint.unlink(missing_ok=True)
    return {
        "model": str(out),
        "parameters": model.n_params,
        "validation_accuracy": result.best["validation_accuracy"],
        "best_epoch": int(result.best["epoch"]),
        "digest": model.digest,
    }


def _check_extras() -> None:
    """Refuse to start without the packages that training needs, to its very end."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow must have read it before nengo_dl sets it anew
    for package in ("tensorflow", "nengo-dl", "matplotlib"):
        try:
            import_module(package.replace("-", "_"))
        except ImportError:
            raise MissingExtraError("training", package, "train") from None


def _stopped(checkpoint: Path) -> str:
    if checkpoint.exists():
        return "stopped; the same command with --resume goes on after the last whole epoch"
    return "stopped before the first epoch was over; nothing was kept"


def beside(out: Path, suffix: str) -> Path:
    """The file ``OUT.suffix`` of a run."""
    return out.with_name(f"{out.name}.{suffix}")
