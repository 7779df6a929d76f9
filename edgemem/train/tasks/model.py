"""The model file of a task's network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.cells import Stack
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample
from edgemem.ops import Array
from edgemem.runtime.rule import DetectorConfig
from edgemem.train.tasks.base import Sequences, Task, TaskData
from edgemem.train.tasks.lesson import TaskLesson

Values = npt.NDArray[Any]

CALIBRATION_VALUES = 400_000
VALIDATION_VALUES = 1_600_000
"""Numbers that ride in a model; as many whole sequences as fit, and at least a part of one."""

MOST_SEQUENCES = 240


def make_model(
    name: str,
    task: Task,
    lesson: TaskLesson,
    stack: Stack,
    arrays: Mapping[str, Array],
    summary: Mapping[str, Any],
) -> Model:
    """The model of a run, with sequences by which a conversion measures and checks itself.

    Its front end is of kind ``values``: what the network reads is no sound.
    """
    data, recipe = lesson.data, lesson.recipe
    rng = np.random.default_rng([lesson.seed, 2])
    batches = data.train.epoch(rng, min(lesson.batch, data.train.n))
    return Model(
        name=name,
        frontend=FrontEnd(kind="values", n_mels=data.n_in),
        cell=stack,
        params={**arrays, **stack.constants},
        labels=data.labels,
        protocol=f"task {task.name}",
        detector=DetectorConfig(window=1, ignore=()),
        calibration=_sample(next(iter(batches)), data, CALIBRATION_VALUES, labelled=False),
        validation=_sample(data.validation, data, VALIDATION_VALUES, labelled=True),
        card={
            **summary,
            "seed": lesson.seed,
            "source": task.source,
            "data": dict(data.facts),
            "recipe": recipe.to_dict(),
            "goal": {"read": data.goal.read, "kind": data.goal.kind},
        },
    )


def _sample(sequences: Sequences, data: TaskData, most: int, labelled: bool) -> Sample:
    n_steps = min(sequences.n_steps, max(1, most // data.n_in))
    count = min(len(sequences), MOST_SEQUENCES, max(1, most // (n_steps * data.n_in)))
    part = sequences.take(np.arange(count))
    x = part.x[:, :n_steps]
    if part.lengths is not None:
        x = np.where((np.arange(n_steps) < part.lengths[:, None])[:, :, None], x, 0.0)
    features = np.eye(data.n_in, dtype=np.float32)[x] if data.symbols else x
    whole = n_steps == sequences.n_steps and sequences.lengths is None
    has_labels = labelled and whole and data.goal.read == "last" and data.goal.kind == "classes"
    labels = part.y if has_labels else np.zeros(0)
    return Sample(np.asarray(features, np.float32), labels.astype(np.int64))
