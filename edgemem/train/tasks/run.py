"""A whole run of a task: what is asked for, and from there to a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgemem import model as models
from edgemem.cells import CELLS, Stack
from edgemem.errors import ConfigError, DataError, UnknownNameError
from edgemem.ops import Array
from edgemem.train.checkpoint import beside
from edgemem.train.fused import Fused
from edgemem.train.fused_task import FusedTask
from edgemem.train.progress import Shown, draw_history, write_history
from edgemem.train.stacks import hyper_parameters
from edgemem.train.tasks import get
from edgemem.train.tasks.base import Task, TaskData
from edgemem.train.tasks.lesson import TaskLesson
from edgemem.train.tasks.model import make_model
from edgemem.train.tasks.picture import draw_task
from edgemem.train.tasks.recipe import TaskRecipe
from edgemem.train.trainer import Trained, Watch, best_row, train

CHOICES = ("cell", "recipe", "form", "stack")
"""Parameters of a request that are neither of the recipe, nor of its layers, nor of the task."""


@dataclass(frozen=True)
class Request:
    """What is trained on what; JSON values, so that it can travel.

    Parameters
    ----------
    task : str
    recipe : str
        Name of one of the task's recipes; that of a cell is called like the cell.
    overrides : mapping
        Fields of the recipe, in place of its own.
    options : mapping
        Fields of the task's options.
    data : Path, optional
        What ``--data`` names.
    seed : int
        Decides all that is drawn.
    layers : mapping
        Hyper-parameters for every layer that has them, in place of the recipe's.
    form : str
        Form of LMUs; empty for the recipe's own.
    stack : int
        That many times the last layer, in place of all; 0 for the recipe's own layers.
    """

    task: str
    recipe: str = "lmu"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    data: Path | None = None
    seed: int = 0
    layers: Mapping[str, Any] = field(default_factory=dict)
    form: str = ""
    stack: int = 0

    def with_param(self, name: str, value: Any) -> Request:
        """The same with a parameter set, wherever it belongs.

        Raises
        ------
        UnknownNameError
            If neither recipe, layers nor task have one of that name.
        """
        of_task = [f.name for f in fields(get(self.task).Options)]
        of_recipe = [f.name for f in fields(TaskRecipe) if f.name not in ("cell", "layers")]
        layers = (hyper_parameters(cell) for cell in CELLS)
        of_layers = sorted({key for keys in layers if "n_units" in keys for key in keys})
        if name in ("cell", "recipe"):
            return replace(self, recipe=str(value))
        if name == "form":
            return replace(self, form=str(value))
        if name == "stack":
            return replace(self, stack=int(value))
        if name in of_recipe:
            return replace(self, overrides={**self.overrides, name: value})
        if name in of_task:
            return replace(self, options={**self.options, name: value})
        if name in of_layers:
            return replace(self, layers={**self.layers, name: value})
        raise UnknownNameError("parameter", name, [*CHOICES, *of_recipe, *of_task, *of_layers])

    def chosen(self) -> TaskRecipe:
        """The recipe with all that replaces parts of it.

        Raises
        ------
        UnknownNameError, ConfigError
            If the recipe is unknown, or a value cannot work.
        """
        known = get(self.task).recipes
        if self.recipe not in known:
            raise UnknownNameError(f"recipe for {self.task}", self.recipe, known)
        recipe, adapt = known[self.recipe], get(self.task).adapt
        if adapt is not None:
            recipe = adapt(recipe, self.made_options())
        recipe = replace(recipe, **self.overrides)
        if self.layers:
            recipe = replace(recipe, layers=_with(recipe, self.layers))
        if self.stack:
            recipe = replace(recipe, layers=recipe.layers[-1:] * self.stack)
        # in a sweep over cells, a form concerns the LMUs among them
        lmus = any(values.get("cell", recipe.cell) == "lmu" for values in recipe.layers)
        return recipe.in_form(self.form) if self.form and lmus else recipe

    def made_options(self) -> Any:
        """The task's options with these values.

        Raises
        ------
        UnknownNameError
            If the task has no such option.
        """
        kind = get(self.task).Options
        known = [f.name for f in fields(kind)]
        for name in self.options:
            if name not in known:
                raise UnknownNameError(f"option of {self.task}", name, known)
        return kind(**self.options)


def _with(recipe: TaskRecipe, values: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            **layer,
            **{
                key: value
                for key, value in values.items()
                if key in hyper_parameters(layer.get("cell", recipe.cell))
            },
        }
        for layer in recipe.layers
    )


@dataclass(frozen=True)
class _Prepared:
    """A request with its data and the arrays that training starts from."""

    request: Request
    task: Task
    lesson: TaskLesson
    stack: Stack
    start: dict[str, Array]

    @property
    def data(self) -> TaskData:
        return self.lesson.data

    def layer(self, arrays: Mapping[str, Array], n_steps: int) -> FusedTask:
        """The fused form of the network with these arrays."""
        carry = 1.0 if self.data.train.carried else 0.0
        return FusedTask(
            self.stack,
            arrays,
            n_steps,
            self.lesson.batch,
            self.lesson.reading,
            carry,
            self.request.seed,
        )

    def for_measuring(self, arrays: Mapping[str, Array], n_steps: int) -> FusedTask:
        """The same outside of any simulator."""
        layer = self.layer(arrays, n_steps)
        layer.build(None)
        return layer


def run_task(
    request: Request,
    out: Path,
    resume: bool = False,
    quiet: bool = True,
    watch: Watch | None = None,
    test: bool = False,
) -> dict[str, Any]:
    """Train a network on a task and write its model, table and pictures.

    Parameters
    ----------
    request : Request
    out : Path
        The model file. ``OUT.checkpoint`` is written after every epoch and goes when the model is
        there.
    resume : bool
        Go on from the checkpoint.
    quiet : bool
        Show no progress.
    watch : callable, optional
        Told each epoch's row; what it raises ends the run, whose checkpoint stays.
    test : bool
        Read the test split, once, with the arrays that were best on validation data.

    Returns
    -------
    dict
        JSON values: model, task, recipe, parameters, metric, better, validation, test (or None),
        best_epoch, epochs, seconds, digest.

    Raises
    ------
    EdgememError
        If the request, the data or the training cannot work.
    """
    prepared = _prepare(request)
    lesson, checkpoint = prepared.lesson, beside(out, "checkpoint")
    found = _trained(prepared, checkpoint, resume, quiet, watch)
    best = dict(best_row(found.history, lesson))
    layer = prepared.for_measuring(found.arrays, prepared.data.train.n_steps)
    measured = lesson.measure(layer, prepared.data.test) if test else None
    summary = _summary(prepared, found, best, measured)
    made = make_model(out.stem, prepared.task, lesson, prepared.stack, found.arrays, summary)
    if prepared.lesson.epochs:
        write_history(beside(out, "history.csv"), found.history)
        draw_history(beside(out, "curve.png"), found.history, best, _shown(lesson))
    draw_task(beside(out, "task.png"), lesson, layer)
    models.save(made, out)
    checkpoint.unlink(missing_ok=True)
    return {"model": str(out), **summary, "digest": made.digest}


def _prepare(request: Request) -> _Prepared:
    task = get(request.task)
    recipe, options = request.chosen(), request.made_options()
    if recipe.bidirectional and task.forecasts:
        raise ConfigError(
            f"task {task.name} asks for what comes next, which a network that reads backwards as "
            "well has seen; leave out --bidirectional"
        )
    if task.data and request.data is None:
        raise DataError(f"task {task.name} needs --data: {task.data}")
    if request.data is not None and not request.data.exists():
        raise DataError(f"{request.data}: no such file or folder; {task.name} needs {task.data}")
    lesson = TaskLesson(task.load(options, request.data, request.seed), recipe, request.seed)
    stack = recipe.stack(lesson.data.n_in, lesson.data.n_out)
    start = stack.init(np.random.default_rng([request.seed, 1]))
    for name, array in start.items():
        constant = recipe.start.get(name.rpartition(".")[2])
        if constant is not None and name.count("."):
            start[name] = np.full_like(array, constant)
    if task.start is not None:
        start = task.start(stack, options, start)
    return _Prepared(request, task, lesson, stack, start)


def _trained(
    prepared: _Prepared, checkpoint: Path, resume: bool, quiet: bool, watch: Watch | None
) -> Trained:
    lesson, n_steps = prepared.lesson, prepared.data.train.n_steps
    if not lesson.epochs:
        layer = prepared.for_measuring(prepared.start, n_steps)
        row = {"epoch": 0.0, lesson.column: lesson.measure(layer, prepared.data.validation)}
        return Trained(prepared.start, ({**row, "loss": float("nan"), "seconds": 0.0},))

    def layer_to_train() -> Fused:
        return prepared.layer(prepared.start, n_steps)

    identity = _identity(prepared)
    return train(
        layer_to_train, lesson, checkpoint, identity, resume=resume, quiet=quiet, watch=watch
    )


def _identity(prepared: _Prepared) -> dict[str, Any]:
    request = prepared.request
    return {
        "task": request.task,
        "options": dict(request.options),
        "recipe": prepared.lesson.recipe.to_dict(),
        "seed": request.seed,
        "facts": dict(prepared.data.facts),
    }


def _summary(
    prepared: _Prepared, found: Trained, best: Mapping[str, float], test: float | None
) -> dict[str, Any]:
    lesson = prepared.lesson
    return {
        "task": prepared.task.name,
        "recipe": prepared.request.recipe,
        "parameters": sum(int(np.prod(shape)) for shape in prepared.stack.params.values()),
        "metric": lesson.metric.name,
        "better": lesson.metric.better,
        "validation": best[lesson.column],
        "test": test,
        "best_epoch": int(best["epoch"]),
        "epochs": len(found.history) if lesson.epochs else 0,
        "seconds": round(sum(row["seconds"] for row in found.history), 1),
    }


def _shown(lesson: TaskLesson) -> Shown:
    metric = lesson.metric
    if metric.percent:
        return Shown(lesson.column, f"validation {metric.name}, %", 100.0, " %")
    return Shown(lesson.column, f"validation {metric.name}", log=metric.name != "bpc")


def check_new(out: Path, resume: bool) -> None:
    """Refuse to write over a model, or beside the checkpoint of another run.

    Raises
    ------
    ConfigError
        If that would happen.
    """
    checkpoint = beside(out, "checkpoint")
    if out.exists() and not (resume and checkpoint.exists()):
        raise ConfigError(f"{out} is there already, and its run is over; choose another --out")
    if checkpoint.exists() and not resume:
        raise ConfigError(
            f"{checkpoint} of an unfinished run is there; go on with --resume, or remove it"
        )
