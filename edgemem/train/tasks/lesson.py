"""A task as something that a network is trained on and judged by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.errors import DataError
from edgemem.frameworks import tf
from edgemem.train.fused_task import Reading
from edgemem.train.network import FusedNetwork
from edgemem.train.schedules import WarmCosine, WarmStep
from edgemem.train.tasks.base import Goal, Sequences, TaskData
from edgemem.train.tasks.metrics import METRICS, Metric
from edgemem.train.tasks.recipe import TaskRecipe
from edgemem.train.trainer import Row, diverged

Values = npt.NDArray[Any]

ORDER = 5
"""Joined to a run's seed for what an epoch draws."""

PIECE = 32_000_000
"""Outputs that are held at a time while a split is measured."""


@dataclass(frozen=True)
class TaskLesson:
    """A :class:`~edgemem.train.trainer.Lesson` of a task's sequences.

    Parameters
    ----------
    data : TaskData
    recipe : TaskRecipe
    seed : int

    Raises
    ------
    DataError
        If the sequences do not fill a batch, or there are none for validation.
    """

    data: TaskData
    recipe: TaskRecipe
    seed: int

    def __post_init__(self) -> None:
        if not len(self.data.validation):
            raise DataError("no validation sequences, by which the best epoch is chosen")
        if self.recipe.epochs and self.n_batches < 1:
            raise DataError(
                f"{self.data.train.n} training sequences do not fill one batch of {self.batch}; "
                "give more data or a smaller --batch"
            )

    @property
    def batch(self) -> int:
        return self.recipe.batch

    @property
    def epochs(self) -> int:
        return self.recipe.epochs

    @property
    def n_batches(self) -> int:
        return self.data.train.n // self.batch

    @property
    def metric(self) -> Metric:
        """By what epochs are compared."""
        return METRICS[self.data.goal.metric]

    @property
    def column(self) -> str:
        """Name of the metric in the history."""
        return f"validation_{self.metric.name}"

    @property
    def reading(self) -> Reading:
        """How the network meets the sequences."""
        return Reading(
            last=self.data.goal.read == "last",
            ragged=self.data.train.ragged,
            symbols=self.data.symbols,
            dropout=self.recipe.dropout,
        )

    def optimizer(self) -> Any:
        recipe = self.recipe
        limit = {"global_clipnorm": recipe.clip_norm} if recipe.clip_norm else {}
        options = {"learning_rate": self._schedule(), "jit_compile": False, **limit}
        if recipe.weight_decay:
            return tf.keras.optimizers.AdamW(weight_decay=recipe.weight_decay, **options)
        return tf.keras.optimizers.Adam(**options)

    def _schedule(self) -> Any:
        recipe, steps = self.recipe, self.n_batches
        warmup = round(recipe.warmup * steps)
        if recipe.schedule == "cosine":
            return WarmCosine(recipe.learning_rate, warmup, recipe.epochs * steps)
        drop = recipe.drop * steps if recipe.schedule == "step" else 0
        return WarmStep(recipe.learning_rate, warmup, drop)

    def losses(self, network: FusedNetwork) -> tuple[dict[Any, Any], dict[Any, float]]:
        loss = counted_loss(self.data.goal, self.data.n_out)
        return {network.probe: loss}, {network.probe: 1.0}

    def feed(self, epoch: int) -> Iterator[tuple[Values, dict[str, Values]]]:
        rng = np.random.default_rng([self.seed, ORDER, epoch])
        for sequences in self.data.train.epoch(rng, self.batch):
            yield inputs(sequences), {"output": sequences.y}

    def judge(self, simulator: Any, network: FusedNetwork, epoch: int) -> Row:
        """The metric on validation sequences."""
        return {self.column: self.measure(network.layer, self.data.validation, epoch)}

    def measure(self, layer: Any, sequences: Sequences, epoch: int = 0) -> float:
        """The metric of a network on a split.

        Raises
        ------
        TrainingError
            If the outputs are no finite numbers; it names ``epoch``, from 0.
        """
        sums: Any = 0.0
        for part, outputs in self._measured(layer, sequences):
            if not np.isfinite(outputs).all():
                raise diverged("the outputs are no finite numbers", epoch)
            sums = sums + self.metric.sums(outputs, part.y)
        return self.metric.finish(sums)

    def _measured(self, layer: Any, sequences: Sequences) -> Iterator[tuple[Sequences, Values]]:
        of_one = sequences.n_steps * max(self.data.n_out, self.data.n_in)
        step = self.batch * max(1, PIECE // (of_one * self.batch))
        for start in range(0, len(sequences), step):
            part = sequences.take(np.arange(start, min(start + step, len(sequences))))
            yield part, shaped(layer.outputs(inputs(part)), self.data.goal)

    def score(self, row: Mapping[str, float]) -> float:
        return -self.metric.cost(row[self.column])

    def told(self, row: Mapping[str, float]) -> str:
        return f"validation {self.metric.name} {self.metric.shown(row[self.column])}"


def inputs(sequences: Sequences) -> Values:
    """The sequences as a network takes them: (n, n_steps, width), NaN where they have ended."""
    x = np.asarray(sequences.x, np.float32)
    x = x[:, :, None] if x.ndim == 2 else x
    if sequences.lengths is None:
        return x
    there = np.arange(sequences.n_steps) < sequences.lengths[:, None]
    return np.where(there[:, :, None], x, np.float32(np.nan))


def shaped(outputs: Values, goal: Goal) -> Values:
    """Outputs (n, n_read, n_out) as targets are laid out."""
    return outputs[:, 0] if goal.read == "last" else outputs


def counted_loss(goal: Goal, n_out: int) -> Any:
    """Mean cross-entropy, or mean squared error, of the steps that count, as Keras takes it."""

    def classes(target: Any, output: Any) -> Any:
        wanted = tf.cast(tf.reshape(target, [-1]), tf.int32)
        logits = tf.reshape(output, [-1, n_out])
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(wanted, 0), logits)
        return _mean(each, wanted >= 0)

    def values(target: Any, output: Any) -> Any:
        wanted = tf.cast(tf.reshape(target, [-1, n_out]), tf.float32)
        counted = tf.logical_not(tf.math.is_nan(wanted))
        wanted = tf.where(counted, wanted, tf.zeros_like(wanted))
        return _mean((tf.reshape(output, [-1, n_out]) - wanted) ** 2, counted)

    return classes if goal.kind == "classes" else values


def _mean(each: Any, counted: Any) -> Any:
    share = tf.cast(counted, each.dtype)
    return tf.reduce_sum(each * share) / tf.maximum(tf.reduce_sum(share), 1.0)
