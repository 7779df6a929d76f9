"""The training run: a fused network, ``nengo_dl.Simulator.fit`` epoch by epoch, checkpoints."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgemem.errors import TrainingError
from edgemem.frameworks import nengo_dl, tf
from edgemem.ops import Array
from edgemem.train.checkpoint import Checkpoint, check_arrays
from edgemem.train.fused import Fused
from edgemem.train.network import FusedNetwork, fused_network
from edgemem.train.progress import Progress

Row = dict[str, float]


class Lesson(Protocol):
    """What a network is trained on and judged by.

    Attributes
    ----------
    seed, batch, epochs, n_batches : int
        Seed of all that is drawn, sequences in a batch, epochs, batches in an epoch.
    """

    @property
    def seed(self) -> int: ...

    @property
    def batch(self) -> int: ...

    @property
    def epochs(self) -> int: ...

    @property
    def n_batches(self) -> int: ...

    def optimizer(self) -> Any:
        """A fresh Keras optimiser."""

    def losses(self, network: FusedNetwork) -> tuple[dict[Any, Any], dict[Any, float]]:
        """What is brought down, and its weight, for each probe."""

    def feed(self, epoch: int) -> Iterator[tuple[npt.NDArray[Any], dict[str, npt.NDArray[Any]]]]:
        """Batches of an epoch, from 0: sequences (batch, ...), and targets by label of a probe."""

    def judge(self, simulator: Any, network: FusedNetwork, epoch: int) -> Row:
        """What an epoch, from 0, came to on validation data.

        Raises
        ------
        TrainingError
            If the outputs are no finite numbers.
        """

    def score(self, row: Mapping[str, float]) -> float:
        """By what epochs are compared; more is better."""

    def told(self, row: Mapping[str, float]) -> str:
        """What a person reads of :meth:`judge`."""


@dataclass(frozen=True)
class Trained:
    """What a training run found.

    Parameters
    ----------
    arrays : mapping
        Of the epoch that was best on validation data.
    history : tuple of mapping
        A row for each epoch.
    """

    arrays: dict[str, Array]
    history: tuple[Row, ...]


Watch = Callable[[Row], None]
"""Told the row of each epoch as soon as it is kept; what it raises ends the run."""


def train(
    make_layer: Callable[[], Fused],
    lesson: Lesson,
    checkpoint: Path,
    identity: Mapping[str, Any],
    *,
    resume: bool = False,
    quiet: bool = False,
    watch: Watch | None = None,
) -> Trained:
    """Train a network.

    Parameters
    ----------
    make_layer : callable
        Makes the network to train; not called if the checkpoint is of a run that is over.
    lesson : Lesson
    checkpoint : Path
        Written after every epoch.
    identity : mapping
        What the run is: only its own checkpoint is taken up.
    resume : bool
        Go on from ``checkpoint``; the result is that of an uninterrupted run.
    quiet : bool
        Show no progress.
    watch : callable, optional
        Told each epoch's row.

    Raises
    ------
    TrainingError
        If the loss is no longer a number, or the checkpoint belongs to another run.
    """
    state = _loaded(checkpoint, identity, lesson) if resume else None
    if state is not None and state.epochs >= lesson.epochs:
        return Trained(dict(state.best), tuple(dict(row) for row in state.history))
    with simulated(make_layer(), lesson.batch, lesson.seed) as (simulator, network):
        session = _Session(simulator, network, lesson)
        session.compile()
        if state is not None:
            session.restore(state)
        session.train(checkpoint, identity, quiet, watch)
    return Trained(session.best, tuple(session.history))


def _loaded(path: Path, identity: Mapping[str, Any], lesson: Lesson) -> Checkpoint:
    """The checkpoint of a run, whose history is one of this lesson."""
    state = Checkpoint.load(path, identity)
    try:
        for row in state.history:
            lesson.score(row)
    except KeyError as error:
        raise TrainingError(
            f"{path} is damaged: its history lacks {error}; remove it and start again"
        ) from error
    return state


@contextmanager
def simulated(layer: Fused, batch: int, seed: int) -> Iterator[tuple[Any, FusedNetwork]]:
    """A NengoDL simulator of the fused form, and its network."""
    network = fused_network(layer, seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No GPU support detected")
        with nengo_dl.Simulator(
            network.network, minibatch_size=batch, seed=seed, progress_bar=False
        ) as simulator:
            yield simulator, network


@dataclass
class _Session:
    """One simulator and its optimiser."""

    simulator: Any
    network: FusedNetwork
    lesson: Lesson
    best: dict[str, Array] = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)

    def compile(self) -> None:
        losses, weights = self.lesson.losses(self.network)
        optimizer = self.lesson.optimizer()
        self.simulator.compile(optimizer=optimizer, loss=losses, loss_weights=weights)
        optimizer.build(self.simulator.keras_model.trainable_variables)

    def variables(self) -> list[Any]:
        """Every number that training changes, in a fixed order."""
        model = self.simulator.keras_model
        ours = [*self.network.layer.weights]
        known = {id(v) for v in ours}
        others = [v for v in model.weights if id(v) not in known]
        return [*ours, *others, *model.optimizer.variables]

    def restore(self, state: Checkpoint) -> None:
        """Put everything back as it was after the epoch of a checkpoint."""
        variables = self.variables()
        kinds = {str(i): (tuple(v.shape), v.dtype.name) for i, v in enumerate(variables)}
        there = {name: (array.shape, str(array.dtype)) for name, array in state.variables.items()}
        if kinds != there:
            raise TrainingError(
                "the checkpoint was written by another version of edgemem or TensorFlow; "
                "go on with that one, or remove the checkpoint and start again"
            )
        check_arrays(state.best, {n: a.shape for n, a in self.network.layer.trained().items()})
        for place, variable in enumerate(variables):
            variable.assign(state.variables[str(place)])
        self.best = {name: np.asarray(a) for name, a in state.best.items()}
        self.history = [dict(row) for row in state.history]

    def train(
        self, checkpoint: Path, identity: Mapping[str, Any], quiet: bool, watch: Watch | None
    ) -> None:
        lesson = self.lesson
        progress = Progress(lesson.epochs, lesson.n_batches, lesson.batch, quiet)
        for epoch in range(len(self.history), lesson.epochs):
            began = time.monotonic()
            loss = self._epoch(epoch, progress)
            self.network.layer.settle()
            found = lesson.judge(self.simulator, self.network, epoch)
            seconds = round(time.monotonic() - began, 3)
            row = {"epoch": epoch + 1, "loss": loss, **found, "seconds": seconds}
            self.history.append(row)
            if best_row(self.history, lesson) is row:
                self.best = self.network.layer.trained()
            variables = {str(i): v.numpy() for i, v in enumerate(self.variables())}
            Checkpoint(identity, variables, self.best, tuple(self.history)).save(checkpoint)
            progress.epoch(row, lesson.told(row))
            if watch is not None:
                watch(row)

    def _epoch(self, epoch: int, progress: Progress) -> float:
        def show(batch: int, logs: dict[str, float]) -> None:
            if not math.isfinite(logs["loss"]):
                raise diverged(f"the loss became {logs['loss']}", epoch)
            progress.step(epoch, batch, logs["loss"])

        watch = tf.keras.callbacks.LambdaCallback(on_batch_end=show)
        history = self.simulator.fit(
            self._feed(epoch),
            steps_per_epoch=self.lesson.n_batches,
            epochs=1,
            verbose=0,
            callbacks=[watch],
        )
        return float(history.history["loss"][0])

    def _feed(self, epoch: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        once = np.ones((self.lesson.batch, 1), np.int32)
        for x, targets in self.lesson.feed(epoch):
            inputs = np.asarray(x, np.float32).reshape(len(x), 1, -1)
            wanted = {name: y.reshape(len(y), 1, -1) for name, y in targets.items()}
            yield {"input": inputs, "n_steps": once}, wanted


def best_row(history: Sequence[Mapping[str, float]], lesson: Lesson) -> Mapping[str, float]:
    """The row of the epoch whose arrays were kept."""
    return best_by(history, lesson.score)


def best_by(
    history: Sequence[Mapping[str, float]], score: Callable[[Mapping[str, float]], float]
) -> Mapping[str, float]:
    """The row with the best score; among equals the one with the least loss, on validation data
    where it was measured, and then the first."""

    def standing(row: Mapping[str, float]) -> tuple[float, float]:
        return score(row), -row.get("validation_loss", row["loss"])

    return max(history, key=standing)


def diverged(what: str, epoch: int) -> TrainingError:
    """The error for training that went astray in ``epoch``, from 0."""
    return TrainingError(
        f"{what} in epoch {epoch + 1}; start again with a lower --learning-rate, or look for "
        "features that are no finite numbers"
    )
