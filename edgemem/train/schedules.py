"""How the learning rate goes over a run."""

from __future__ import annotations

import math
from typing import Any

from edgemem.frameworks import tf


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
        share = (t - self.warmup) / max(1.0, float(self.total - self.warmup))
        fall = 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(share, 0.0, 1.0)))
        return self.peak * tf.minimum(_rise(t, self.warmup), fall)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup": self.warmup, "total": self.total}


class WarmStep(tf.keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Linear rise to ``peak``, then that rate, and a tenth of it after ``drop`` batches.

    Parameters
    ----------
    peak : float
    warmup : int
        Length of the rise, in batches.
    drop : int
        0 for no drop.
    """

    def __init__(self, peak: float, warmup: int, drop: int = 0) -> None:
        self.peak, self.warmup, self.drop = peak, warmup, drop

    def __call__(self, step: Any) -> Any:
        t = tf.cast(step, tf.float32)
        rate = self.peak * tf.minimum(_rise(t, self.warmup), 1.0)
        return rate if not self.drop else rate * tf.where(t < float(self.drop), 1.0, 0.1)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup": self.warmup, "drop": self.drop}


def _rise(t: Any, warmup: int) -> Any:
    return (t + 1.0) / max(1.0, float(warmup))
