"""Commands for the tasks of the papers, made of their options."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgemem.cli._options import option_of
from edgemem.cli._training import check_extras, layer_values, stopped
from edgemem.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from edgemem.train.tasks.base import Task
    from edgemem.train.tasks.request import Request

OVERRIDES: dict[str, tuple[Any, str]] = {
    "epochs": (click.IntRange(0), "Passes over the training sequences."),
    "batch": (click.IntRange(1), "Sequences in a batch."),
    "learning_rate": (float, "Peak of the schedule."),
    "schedule": (str, "constant, cosine or step."),
    "warmup": (float, "Epochs of linear rise of the learning rate."),
    "weight_decay": (float, "Decoupled weight decay."),
    "clip_norm": (float, "Largest norm of all gradients together; 0 for no limit."),
    "dropout": (float, "Share of the inputs that training does not see."),
    "conv_channels": (click.IntRange(0), "Channels of a causal convolution before all layers."),
    "conv_kernel": (click.IntRange(1), "Steps that it sees."),
}
"""Options in place of a recipe's own fields."""


class TaskGroup(click.Group):
    """Keyword spotting, and every task of :mod:`edgemem.train.tasks`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the tasks."""
        from edgemem.train import tasks

        return sorted([*super().list_commands(ctx), *tasks.names()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a task.

        Raises
        ------
        UnknownNameError
            If there is no such task.
        """
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        from edgemem.train import tasks

        if cmd_name not in tasks.names():
            raise UnknownNameError("task", cmd_name, self.list_commands(ctx))
        return task_command(tasks.get(cmd_name))


def task_command(task: Task) -> click.Command:
    """The command that trains a task."""
    first, rest = f"Train a network to {task.summary}.", f"Source: {task.source}."
    pictures = (
        "OUT gets the model; beside it stand OUT.history.csv, OUT.curve.png and OUT.task.png. "
        "OUT.checkpoint is written after every epoch: a run that was interrupted goes on with "
        "--resume and the options it was started with."
    )
    recipes = f"Recipes: {', '.join(sorted(task.recipes))}."
    text = "\n\n".join((first, rest, pictures, recipes))
    data = " --data DATA" if task.data else ""
    return click.Command(
        task.name,
        params=_params(task),
        callback=lambda **given: _run(task, given),
        help=text,
        short_help=f"{task.summary[0].upper()}{task.summary[1:]}.",
        epilog=f"Example: edgemem train {task.name} --cell lmu{data} --out {task.name}.model",
    )


def _params(task: Task) -> list[click.Parameter]:
    kinds = typing.get_type_hints(task.Options)
    own = [option_of(field, kinds[field.name]) for field in dataclasses.fields(task.Options)]
    path = click.Path(path_type=Path)
    replaced = [
        click.Option(["--" + name.replace("_", "-")], type=kind, help=text)
        for name, (kind, text) in OVERRIDES.items()
    ]
    with_data = [click.Option(["--data"], type=path, required=True, help=f"{task.data}.")]
    file = click.Path(path_type=Path, dir_okay=False)
    seeds = click.IntRange(0, 2**31 - 1)
    return [
        click.Option(["--cell"], help="lmu, lem, lstm or gru: the cell's own recipe."),
        click.Option(["--recipe"], help="A recipe by name."),
        click.Option(
            ["--form"], help="Form of LMUs: parallel (no feedback), plain, or feedback (all)."
        ),
        *(with_data if task.data else []),
        click.Option(["--out"], type=file, required=True, help="The model file to write."),
        *own,
        click.Option(
            ["--layer", "layers"],
            multiple=True,
            metavar="NAME=VALUE,...",
            help="Hyper-parameters of a layer, in place of the recipe's; repeat for each layer.",
        ),
        click.Option(
            ["--stack"], type=click.IntRange(1), help="That many times the recipe's last layer."
        ),
        click.Option(
            ["--bidirectional"], is_flag=True, help="Read the sequence backwards as well."
        ),
        *replaced,
        click.Option(
            ["--seed"], type=seeds, default=0, show_default=True, help="Decides all that is drawn."
        ),
        click.Option(["--test"], is_flag=True, help="Read the test split at the end, once."),
        click.Option(["--resume"], is_flag=True, help="Go on from the checkpoint beside OUT."),
        click.Option(["--quiet"], is_flag=True, help="Show no progress."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the result as JSON."),
    ]


def _run(task: Task, given: dict[str, Any]) -> None:
    from edgemem.train.checkpoint import check_out

    out: Path = given["out"]
    check_out(out, given["resume"])
    request = _request(task, given)
    # TensorFlow takes seconds to be there: what cannot work is said before
    request.check()
    check_extras()
    from edgemem.train.tasks.run import run_task

    try:
        found = run_task(request, out, given["resume"], given["quiet"], test=given["test"])
    except KeyboardInterrupt:
        click.echo("\n" + stopped(out), err=True)
        raise
    click.echo(json.dumps(found) if given["as_json"] else _told(out, found))


def _request(task: Task, given: dict[str, Any]) -> Request:
    from edgemem.train.tasks.request import Request

    known = {field.name for field in dataclasses.fields(task.Options)}
    recipe = _recipe(task, given["cell"], given["recipe"])
    request = Request(
        task.name,
        recipe,
        _overrides(given),
        {name: value for name, value in given.items() if name in known},
        given.get("data"),
        given["seed"],
        form=given["form"] or "",
        stack=given["stack"] or 0,
    )
    if request.form and not request.has_lmu():
        raise ConfigError(f"--form is of LMUs; recipe {recipe!r} has none")
    return request


def _recipe(task: Task, cell: str | None, name: str | None) -> str:
    """Name of the recipe that the options ask for."""
    chosen = name or cell or "lmu"
    if chosen not in task.recipes:
        raise UnknownNameError(f"recipe for {task.name}", chosen, task.recipes)
    own = task.recipes[chosen].cell
    if name and cell and own != cell:
        raise ConfigError(f"recipe {name!r} is made of {own} cells, --cell says {cell!r}")
    return chosen


def _overrides(given: dict[str, Any]) -> dict[str, Any]:
    replaced = {name: given[name] for name in OVERRIDES if given[name] is not None}
    if given["bidirectional"]:
        replaced["bidirectional"] = True
    layers = tuple(layer_values(text) for text in given["layers"])
    return {**replaced, "layers": layers} if layers else replaced


def _told(out: Path, found: dict[str, Any]) -> str:
    from edgemem.train.tasks.metrics import METRICS

    metric = METRICS[found["metric"]]
    test = "" if found["test"] is None else f", test {metric.shown(found['test'])}"
    value = f"{metric.name} {metric.shown(found['validation'])} on validation data"
    return f"{out}: {found['parameters']:,} parameters, {value} (epoch {found['best_epoch']}){test}"
