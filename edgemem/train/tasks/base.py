"""What a task is: sequences, what is wanted of them, and how each cell is trained on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, DataError
from edgemem.train.tasks.metrics import METRICS
from edgemem.train.tasks.recipe import TaskRecipe

Values = npt.NDArray[Any]

UNCOUNTED = -1
"""The class at a step that does not count; a value that does not count is NaN."""


@dataclass(frozen=True)
class Sequences:
    """Sequences and what is wanted of each.

    Parameters
    ----------
    x : (n, n_steps, n_in) float32 array, or (n, n_steps) int64 array of symbols
        Shorter sequences are padded at their end; what stands there is not read.
    y : array
        Of goal ``classes``, int64: (n,) if read at the last step, (n, n_steps) if at every step,
        :data:`UNCOUNTED` where a step does not count. Of goal ``values``, float32: (n, n_out) or
        (n, n_steps, n_out), NaN where a step does not count.
    lengths : (n,) int64 array, optional
        Steps of each sequence; without, all have ``n_steps``.

    Raises
    ------
    DataError
        If the numbers of sequences differ, or a length lies outside of the padded length.
    """

    x: Values
    y: Values
    lengths: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise DataError(f"{len(self.x)} sequences with {len(self.y)} targets")
        if self.lengths is None:
            return
        if len(self.lengths) != len(self.x):
            raise DataError(f"{len(self.x)} sequences with {len(self.lengths)} lengths")
        if len(self.x) and not (1 <= self.lengths.min() <= self.lengths.max() <= self.n_steps):
            raise DataError(
                f"sequences of {self.lengths.min()} to {self.lengths.max()} steps, padded to "
                f"{self.n_steps}"
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def n_steps(self) -> int:
        """Steps of the longest sequence, to which all are padded."""
        return int(self.x.shape[1])

    def take(self, chosen: npt.NDArray[np.int64]) -> Sequences:
        """Those at the positions ``chosen``."""
        lengths = None if self.lengths is None else self.lengths[chosen]
        return Sequences(self.x[chosen], self.y[chosen], lengths)


@dataclass(frozen=True)
class Goal:
    """What is wanted of a network, and how it is measured.

    Parameters
    ----------
    read : {"last", "steps"}
        Whether the output of the last step alone counts, or that of every step.
    kind : {"classes", "values"}
        Classes are trained by cross-entropy, values by mean squared error.
    metric : str
        One of :data:`edgemem.train.tasks.metrics.METRICS`, by which epochs are compared and which
        is reported.
    """

    read: str
    kind: str
    metric: str

    def __post_init__(self) -> None:
        if self.read not in ("last", "steps") or self.kind not in ("classes", "values"):
            raise ConfigError(f"goal: cannot read {self.kind!r} at {self.read!r}")
        if self.metric not in METRICS:
            raise ConfigError(f"goal: unknown metric {self.metric!r}; known: {', '.join(METRICS)}")


class Training(Protocol):
    """Where the training sequences come from."""

    @property
    def n(self) -> int:
        """Sequences in an epoch."""

    @property
    def n_steps(self) -> int:
        """Steps of a sequence."""

    @property
    def carried(self) -> bool:
        """Whether a row of a batch goes on where that row of the batch before ended."""

    @property
    def ragged(self) -> bool:
        """Whether sequences have lengths of their own."""

    def epoch(self, rng: np.random.Generator, batch: int) -> Iterator[Sequences]:
        """Batches of ``batch`` sequences each; all that is drawn follows ``rng``."""


@dataclass(frozen=True)
class Shuffled:
    """The same sequences in every epoch, in an order of its own."""

    sequences: Sequences
    carried = False

    @property
    def n(self) -> int:
        return len(self.sequences)

    @property
    def n_steps(self) -> int:
        return self.sequences.n_steps

    @property
    def ragged(self) -> bool:
        return self.sequences.lengths is not None

    def epoch(self, rng: np.random.Generator, batch: int) -> Iterator[Sequences]:
        order = rng.permutation(self.n)
        for start in range(0, self.n - batch + 1, batch):
            yield self.sequences.take(order[start : start + batch])


@dataclass(frozen=True)
class Drawn:
    """Fresh sequences for every batch.

    Parameters
    ----------
    make : callable
        ``make(rng, n)`` draws ``n`` :class:`Sequences` without lengths.
    n : int
        Sequences in an epoch.
    n_steps : int
    """

    make: Callable[[np.random.Generator, int], Sequences]
    n: int
    n_steps: int
    carried = False
    ragged = False

    def epoch(self, rng: np.random.Generator, batch: int) -> Iterator[Sequences]:
        for _ in range(self.n // batch):
            yield self.make(rng, batch)


@dataclass(frozen=True)
class Stream:
    """One long run of symbols, in as many rows as a batch has, read piece by piece with its state.

    Parameters
    ----------
    symbols : (n,) int64 array
    n_steps : int
        Symbols that a batch takes of each row; the symbol after each is what is wanted.
    """

    symbols: npt.NDArray[np.int64]
    n_steps: int
    carried = True
    ragged = False

    @property
    def n(self) -> int:
        return (len(self.symbols) - 1) // self.n_steps

    def epoch(self, rng: np.random.Generator, batch: int) -> Iterator[Sequences]:
        # the rows begin elsewhere in every epoch, as the symbols that fill no whole row allow
        pieces = (len(self.symbols) - 1) // (batch * self.n_steps)
        width = pieces * self.n_steps
        first = int(rng.integers(0, len(self.symbols) - batch * width))
        x = self.symbols[first : first + batch * width].reshape(batch, width)
        y = self.symbols[first + 1 : first + 1 + batch * width].reshape(batch, width)
        for start in range(0, width, self.n_steps):
            piece = slice(start, start + self.n_steps)
            yield Sequences(x[:, piece], y[:, piece])


@dataclass(frozen=True)
class TaskData:
    """The data of a task, as one run sees them.

    Parameters
    ----------
    train : Training
    validation, test : Sequences
        By the first the best epoch is chosen; the second is read once, for the figure reported.
    goal : Goal
    n_in : int
        Numbers in a step, or the size of the alphabet.
    labels : tuple of str
        Names of the classes or of the values, one for each output.
    facts : mapping
        JSON values for the model's card: protocol, sizes, where the data came from, checksums.
    """

    train: Training
    validation: Sequences
    test: Sequences
    goal: Goal
    n_in: int
    labels: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def symbols(self) -> bool:
        """Whether a step is a symbol of an alphabet, which the network sees as one-hot vector."""
        return bool(np.issubdtype(self.validation.x.dtype, np.integer))

    @property
    def n_out(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class NoOptions:
    """Of a task without options of its own."""


Load = Callable[[Any, "Path | None", int], TaskData]


@dataclass(frozen=True)
class Task:
    """One task of ``edgemem train``: a module of this folder with its ``TASK``.

    Parameters
    ----------
    name : str
        As it is said on the command line.
    summary : str
        What a network must do: a verb and what follows, in one line.
    source : str
        Paper and section, or where the protocol is from.
    load : callable
        ``load(options, root, seed)`` gives :class:`TaskData`; ``root`` is what ``--data`` names.
    recipes : mapping
        By name; that of a cell is called like the cell, and ``lmu``, ``lem``, ``lstm``, ``gru``
        are there.
    Options : type
        A frozen dataclass whose fields (``bool``, ``int``, ``float``, ``str`` or ``Literal``, a
        default, ``metadata["help"]``) become options of the command line. It refuses what cannot
        work with :class:`~edgemem.errors.ConfigError`.
    data : str
        What ``--data`` must name, in a few words; empty if the task makes its own.
    start : callable, optional
        ``start(stack, options, arrays)`` gives the arrays that training starts from, in place of
        fresh ones, ``arrays``; a recipe of no epochs is measured with them as they are.
    adapt : callable, optional
        ``adapt(recipe, options)`` gives the recipe that fits the options, such as a memory as long
        as the delay that is asked for; what the user sets comes after it.
    forecasts : bool
        Whether what is wanted at a step comes in the sequence later: a network that reads it
        backwards as well would have seen it.
    """

    name: str
    summary: str
    source: str
    load: Load
    recipes: Mapping[str, TaskRecipe]
    Options: type = NoOptions
    data: str = ""
    start: Callable[[Any, Any, dict[str, Values]], dict[str, Values]] | None = None
    adapt: Callable[[TaskRecipe, Any], TaskRecipe] | None = None
    forecasts: bool = False
