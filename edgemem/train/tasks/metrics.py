"""By what networks are measured: sums over batches, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Sums = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A figure over a split, made of sums that add up from batch to batch.

    Parameters
    ----------
    name : str
    better : {"higher", "lower"}
    add : callable
        ``add(outputs, targets)``: the sums of a batch. Of classes, outputs are logits
        (..., n_labels) and targets (...); of values both are (..., n_out). What does not count is
        left out before.
    finish : callable
        The figure of the sums.
    percent : bool
        Whether people read it in per cent.
    """

    name: str
    better: str
    add: Callable[[Values, Values], Sums]
    finish: Callable[[Sums], float]
    percent: bool = False

    def of(self, outputs: Values, targets: Values) -> float:
        """The figure of one batch that is the whole split."""
        return self.finish(self.sums(outputs, targets))

    def sums(self, outputs: Values, targets: Values) -> Sums:
        """The sums of those that count: no class is negative, no value NaN."""
        if np.issubdtype(targets.dtype, np.integer):
            counted = targets >= 0
        else:
            counted = ~np.isnan(targets).any(axis=-1)
        return self.add(outputs[counted], targets[counted])

    def is_better(self, one: float, other: float) -> bool:
        """Whether ``one`` is better than ``other``; no figure is worse than any."""
        return self.cost(one) < self.cost(other)

    def cost(self, value: float) -> float:
        """The figure with a sign by which less is better; infinite where there is none."""
        if np.isnan(value):
            return float("inf")
        return -value if self.better == "higher" else value

    def shown(self, value: float) -> str:
        """The figure as people read it."""
        return f"{value:.2%}" if self.percent else f"{value:.4g}"


def _right(logits: Values, classes: Values) -> Sums:
    return np.array([(logits.argmax(axis=-1) == classes).sum(), classes.size], np.float64)


def _squares(outputs: Values, targets: Values) -> Sums:
    """Squared errors, squared targets, and how many."""
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    return np.array([((y - t) ** 2).sum(), (t**2).sum(), t.size])


def _surprise(logits: Values, classes: Values) -> Sums:
    """``-ln p`` of the classes, and how many."""
    z = logits.astype(np.float64)
    z = z - z.max(axis=-1, keepdims=True)
    of_class = np.take_along_axis(z, classes[..., None], axis=-1)[..., 0]
    return np.array([(np.log(np.exp(z).sum(axis=-1)) - of_class).sum(), classes.size])


def _mean(sums: Sums) -> float:
    return float(sums[0] / sums[-1]) if sums[-1] else float("nan")


_METRICS = (
    Metric("accuracy", "higher", _right, _mean, percent=True),
    Metric("mse", "lower", _squares, _mean),
    Metric("rmse", "lower", _squares, lambda s: float(np.sqrt(_mean(s)))),
    # root mean square of the error over that of the target
    Metric("nrmse", "lower", _squares, lambda s: float(np.sqrt(s[0] / s[1]))),
    Metric("bpc", "lower", _surprise, lambda s: _mean(s) / float(np.log(2.0))),
    Metric("perplexity", "lower", _surprise, lambda s: float(np.exp(_mean(s)))),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _METRICS}
"""accuracy; mean squared error, its root, and the root relative to the targets' root mean square;
bits per character; perplexity."""
