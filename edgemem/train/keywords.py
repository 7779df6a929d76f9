"""Keyword spotters: what they are trained on and judged by, and training them in floats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.cells import Cell, Stack
from edgemem.data import DataSet
from edgemem.errors import DataError
from edgemem.frameworks import tf
from edgemem.ops import Array
from edgemem.quantize import Scheme
from edgemem.runtime.detector import pooled, softmax
from edgemem.train.batches import Batches
from edgemem.train.checkpoint import check_arrays
from edgemem.train.further import unfold
from edgemem.train.fused import Fused, FusedStack
from edgemem.train.loss import window_entropy
from edgemem.train.network import FusedNetwork
from edgemem.train.recipes import Recipe
from edgemem.train.schedules import WarmCosine
from edgemem.train.spiking_aware import RatePenalty
from edgemem.train.trainer import Row, best_by, diverged, train

# Probability of the right label that counts as none; its logarithm is finite.
_LEAST = 1e-30

MEASURED = 4
"""Batches along which a network that goes on is measured first."""


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
        return dict(best_by(self.history, score))


def score(row: Mapping[str, float]) -> float:
    """By what epochs are compared: accuracy, less what the firing rates above target cost."""
    return row["validation_accuracy"] - row.get("rate_penalty", 0.0)


@dataclass(frozen=True)
class KeywordLesson:
    """A :class:`~edgemem.train.trainer.Lesson` of keyword clips.

    Parameters
    ----------
    batches : Batches
    penalty : RatePenalty, optional
        For a network that gives firing rates.

    Raises
    ------
    DataError
        If there are no validation clips.
    """

    batches: Batches
    penalty: RatePenalty | None = None

    def __post_init__(self) -> None:
        if not len(self.batches.data.validation):
            raise DataError("no validation clips, by which the best epoch is chosen")

    @property
    def seed(self) -> int:
        return self.batches.seed

    @property
    def batch(self) -> int:
        return self.batches.recipe.batch

    @property
    def epochs(self) -> int:
        return self.batches.recipe.epochs

    @property
    def n_batches(self) -> int:
        return self.batches.n_batches

    def optimizer(self) -> Any:
        recipe, steps = self.batches.recipe, self.n_batches
        return tf.keras.optimizers.AdamW(
            WarmCosine(recipe.learning_rate, round(recipe.warmup * steps), recipe.epochs * steps),
            weight_decay=recipe.weight_decay,
            clipnorm=recipe.clip_norm,
            jit_compile=False,
        )

    def losses(self, network: FusedNetwork) -> tuple[dict[Any, Any], dict[Any, float]]:
        losses: dict[Any, Any] = {network.probe: window_entropy(self.batches)}
        weights = {network.probe: 1.0}
        if self.penalty is not None:
            losses[network.rates] = rate_excess
            weights[network.rates] = self.penalty.weight
        return losses, weights

    def feed(self, epoch: int) -> Iterator[tuple[npt.NDArray[Any], dict[str, npt.NDArray[Any]]]]:
        for features, labels in self.batches.epoch(epoch):
            wanted: dict[str, npt.NDArray[Any]] = {"output": labels}
            if self.penalty is not None:
                wanted["rates"] = np.full(len(labels), self.penalty.target)
            yield features, wanted

    def judge(self, simulator: Any, network: FusedNetwork, epoch: int) -> Row:
        """Accuracy and cross-entropy on validation clips; of spiking networks also their rates."""
        clips = self.batches.data.validation
        frames = self.batches.frontend.stack_frames(np.asarray(clips.features, np.float32))
        flat = frames.reshape(len(frames), 1, -1)
        missing = -len(flat) % self.batch
        padded = np.concatenate([flat, np.zeros((missing, *flat.shape[1:]), np.float32)])
        found = simulator.predict(padded, verbose=0)
        steps = found[network.probe].reshape(len(padded), self.batches.n_steps, -1)
        logits = pooled(steps[: len(frames)], self.batches.window)
        if not np.isfinite(logits).all():
            raise diverged("the outputs are no finite numbers", epoch)
        right = softmax(logits.astype(np.float64))[np.arange(len(frames)), clips.labels]
        row = {
            "validation_accuracy": float((logits.argmax(axis=1) == clips.labels).mean()),
            "validation_loss": float(-np.log(np.maximum(right, _LEAST)).mean()),
        }
        if self.penalty is not None:
            rates = found[network.rates][: len(frames), 0]
            row["rate"] = float(rates.mean())
            row["rate_penalty"] = self.penalty.of(rates)
        return row

    def score(self, row: Mapping[str, float]) -> float:
        return score(row)

    def told(self, row: Mapping[str, float]) -> str:
        rate = f"  mean rate {row['rate']:.3f}" if "rate" in row else ""
        return f"validation accuracy {row['validation_accuracy']:.2%}{rate}"


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

    lesson = KeywordLesson(batches)
    found = train(layer, lesson, checkpoint, identity, resume=resume, quiet=quiet)
    check_arrays(found.arrays, cell.params)
    return Result(cell, {**found.arrays, **cell.constants}, found.history)


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

    lesson = KeywordLesson(batches)
    made = train(layer, lesson, checkpoint, identity, resume=resume, quiet=quiet)
    check_arrays(made.arrays, stack.params)
    return Result(stack, {**made.arrays, **stack.constants}, made.history)


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
