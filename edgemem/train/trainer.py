"""The training run: a fused network, ``nengo_dl.Simulator.fit`` epoch by epoch, checkpoints."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import nengo_dl
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from edgemem.cells import Cell, Stack
from edgemem.data import Clips, DataSet
from edgemem.errors import DataError, TrainingError
from edgemem.ops import Array
from edgemem.quantize import Scheme
from edgemem.runtime.detector import pooled
from edgemem.train.batches import Batches
from edgemem.train.checkpoint import Checkpoint
from edgemem.train.further import unfold
from edgemem.train.fused import Fused, FusedStack
from edgemem.train.loss import window_entropy
from edgemem.train.network import FusedNetwork, fused_network
from edgemem.train.progress import Progress
from edgemem.train.recipes import Recipe
from edgemem.train.spiking_aware import RatePenalty

Labels = npt.NDArray[np.int64]

MEASURED = 4
"""Batches along which a network that goes on is measured first."""


class WarmCosine(tf.keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Linear rise to ``peak``, then half a cosine down to zero (Loshchilov & Hutter 2017).

    Parameters
    ----------
    peak : float
    warmup, total : int
        Lengths of the rise and of the whole, in batches.
    """

    def __init__(self, peak: float, warmup: int, total: int) -> None:
        self.peak, self.warmup, self.total = peak, warmup, total

    def __call__(self, step: Any) -> Any:
        t = tf.cast(step, tf.float32)
        rise = (t + 1.0) / max(1.0, float(self.warmup))
        share = (t - self.warmup) / max(1.0, float(self.total - self.warmup))
        fall = 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(share, 0.0, 1.0)))
        return self.peak * tf.minimum(rise, fall)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup": self.warmup, "total": self.total}


@dataclass(frozen=True)
class Result:
    """What a training run found.

    Parameters
    ----------
    cell : Cell
    params : dict
        Trained arrays of the epoch that was best on validation, and constants.
    history : tuple of mapping
        One row for each epoch.
    scheme : Scheme, optional
        Widths and formats that it was trained in.
    before : tuple of mapping
        The rows of an earlier part of the training, whose arrays these are no longer.
    """

    cell: Cell
    params: dict[str, Array]
    history: tuple[dict[str, float], ...]
    scheme: Scheme | None = None
    before: tuple[dict[str, float], ...] = ()

    @property
    def best(self) -> dict[str, float]:
        """The row of the epoch whose arrays these are."""
        return max(self.history, key=score)


def score(row: Mapping[str, float]) -> float:
    """By what epochs are compared: accuracy, less what the firing rates above target cost."""
    return row["validation_accuracy"] - row.get("rate_penalty", 0.0)


def fit(
    data: DataSet,
    recipe: Recipe,
    seed: int,
    checkpoint: Path,
    *,
    resume: bool = False,
    quiet: bool = False,
    run: dict[str, Any] | None = None,
) -> Result:
    """Train ``recipe`` on ``data``.

    Parameters
    ----------
    data : DataSet
        With training and validation clips.
    recipe : Recipe
    seed : int
    checkpoint : Path
        Written after every epoch.
    resume : bool
        Go on from ``checkpoint``; the result is that of an uninterrupted run.
    quiet : bool
        Show no progress.
    run : dict, optional
        What identifies the run besides recipe and seed.

    Raises
    ------
    DataError
        If there are too few clips, or clips that are too short.
    TrainingError
        If the loss is no longer a number, or the checkpoint belongs to another run.
    """
    identity = {**(run or {}), "recipe": recipe.to_dict(), "seed": seed}
    batches = Batches(data, recipe, seed)
    cell = recipe.stack(batches.frontend.n_features, len(data.labels))

    def layer() -> Fused:
        start = cell.init(np.random.default_rng([seed, 1]))
        return FusedStack(cell, start, batches.n_steps, recipe.batch, recipe.carry, seed)

    best, history = train(layer, batches, checkpoint, identity, resume=resume, quiet=quiet)
    return Result(cell, {**best, **cell.constants}, history)


def fit_further(
    stack: Stack,
    params: Mapping[str, Array],
    batches: Batches,
    checkpoint: Path,
    identity: Mapping[str, Any],
    *,
    resume: bool = False,
    quiet: bool = False,
) -> Result:
    """Train a network on in floats.

    Parameters
    ----------
    stack : Stack
    params : mapping
        Its trained arrays and constants.
    batches : Batches
        Of :meth:`Further.recipe <edgemem.train.last.LastPart.recipe>`; the first ones measure the
        statistics of batch normalisation.
    checkpoint, identity, resume, quiet
        As in :func:`train`.
    """

    def layer() -> Fused:
        recipe = batches.recipe
        first = [features for features, _ in islice(batches.epoch(0), MEASURED)]
        found = unfold(stack, params, np.concatenate(first))
        return FusedStack(
            stack,
            found.params,
            batches.n_steps,
            recipe.batch,
            recipe.carry,
            batches.seed,
            found.statistics,
        )

    best, history = train(layer, batches, checkpoint, identity, resume=resume, quiet=quiet)
    return Result(stack, {**best, **stack.constants}, history)


def train(
    make_layer: Callable[[], Fused],
    batches: Batches,
    checkpoint: Path,
    identity: Mapping[str, Any],
    *,
    resume: bool = False,
    quiet: bool = False,
    penalty: RatePenalty | None = None,
) -> tuple[dict[str, Array], tuple[dict[str, float], ...]]:
    """The arrays of the epoch that is best on validation, and a row for each epoch.

    Parameters
    ----------
    make_layer : callable
        Makes the network to train; not called if the checkpoint is of a run that is over.
    batches : Batches
    checkpoint : Path
    identity : mapping
        What the run is: only its own checkpoint is taken up.
    resume, quiet : bool
        As in :func:`fit`.
    penalty : RatePenalty, optional
        For a network that gives firing rates.
    """
    if not len(batches.data.validation):
        raise DataError("no validation clips, by which the best epoch is chosen")
    state = Checkpoint.load(checkpoint, identity) if resume else None
    if state is not None and state.epochs >= batches.recipe.epochs:
        return dict(state.best), tuple(dict(row) for row in state.history)
    network = fused_network(make_layer(), batches.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No GPU support detected")
        with nengo_dl.Simulator(
            network.network,
            minibatch_size=batches.recipe.batch,
            seed=batches.seed,
            progress_bar=False,
        ) as simulator:
            session = _Session(simulator, network, batches, penalty)
            session.compile()
            if state is not None:
                session.restore(state)
            session.train(checkpoint, identity, quiet)
    return session.best, tuple(session.history)


@dataclass
class _Session:
    """One simulator and its optimiser."""

    simulator: Any
    network: FusedNetwork
    batches: Batches
    penalty: RatePenalty | None = None
    best: dict[str, Array] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    def compile(self) -> None:
        recipe = self.batches.recipe
        steps = self.batches.n_batches
        optimizer = tf.keras.optimizers.AdamW(
            WarmCosine(recipe.learning_rate, round(recipe.warmup * steps), recipe.epochs * steps),
            weight_decay=recipe.weight_decay,
            clipnorm=recipe.clip_norm,
            jit_compile=False,
        )
        losses: dict[Any, Any] = {self.network.probe: window_entropy(self.batches)}
        weights = {self.network.probe: 1.0}
        if self.penalty is not None:
            losses[self.network.rates] = rate_excess
            weights[self.network.rates] = self.penalty.weight
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
        shapes = {str(i): tuple(v.shape) for i, v in enumerate(variables)}
        if shapes != {name: array.shape for name, array in state.variables.items()}:
            raise TrainingError(
                "the checkpoint was written by another version of edgemem or TensorFlow; "
                "go on with that one, or remove the checkpoint and start again"
            )
        for place, variable in enumerate(variables):
            variable.assign(state.variables[str(place)])
        self.best = {name: np.asarray(a) for name, a in state.best.items()}
        self.history = [dict(row) for row in state.history]

    def train(self, checkpoint: Path, identity: Mapping[str, Any], quiet: bool) -> None:
        recipe = self.batches.recipe
        progress = Progress(recipe.epochs, self.batches.n_batches, recipe.batch, quiet)
        for epoch in range(len(self.history), recipe.epochs):
            began = time.monotonic()
            loss = self._epoch(epoch, progress)
            self.network.layer.settle()
            found = self._validate(epoch)
            seconds = round(time.monotonic() - began, 3)
            row = {"epoch": epoch + 1, "loss": loss, **found, "seconds": seconds}
            if score(row) > max(map(score, self.history), default=-math.inf):
                self.best = self.network.layer.trained()
            self.history.append(row)
            variables = {str(i): v.numpy() for i, v in enumerate(self.variables())}
            Checkpoint(identity, variables, self.best, tuple(self.history)).save(checkpoint)
            progress.epoch(self.history[-1])

    def _validate(self, epoch: int) -> dict[str, float]:
        """Accuracy on validation clips; of a network on spikes, also its rates."""
        clips = self.batches.data.validation
        logits, rates = self.predict(clips)
        if not np.isfinite(logits).all():
            raise _diverged("the outputs are no finite numbers", epoch)
        row = {"validation_accuracy": float((logits.argmax(axis=1) == clips.labels).mean())}
        if rates is not None and self.penalty is not None:
            row["rate"] = float(rates.mean())
            row["rate_penalty"] = self.penalty.of(rates)
        return row

    def _epoch(self, epoch: int, progress: Progress) -> float:
        def show(batch: int, logs: dict[str, float]) -> None:
            if not math.isfinite(logs["loss"]):
                raise _diverged(f"the loss became {logs['loss']}", epoch)
            progress.step(epoch, batch, logs["loss"])

        watch = tf.keras.callbacks.LambdaCallback(on_batch_end=show)
        history = self.simulator.fit(
            self._feed(epoch),
            steps_per_epoch=self.batches.n_batches,
            epochs=1,
            verbose=0,
            callbacks=[watch],
        )
        return float(history.history["loss"][0])

    def _feed(self, epoch: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        once = np.ones((self.batches.recipe.batch, 1), np.int32)
        for features, labels in self.batches.epoch(epoch):
            inputs = features.reshape(len(features), 1, -1)
            wanted = {"output": labels.reshape(-1, 1, 1)}
            if self.penalty is not None:
                wanted["rates"] = np.full((len(labels), 1, 1), self.penalty.target)
            yield {"input": inputs, "n_steps": once}, wanted

    def predict(self, clips: Clips) -> tuple[Array, Array | None]:
        """Mean logits over the window, shape (n, n_labels), and rates, shape (n, n_rates)."""
        batch, n_steps = self.batches.recipe.batch, self.batches.n_steps
        frames = np.asarray(clips.features, np.float32)
        features = self.batches.frontend.stack_frames(frames).reshape(len(frames), 1, -1)
        missing = -len(features) % batch
        padded = np.concatenate([features, np.zeros((missing, *features.shape[1:]), np.float32)])
        found = self.simulator.predict(padded, verbose=0)
        steps = found[self.network.probe].reshape(len(padded), n_steps, -1)[: len(features)]
        logits = pooled(steps, self.batches.window)
        if self.network.rates is None:
            return logits, None
        return logits, found[self.network.rates][: len(features), 0]


def rate_excess(target: Any, rates: Any) -> Any:
    """What :meth:`~edgemem.train.spiking_aware.RatePenalty.excess` is, of a batch.

    Parameters
    ----------
    target : (batch, 1, 1) tensor
        The target rate.
    rates : (batch, 1, n_rates) tensor
    """
    mean = tf.reduce_mean(rates, axis=[0, 1])
    return tf.reduce_mean(tf.nn.relu(mean - tf.cast(tf.reduce_mean(target), mean.dtype)))


def _diverged(what: str, epoch: int) -> TrainingError:
    return TrainingError(
        f"{what} in epoch {epoch + 1}; start again with a lower --learning-rate, or look for "
        "features that are no finite numbers"
    )
