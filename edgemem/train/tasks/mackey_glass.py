"""Mackey-Glass: a chaotic series, some steps ahead."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError
from edgemem.train.tasks.base import Drawn, Goal, Sequences, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

Values = npt.NDArray[np.float64]

N_STEPS = 5000
N_SERIES = 128
"""Of the published notebook; the first half is trained on, the second half is the test."""

N_VALIDATION = 32
SEED, VALIDATION_SEED = 0, 1
WITHIN = 10
"""Steps of the integration from one point to the next."""

WASHOUT = 100
"""Points that are left out, before the first."""

BEGINNINGS = 0.25
"""Share of the pieces that begin where a series begins: those first steps are unlike any later
ones, since the series start from like histories, and they count in the test."""


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    ahead : int
        How many steps later the value is that is wanted.
    tau : int
        Delay of the equation: 17 is mildly chaotic, 30 more so.
    piece : int
        Steps of the pieces that are trained on, a quarter of them cut from the beginnings of
        series, the others anywhere; validation and test are whole series of 5,000 steps.
    """

    ahead: int = field(default=15, metadata={"help": "Steps until the value wanted."})
    tau: int = field(default=17, metadata={"help": "Delay of the equation."})
    piece: int = field(
        default=500, metadata={"help": "Steps of a training piece; 5000 for whole series."}
    )

    def __post_init__(self) -> None:
        for name in ("ahead", "tau", "piece"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"mackey-glass: {name} must be 1 or more (got {getattr(self, name)})"
                )
        if self.piece > N_STEPS:
            raise ConfigError(
                f"mackey-glass: piece must be at most {N_STEPS}, a whole series (got {self.piece})"
            )


def series(n: int, n_steps: int, tau: int, seed: int) -> Values:
    """Series of the Mackey-Glass equation (Mackey & Glass 1977).

    ``dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t)`` by Euler steps of 0.1, one point
    in ten kept. The first series begins at 1.2 and every other where the one before it ended, each
    with a history drawn uniformly from [1.1, 1.3): so does the generator of Voelker et al. 2019,
    whose series these are.

    Parameters
    ----------
    n : int
    n_steps : int
        Points of each.
    tau : int
    seed : int

    Returns
    -------
    (n, n_steps) array
    """
    delay = tau * WITHIN
    histories = 1.2 + 0.2 * (np.random.RandomState(seed).random_sample((n, delay)) - 0.5)
    value, found = 1.2, np.empty((n, n_steps))
    for place, history in enumerate(histories):
        path = history.tolist()
        for step in range(n_steps * WITHIN):
            late = path[step]
            path.append(value)
            value += (0.2 * late / (1.0 + late**10) - 0.1 * value) / WITHIN
        # a point is the value after ten steps; the last one is not in the path yet
        found[place] = [*path[delay + WITHIN :: WITHIN], value]
    return found


def squashed(n: int, n_steps: int, tau: int, seed: int) -> Values:
    """``tanh(x - 1)`` of series, as the notebook has it, without the first points."""
    made = series(n, n_steps + WASHOUT, tau, seed)[:, WASHOUT:]
    return np.asarray(np.tanh(made - 1.0), np.float64)


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """Series minus their mean; wanted is the value ``ahead`` steps later."""
    n_points = N_STEPS + options.ahead
    made = squashed(N_SERIES, n_points, options.tau, SEED)
    mean = float(made.mean())
    held = squashed(N_VALIDATION, n_points, options.tau, VALIDATION_SEED)
    half = N_SERIES // 2
    train, test, validation = (
        (part - mean).astype(np.float32)[..., None] for part in (made[:half], made[half:], held)
    )

    def pieces(rng: np.random.Generator, n: int) -> Sequences:
        rows = rng.integers(0, half, n)[:, None]
        starts = rng.integers(0, N_STEPS - options.piece + 1, n)
        starts[rng.random(n) < BEGINNINGS] = 0
        steps = starts[:, None] + np.arange(options.piece)
        return Sequences(train[rows, steps], train[rows, steps + options.ahead])

    whole = _ahead(test, options.ahead)
    return TaskData(
        Drawn(pieces, half * (N_STEPS // options.piece), options.piece),
        _ahead(validation, options.ahead),
        whole,
        Goal("steps", "values", "nrmse"),
        n_in=1,
        labels=("x",),
        facts={
            "protocol": "Mackey-Glass of the LMU authors' notebook, with what comes as its target",
            "ahead": options.ahead,
            "tau": options.tau,
            "piece": options.piece,
            "beginnings": BEGINNINGS,
            "series": {"train": half, "validation": N_VALIDATION, "test": half},
            "mean": mean,
            "nrmse_of_no_change": float(np.sqrt(((whole.x - whole.y) ** 2).sum()))
            / float(np.sqrt((whole.y**2).sum())),
        },
    )


def _ahead(values: npt.NDArray[np.float32], ahead: int) -> Sequences:
    return Sequences(values[:, :-ahead], values[:, ahead:])


def _lmu(n_units: int) -> dict[str, Any]:
    """The cell of the paper, with a bias, as the corrected notebook has it."""
    return {
        "cell": "lmu",
        "n_units": n_units,
        "order": 4,
        "theta": 4.0,
        "hidden_to_memory": True,
        "memory_to_memory": True,
        "input_to_hidden": True,
        "hidden_to_hidden": True,
    }


def _recipe(cell: str, *layers: dict[str, Any]) -> TaskRecipe:
    return TaskRecipe(
        cell,
        layers,
        epochs=200,
        batch=32,
        learning_rate=5e-3,
        schedule="cosine",
        clip_norm=1.0,
    )


TASK = Task(
    name="mackey-glass",
    summary="predict a chaotic Mackey-Glass series 15 steps ahead",
    source="Voelker et al. 2019, sec. 4.3, in the direction of their branch fix-mackey-glass",
    load=load,
    recipes={
        "lmu": _recipe("lmu", *[_lmu(49)] * 4),
        "lem": _recipe("lem", *[{"n_units": 25, "dt": 1.0}] * 4),
        "lstm": _recipe("lstm", *[{"n_units": 25}] * 4),
        "gru": _recipe("gru", *[{"n_units": 29}] * 4),
        "hybrid": _recipe("lmu", *[_lmu(40), {"cell": "lstm", "n_units": 25}] * 2),
    },
    Options=Options,
    forecasts=True,
)
