"""A small task of our own, for tests of the run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from edgemem.errors import ConfigError
from edgemem.train.tasks.base import Goal, Sequences, Shuffled, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

N_STEPS = 12


@dataclass(frozen=True)
class Options:
    """Of the made task."""

    train: int = field(default=256, metadata={"help": "Training sequences."})

    def __post_init__(self) -> None:
        if self.train < 0:
            raise ConfigError(f"--train must not be negative (got {self.train})")


def drawn(rng: np.random.Generator, n: int) -> Sequences:
    """Sequences whose class is the sign of their sum."""
    x = rng.normal(size=(n, N_STEPS, 2)).astype(np.float32)
    return Sequences(x, (x[:, :, 0].sum(axis=1) > 0).astype(np.int64))


def load(options: Options, root: object, seed: int) -> TaskData:
    rng = np.random.default_rng([seed, 7])
    goal = Goal("last", "classes", "accuracy")
    parts = [drawn(rng, n) for n in (options.train, 64, 64)]
    return TaskData(Shuffled(parts[0]), parts[1], parts[2], goal, 2, ("less", "more"), {"n": 1})


TASK = Task(
    "made",
    "say whether numbers add up to more than nothing",
    "none",
    load,
    {
        "lmu": TaskRecipe(
            "lmu",
            ({"n_units": 6, "order": 4, "theta": 12.0},),
            epochs=3,
            batch=32,
            learning_rate=0.02,
        ),
        "lem": TaskRecipe("lem", ({"n_units": 6},), epochs=3, batch=32, learning_rate=0.02),
    },
    Options,
)


@pytest.fixture
def made_task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """The task, known to runs as ``made``."""
    from edgemem.train import tasks
    from edgemem.train.tasks import request, run

    known = tasks.get
    for module in (request, run):
        monkeypatch.setattr(module, "get", lambda name: TASK if name == "made" else known(name))
    monkeypatch.setattr(tasks, "get", lambda name: TASK if name == "made" else known(name))
    monkeypatch.setattr(tasks, "names", lambda: ["made"])
    return TASK
