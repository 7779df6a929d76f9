"""Decoding delays: what a signal was at some times within a window of chosen length and order."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemem.errors import ConfigError
from edgemem.train.tasks.base import Task, TaskData
from edgemem.train.tasks.capacity import make_data, with_memory
from edgemem.train.tasks.recipe import TaskRecipe


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    window : int
        Steps of the window; the longest delay.
    order : int
        Coefficients of an LMU's memory.
    frequency : float
        Cut-off of the signal, in periods a window. The memory's error is of the order
        ``frequency / order`` (Voelker et al. 2019, sec. 2).
    delays : int
        How many are wanted, evenly spaced from none to a window.
    """

    window: int = field(default=100, metadata={"help": "Steps of the window."})
    order: int = field(default=12, metadata={"help": "Coefficients of an LMU's memory."})
    frequency: float = field(
        default=3.0, metadata={"help": "Cut-off of the signal, in periods a window."}
    )
    delays: int = field(default=5, metadata={"help": "Delays wanted, from none to a window."})

    def __post_init__(self) -> None:
        if self.order < 1:
            raise ConfigError(f"order must be 1 or more (got {self.order})")
        if self.delays < 2:
            raise ConfigError(f"delays must be 2 or more (got {self.delays})")
        if self.window < self.delays:
            raise ConfigError(
                f"window must be {self.delays} steps or more, one for each delay "
                f"(got {self.window})"
            )
        if not 0.4 <= self.frequency <= 0.5 * self.window:
            raise ConfigError(
                f"frequency must lie between one period a signal, 0.4, and one in two steps, "
                f"{0.5 * self.window:g} (got {self.frequency:g})"
            )


SEQUENCES = 500
"""Signals; half of them are the test, a tenth is for validation."""


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """Signals of two and a half windows; wanted is each delay once a window has passed."""
    facts = {"protocol": "delays within a window, edgemem's own protocol", "order": options.order}
    return make_data(options.window, options.frequency, SEQUENCES, options.delays, facts)


def as_asked(recipe: TaskRecipe, options: Options) -> TaskRecipe:
    """The recipe with memories of the window's length and of that order."""
    return with_memory(recipe, theta=options.window - 0.5, order=options.order)


def _recipe(cell: str, **layer: Any) -> TaskRecipe:
    return TaskRecipe(
        cell,
        (layer,),
        epochs=100,
        batch=20,
        learning_rate=1e-2,
        schedule="cosine",
        clip_norm=1.0,
    )


TASK = Task(
    name="delay",
    summary="say what a signal was at some times of the last window",
    source="Voelker et al. 2019, sec. 2 and 3; edgemem's own protocol",
    load=load,
    recipes={
        # the memory is all that a linear read-out needs; what is trained is the read-out
        "lmu": _recipe("lmu", n_units=32, order=12, theta=99.5, activation="linear"),
        "lem": _recipe("lem", n_units=32, dt=1.0),
        "lstm": _recipe("lstm", n_units=32),
        "gru": _recipe("gru", n_units=37),
    },
    Options=Options,
    adapt=as_asked,
)
