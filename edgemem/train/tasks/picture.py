"""What a network does on a task, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem import drawing
from edgemem.train.tasks.base import TaskData
from edgemem.train.tasks.lesson import TaskLesson, inputs, shaped

Values = npt.NDArray[Any]

SEQUENCES = 500
STEPS = 1500
OUTPUTS = 4
"""Most of each that a picture shows."""


def draw_task(path: Path, lesson: TaskLesson, layer: Any) -> None:
    """Validation sequences: what was wanted beside what the network gives.

    Values at every step become curves over time; values at the last step, points of wanted and
    given; classes at the last step, a table of wanted and given; classes at every step, the
    surprise over the steps of a sequence.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    data = lesson.data
    few = data.validation.take(np.arange(min(SEQUENCES, len(data.validation))))
    if data.goal.read == "steps":
        few = few.take(np.arange(min(lesson.batch, len(few))))
    outputs = shaped(layer.outputs(inputs(few)), data.goal)
    draw = {
        ("steps", "values"): _curves,
        ("last", "values"): _points,
        ("last", "classes"): _confusion,
        ("steps", "classes"): _surprise,
    }[data.goal.read, data.goal.kind]
    figure = drawing.figure(7.0, 4.0)
    draw(figure, outputs, few.y, data)
    drawing.save(figure, path, dpi=120)


def _curves(figure: Any, outputs: Values, wanted: Values, data: TaskData) -> None:
    shown = min(OUTPUTS, data.n_out)
    steps = slice(max(0, outputs.shape[1] - STEPS), outputs.shape[1])
    at = np.arange(steps.start, steps.stop)
    errors = figure.add_subplot(shown + 1, 1, shown + 1)
    for place in range(shown):
        axes = figure.add_subplot(shown + 1, 1, place + 1)
        error = outputs[0, steps, place] - wanted[0, steps, place]
        errors.plot(at, error, lw=0.6, label=data.labels[place])
        axes.plot(at, wanted[0, steps, place], color="0.4", lw=1.5, label="wanted")
        axes.plot(at, outputs[0, steps, place], color="tab:orange", lw=0.8, label="given")
        axes.set_ylabel(data.labels[place])
    figure.axes[1].legend(loc="upper right", ncols=2, fontsize="small")
    errors.set_ylabel("error")
    errors.set_xlabel("step")


def _points(figure: Any, outputs: Values, wanted: Values, data: TaskData) -> None:
    axes = figure.add_subplot()
    for place in range(min(OUTPUTS, data.n_out)):
        axes.plot(wanted[:, place], outputs[:, place], ".", ms=3, label=data.labels[place])
    ends = [np.nanmin(wanted), np.nanmax(wanted)]
    axes.plot(ends, ends, color="0.6", lw=0.8)
    axes.set_xlabel("wanted")
    axes.set_ylabel("given")
    axes.legend(fontsize="small")


def _confusion(figure: Any, outputs: Values, wanted: Values, data: TaskData) -> None:
    counts = np.zeros((data.n_out, data.n_out))
    np.add.at(counts, (wanted, outputs.argmax(axis=1)), 1.0)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(image, label="share of the class")
    if data.n_out <= 20:
        axes.set_xticks(range(data.n_out), data.labels, rotation=90, fontsize="small")
        axes.set_yticks(range(data.n_out), data.labels, fontsize="small")
    axes.set_xlabel("given")
    axes.set_ylabel("wanted")


def _surprise(figure: Any, outputs: Values, wanted: Values, data: TaskData) -> None:
    z = outputs - outputs.max(axis=-1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    of_class = np.take_along_axis(log_p, np.maximum(wanted, 0)[..., None], axis=-1)[..., 0]
    counted = np.where(wanted >= 0, -of_class / np.log(2.0), 0.0).sum(axis=0)
    n = (wanted >= 0).sum(axis=0)
    at = np.flatnonzero(n > n.max() / 2)
    axes = figure.add_subplot()
    axes.plot(at, counted[at] / n[at], ".-", lw=0.8, ms=3)
    axes.set_xlabel("step")
    axes.set_ylabel("bits of surprise")
