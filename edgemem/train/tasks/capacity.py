"""Memory capacity: what a signal was up to a window ago."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.cells.lmu import legendre_window
from edgemem.data.signals import delayed, white_signals
from edgemem.errors import ConfigError
from edgemem.train.tasks.base import Goal, Sequences, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

Values = npt.NDArray[Any]

N_DELAYS = 5
LENGTH = 2.5
"""Of a sequence, in windows."""

SEED = 0
"""The signals are the same for every run; a run's seed decides its start and its order."""


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    delay : int
        Steps of the window; 100 to 100,000 in the paper.
    frequency : float
        Cut-off of the signal, in periods a window.
    sequences : int
        Half of them are the test; a fifth of the rest is for validation.
    """

    delay: int = field(default=1000, metadata={"help": "Steps of the window."})
    frequency: float = field(
        default=10.0, metadata={"help": "Cut-off of the signal, in periods a window."}
    )
    sequences: int = field(default=200, metadata={"help": "Signals; half of them are the test."})

    def __post_init__(self) -> None:
        if self.delay < N_DELAYS:
            raise ConfigError(f"delay must be {N_DELAYS} or more (got {self.delay})")
        if self.sequences < 10:
            raise ConfigError(f"sequences must be 10 or more (got {self.sequences})")
        if not 0.4 <= self.frequency <= 0.5 * self.delay:
            raise ConfigError(
                f"frequency must lie between one period a signal, 0.4, and one in two steps, "
                f"{0.5 * self.delay:g} (got {self.frequency:g})"
            )


@dataclass(frozen=True)
class DelayedSignals(Sequences):
    """Signals (n, n_steps, 1) whose delayed forms are made when they are taken."""

    delays: npt.NDArray[np.int64] = field(kw_only=True)

    def take(self, chosen: npt.NDArray[np.int64]) -> Sequences:
        x = self.x[chosen]
        return Sequences(x, delayed(x[..., 0], self.delays))


@dataclass(frozen=True)
class DelayedTraining:
    """The same signals in every epoch, in an order of its own."""

    signals: DelayedSignals
    carried = False
    ragged = False

    @property
    def n(self) -> int:
        return len(self.signals)

    @property
    def n_steps(self) -> int:
        return self.signals.n_steps

    def epoch(self, rng: np.random.Generator, batch: int) -> Iterator[Sequences]:
        order = rng.permutation(self.n)
        for start in range(0, self.n - batch + 1, batch):
            yield self.signals.take(order[start : start + batch])


def make_data(
    window: int, frequency: float, sequences: int, n_delays: int, facts: Mapping[str, Any]
) -> TaskData:
    """Signals with their delayed forms, from now to a window ago."""
    n_steps = int(LENGTH * window + 1e-7)
    x = white_signals(sequences, n_steps, 1.0 / window, frequency, SEED).astype(np.float32)
    delays = np.linspace(0, window, n_delays, dtype=np.int64)
    n_test = sequences - sequences // 2
    n_train = round(0.8 * (sequences - n_test))
    parts = np.split(x[..., None], [n_train, sequences - n_test])
    train, validation, test = (DelayedSignals(part, part, delays=delays) for part in parts)
    return TaskData(
        DelayedTraining(train),
        validation,
        test,
        Goal("steps", "values", "mse"),
        n_in=1,
        labels=tuple(f"u(t - {delay})" for delay in delays),
        facts={
            **facts,
            "window": window,
            "frequency": frequency,
            "delays": delays.tolist(),
            "steps": n_steps,
            "sequences": {"train": n_train, "validation": len(validation), "test": n_test},
            "counted": f"steps from {window} on",
        },
    )


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """The signals of the published notebook."""
    facts = {"protocol": "capacity task of the LMU authors' notebook"}
    return make_data(options.delay, options.frequency, options.sequences, N_DELAYS, facts)


def as_long(recipe: TaskRecipe, options: Options) -> TaskRecipe:
    """The recipe with memories of the window's length.

    Half a step less: a held sample lies half a step in the past on average.
    """
    return with_memory(recipe, theta=options.delay - 0.5)


def with_memory(recipe: TaskRecipe, **values: float) -> TaskRecipe:
    """The recipe with hyper-parameters of its LMUs replaced."""
    layers = tuple(
        {**layer, **values} if layer.get("cell", recipe.cell) == "lmu" else layer
        for layer in recipe.layers
    )
    return replace(recipe, layers=layers)


def decoded(stack: Any, options: Options, arrays: dict[str, Values]) -> dict[str, Values]:
    """Arrays that read the delays out of the memory of a linear LMU, without any training.

    ``u(t - r theta) = sum_i P_i(r) m_i(t)`` (Voelker et al. 2019, eq. 3). Other networks start
    from what they are given.
    """
    cell, head = stack.cells[0], stack.cells[-1]
    linear = getattr(cell, "activation", "") == "linear" and cell.n_out == head.n_out
    if len(stack.cells) != 2 or not linear:
        return arrays
    window = legendre_window(cell.order, np.linspace(0.0, 1.0, N_DELAYS))
    return {
        **arrays,
        "0.lmu.e_x": np.ones_like(arrays["0.lmu.e_x"]),
        "0.lmu.W_m": window,
        "0.lmu.b": np.zeros(N_DELAYS),
        "1.dense.W": np.eye(N_DELAYS),
        "1.dense.b": np.zeros(N_DELAYS),
    }


def _trained(cell: str, **layer: float) -> TaskRecipe:
    return TaskRecipe(
        cell,
        ({"n_units": 100, **layer},),
        epochs=500,
        batch=40,
        learning_rate=3e-3,
        schedule="cosine",
        clip_norm=1.0,
    )


UNTRAINED: dict[str, Any] = {
    "n_units": N_DELAYS,
    "order": 100,
    "theta": 999.5,
    "activation": "linear",
}

TASK = Task(
    name="capacity",
    summary="say what a signal was at five times up to a window ago",
    source="Voelker et al. 2019, sec. 4.1, and the authors' notebook",
    load=load,
    recipes={
        "lmu": TaskRecipe("lmu", (UNTRAINED,), epochs=0, batch=20),
        "lem": _trained("lem", dt=0.1),
        "lstm": _trained("lstm"),
        "gru": _trained("gru"),
    },
    Options=Options,
    start=decoded,
    adapt=as_long,
)
