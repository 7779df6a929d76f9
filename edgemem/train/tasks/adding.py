"""The adding problem: two numbers, far apart in a long sequence, and their sum."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgemem.errors import ConfigError
from edgemem.train.tasks.base import Drawn, Goal, Sequences, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

EPOCH = 5000
"""Sequences of an epoch: 100 batches of 50, after which the authors look at the error."""

HELD = 1000
"""Sequences of the validation and of the test set."""

VALIDATION_SEED, TEST_SEED = 20_001, 20_002
"""The held sets are the same for every run of the same length."""

ALWAYS_ONE = 1.0 / 6.0
"""Mean squared error of a network that always says 1: the variance of the sum, 2 / 12."""


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    length : int
        Steps of a sequence; 2,000, 5,000 and 10,000 in the paper.
    """

    length: int = field(default=2000, metadata={"help": "Steps of a sequence."})

    def __post_init__(self) -> None:
        if self.length < 2:
            raise ConfigError(f"adding: length must be 2 or more (got {self.length})")


def draw(rng: np.random.Generator, n: int, length: int) -> Sequences:
    """Sequences of uniform values and of markers, one in each half, with the sum of the marked.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Sequences.
    length : int
        Steps of each.

    Returns
    -------
    Sequences
        ``x`` (n, length, 2): values in [0, 1), and 1 where a value counts, else 0; ``y`` (n, 1).
    """
    half, rows = length // 2, np.arange(n)
    x = np.zeros((n, length, 2), np.float32)
    x[:, :, 0] = rng.random((n, length), np.float32)
    first, second = rng.integers(0, half, n), rng.integers(half, length, n)
    x[rows, first, 1] = x[rows, second, 1] = 1.0
    y = x[rows, first, 0] + x[rows, second, 0]
    return Sequences(x, y[:, None])


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """Fresh sequences for every batch, and two sets that are held."""

    def make(rng: np.random.Generator, n: int) -> Sequences:
        return draw(rng, n, options.length)

    return TaskData(
        train=Drawn(make, EPOCH, options.length),
        validation=make(np.random.default_rng([VALIDATION_SEED, options.length]), HELD),
        test=make(np.random.default_rng([TEST_SEED, options.length]), HELD),
        goal=Goal("last", "values", "mse"),
        n_in=2,
        labels=("sum",),
        facts={
            "protocol": "adding problem as in the LEM authors' code: one marker in each half",
            "length": options.length,
            "sequences": {"train": "drawn for every batch", "validation": HELD, "test": HELD},
            "mse_of_always_1": ALWAYS_ONE,
        },
    )


def as_long(recipe: TaskRecipe, options: Options) -> TaskRecipe:
    """The recipe with the memory of an LMU's last layer as long as the sequence."""
    *below, last = recipe.layers
    if last.get("cell", recipe.cell) == "lmu":
        last = {**last, "theta": float(options.length)}
    return replace(recipe, layers=(*below, last))


def _recipe(cell: str, *layers: dict[str, Any], **own: Any) -> TaskRecipe:
    values = {"epochs": 300, "batch": 50, "learning_rate": 2.6e-3}
    return TaskRecipe(cell, layers, **{**values, **own})


SUM = {"n_units": 32, "order": 16, "theta": 2000.0, "memory_d": 8}
"""A memory without feedback that sums what the layer below makes of each step."""

PICK = {
    "n_units": 32,
    "order": 1,
    "theta": 1.0,
    "input_to_hidden": True,
    "activation": "relu",
}
"""Its hidden state picks the marked values, which a linear memory cannot: below zero, where it
starts, the unmarked steps leave nothing that the sum would have to cancel."""

SMALL = {
    "epochs": 50,
    "batch": 32,
    "learning_rate": 8e-3,
    "schedule": "cosine",
    "clip_norm": 1.0,
}
"""7,800 steps."""

TASK = Task(
    name="adding",
    summary="say the sum of two marked numbers of a long sequence",
    source="Hochreiter & Schmidhuber 1997; protocol of the code of Rusch et al. 2022",
    load=load,
    recipes={
        "lem": _recipe("lem", {"n_units": 128, "dt": 0.0242}),
        "lmu": _recipe(
            "lmu",
            PICK,
            SUM,
            start={"b": -0.3},
            epochs=100,
            learning_rate=5e-3,
            schedule="cosine",
            clip_norm=1.0,
        ),
        "lstm": _recipe("lstm", {"n_units": 128}),
        "gru": _recipe("gru", {"n_units": 128}),
        # for two cores
        "lem-small": _recipe("lem", {"n_units": 48, "dt": 0.0242}, **SMALL),
        "lstm-small": _recipe("lstm", {"n_units": 48}, **SMALL),
    },
    Options=Options,
    adapt=as_long,
)
