"""A whole run of a task: what is asked for, and from there to a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgemem import model as models
from edgemem.cells import Stack
from edgemem.ops import Array
from edgemem.train.checkpoint import beside, check_arrays
from edgemem.train.fused import Fused
from edgemem.train.fused_task import FusedTask
from edgemem.train.progress import Shown, draw_history, write_history
from edgemem.train.tasks import get
from edgemem.train.tasks.base import Task, TaskData
from edgemem.train.tasks.lesson import TaskLesson
from edgemem.train.tasks.model import make_model
from edgemem.train.tasks.picture import draw_task
from edgemem.train.tasks.request import Request
from edgemem.train.trainer import Trained, Watch, best_row, train


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
    check_arrays(found.arrays, prepared.stack.params)
    best = dict(best_row(found.history, lesson))
    layer = prepared.for_measuring(found.arrays, prepared.data.train.n_steps)
    measured = lesson.measure(layer, prepared.data.test) if test else None
    summary = _summary(prepared, found, best, measured)
    # equal trainings make equal files; the seconds of each epoch are in the history
    about = {name: value for name, value in summary.items() if name != "seconds"}
    made = make_model(out.stem, prepared.task, lesson, prepared.stack, found.arrays, about)
    if prepared.lesson.epochs:
        write_history(beside(out, "history.csv"), found.history)
        draw_history(beside(out, "curve.png"), found.history, best, _shown(lesson))
    draw_task(beside(out, "task.png"), lesson, layer)
    models.save(made, out)
    checkpoint.unlink(missing_ok=True)
    return {"model": str(out), **summary, "digest": made.digest}


def _prepare(request: Request) -> _Prepared:
    request.check()
    task = get(request.task)
    recipe, options = request.chosen(), request.made_options()
    lesson = TaskLesson(task.load(options, request.data, request.seed), recipe, request.seed)
    stack = recipe.stack(lesson.data.n_in, lesson.data.n_out)
    start = stack.init(np.random.default_rng([request.seed, 1]))
    for name, array in start.items():
        constant = recipe.start.get(name.rpartition(".")[2])
        if constant is not None:
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
        "parameters": prepared.stack.n_params,
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
