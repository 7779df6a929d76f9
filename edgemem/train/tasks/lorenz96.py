"""Lorenz-96: a small model of the weather, some steps ahead."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.data.ode import runge_kutta
from edgemem.errors import ConfigError
from edgemem.train.tasks.base import Goal, Sequences, Shuffled, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

Values = npt.NDArray[np.float64]

N_PLACES = 5
DT = 0.01
WITHIN = 4
"""Steps of the integration from one point to the next."""

SPIN_UP = 2000
"""Points that are left out, until the start is forgotten."""

SIZES = {"train": 128, "validation": 128, "test": 512}
SEED = 96
"""The three sets are the same for every run; a run's seed decides its start and its order."""


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    forcing : float
        ``F``: at 8 the system is chaotic, at 0.9 it swings regularly.
    ahead : int
        How many steps of 0.01 later the state is that is wanted.
    length : int
        Steps of a sequence.
    """

    forcing: float = field(default=8.0, metadata={"help": "F; 8 is chaotic, 0.9 is regular."})
    ahead: int = field(default=25, metadata={"help": "Steps of 0.01 until the state wanted."})
    length: int = field(default=2000, metadata={"help": "Steps of a sequence."})

    def __post_init__(self) -> None:
        for name in ("ahead", "length"):
            if getattr(self, name) < 1:
                raise ConfigError(f"lorenz96: {name} must be 1 or more (got {getattr(self, name)})")
        if not 0.0 < self.forcing <= 20.0:
            raise ConfigError(f"lorenz96: forcing must lie in (0, 20] (got {self.forcing})")


def rate(x: Values, forcing: float) -> Values:
    """The equations (Lorenz 1996), whose places lie on a ring.

    Parameters
    ----------
    x : (..., n_places) array
    forcing : float

    Returns
    -------
    (..., n_places) array
        ``dx_j/dt = (x_{j+1} - x_{j-2}) x_{j-1} - x_j + F``.
    """
    n = x.shape[-1]
    # two places before the first, and one behind the last
    ring = np.concatenate((x[..., -2:], x, x[..., :1]), axis=-1)
    after, second, before = ring[..., 3:], ring[..., :n], ring[..., 1 : n + 1]
    return np.asarray((after - second) * before - x + forcing)


def states(start: Values, n_steps: int, forcing: float) -> Values:
    """The states from ``start`` on, 0.01 apart.

    Parameters
    ----------
    start : (n, n_places) array
    n_steps : int
    forcing : float

    Returns
    -------
    (n, n_steps + 1, n_places) array
    """
    path = runge_kutta(lambda x: rate(x, forcing), start, DT, n_steps, WITHIN)
    return path.transpose(1, 0, 2)


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """States from random starts; wanted is the state ``ahead`` steps later."""
    n_steps = options.length + options.ahead
    rng = np.random.default_rng(SEED)
    start = options.forcing + rng.uniform(-0.5, 0.5, (sum(SIZES.values()), N_PLACES))
    path = states(start, SPIN_UP + n_steps - 1, options.forcing)[:, SPIN_UP:]
    cuts = np.cumsum(list(SIZES.values()))[:-1]
    parts = dict(zip(SIZES, np.split(path, cuts)))
    mean, deviation = float(parts["train"].mean()), float(parts["train"].std())
    sets = {}
    for split, part in parts.items():
        scaled = ((part - mean) / deviation).astype(np.float32)
        sets[split] = Sequences(scaled[:, : options.length], scaled[:, options.ahead :])
    test = sets["test"]
    return TaskData(
        train=Shuffled(sets["train"]),
        validation=sets["validation"],
        test=test,
        goal=Goal("steps", "values", "nrmse"),
        n_in=N_PLACES,
        labels=tuple(f"x{place}" for place in range(N_PLACES)),
        facts={
            "protocol": "Lorenz-96 on 5 places, edgemem's own protocol",
            "forcing": options.forcing,
            "dt": DT,
            "ahead": options.ahead,
            "length": options.length,
            "sequences": dict(SIZES),
            "mean": mean,
            "deviation": deviation,
            "nrmse_of_no_change": _no_change(test),
        },
    )


def _no_change(test: Sequences) -> float:
    return float(np.sqrt(np.mean((test.x - test.y) ** 2) / np.mean(test.y**2)))


def _recipe(cell: str, *layers: dict[str, Any]) -> TaskRecipe:
    return TaskRecipe(
        cell, layers, epochs=100, batch=32, learning_rate=5e-3, schedule="cosine", clip_norm=1.0
    )


TASK = Task(
    name="lorenz96",
    summary="predict the state of a Lorenz-96 system some steps ahead",
    source="Lorenz 1996; task of Rusch et al. 2022, with a protocol of edgemem's own",
    load=load,
    recipes={
        "lem": _recipe("lem", {"n_units": 64, "dt": 1.0}),
        "lmu": _recipe(
            "lmu",
            {
                "n_units": 64,
                "order": 8,
                "theta": 32.0,
                "memory_d": 5,
                "input_to_hidden": True,
                "hidden_to_hidden": True,
                "hidden_to_memory": True,
            },
        ),
        "lstm": _recipe("lstm", {"n_units": 64}),
        "gru": _recipe("gru", {"n_units": 74}),
    },
    Options=Options,
    forecasts=True,
)
