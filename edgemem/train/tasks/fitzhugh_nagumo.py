"""FitzHugh-Nagumo: the next value of a neuron's voltage, which moves on two time scales."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgemem.data.ode import runge_kutta
from edgemem.errors import UnknownNameError
from edgemem.train.tasks.base import Goal, Sequences, Shuffled, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

Values = npt.NDArray[np.float64]

CURRENT, A, B, EPSILON = 0.5, 0.7, 0.8, 0.02
DURATION = 400.0
N_STEPS = 1000
WITHIN = 10
"""Steps of the integration from one point to the next: the error stays below 1e-6."""

SIZES = {"train": 128, "validation": 128, "test": 1024}
SEED = 1234
"""The three sets are the same for every run; a run's seed decides its start and its order."""

SOLVERS = ("exact", "published")


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    solver : {"exact", "published"}
        ``published`` solves the equations as the authors' code does, by scipy's ``solve_ivp`` at
        its default tolerances, which are off by 0.03 to 0.05 in ``v`` (root mean square).
    """

    solver: Literal["exact", "published"] = field(
        default="exact", metadata={"help": "The equations' solution, or the authors' coarser one."}
    )

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise UnknownNameError("solver", self.solver, SOLVERS)


def rate(x: Values) -> Values:
    """The equations (FitzHugh 1955; constants of the code of Rusch et al. 2022).

    Parameters
    ----------
    x : (..., 2) array
        Voltage ``v`` and recovery ``w``.

    Returns
    -------
    (..., 2) array
        ``dv/dt = v - v^3 / 3 - w + I`` and ``dw/dt = epsilon (v + a - b w)``.
    """
    v, w = x[..., 0], x[..., 1]
    return np.stack((v - v * v * v / 3.0 - w + CURRENT, EPSILON * (v + A - B * w)), axis=-1)


def voltages(start: Values, solver: str = "exact") -> Values:
    """``v`` over 1,000 steps of 0.4 each, from the voltages ``start`` and ``w = 0``.

    Parameters
    ----------
    start : (n,) array
    solver : {"exact", "published"}

    Returns
    -------
    (n, 1001) array
    """
    if solver == "published":
        return np.stack([_published(v) for v in start])
    both = np.stack((start, np.zeros_like(start)), axis=-1)
    return runge_kutta(rate, both, DURATION / N_STEPS, N_STEPS, WITHIN)[..., 0].T


def _published(start: float) -> Values:
    from scipy.integrate import solve_ivp

    times = np.linspace(0.0, DURATION, N_STEPS + 1)
    solution = solve_ivp(lambda _, x: rate(x), (0.0, DURATION), [start, 0.0], t_eval=times)
    return np.asarray(solution.y[0], np.float64)


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """Voltages from starts drawn from [-1, 1); wanted is the voltage a step later."""
    rng = np.random.default_rng(SEED)
    sets = {}
    for split, n in SIZES.items():
        v = voltages(rng.uniform(-1.0, 1.0, n), options.solver).astype(np.float32)[..., None]
        sets[split] = Sequences(v[:, :-1], v[:, 1:])
    x, y = sets["test"].x, sets["test"].y
    return TaskData(
        train=Shuffled(sets["train"]),
        validation=sets["validation"],
        test=sets["test"],
        goal=Goal("steps", "values", "rmse"),
        n_in=1,
        labels=("v",),
        facts={
            "protocol": "FitzHugh-Nagumo as in the LEM authors' code: v one step ahead",
            "solver": options.solver,
            "dt": DURATION / N_STEPS,
            "sequences": dict(SIZES),
            "rmse_of_no_change": float(np.sqrt(np.mean((x - y) ** 2))),
        },
    )


def _recipe(cell: str, **values: Any) -> TaskRecipe:
    return TaskRecipe(
        cell,
        (values,),
        epochs=250,
        batch=8,
        learning_rate=0.012,
        schedule="cosine",
        clip_norm=1.0,
    )


TASK = Task(
    name="fitzhugh-nagumo",
    summary="predict the voltage of a FitzHugh-Nagumo neuron one step ahead",
    source="Rusch et al. 2022, sec. 5, and the authors' code",
    load=load,
    recipes={
        "lem": _recipe("lem", n_units=16, dt=1.0),
        "lmu": _recipe(
            "lmu",
            n_units=24,
            order=8,
            theta=16.0,
            input_to_hidden=True,
            hidden_to_hidden=True,
            hidden_to_memory=True,
            memory_to_memory=True,
        ),
        "lstm": _recipe("lstm", n_units=16),
        "gru": _recipe("gru", n_units=18),
        # as in the authors' code
        "lem-paper": TaskRecipe(
            "lem",
            ({"n_units": 16, "dt": 1.0},),
            epochs=400,
            batch=32,
            learning_rate=9.04e-3,
        ),
    },
    Options=Options,
    forecasts=True,
)
