"""The mean of weights over epochs (Izmailov et al. 2018, stochastic weight averaging)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf


class WeightAverage:
    """A running mean of variables.

    Parameters
    ----------
    live : sequence of tf.Variable
        What is averaged.

    Attributes
    ----------
    variables : list of tf.Variable
        The means and how many epochs they hold: what a checkpoint must keep.
    """

    def __init__(self, live: Sequence[Any]) -> None:
        self._live = list(live)
        self._means = [tf.Variable(tf.zeros_like(v), trainable=False) for v in self._live]
        self._count = tf.Variable(0.0, trainable=False)
        self.variables = [*self._means, self._count]

    def update(self) -> None:
        """Take the present values into the mean: ``mean += (value - mean) / count``."""
        self._count.assign_add(1.0)
        for mean, value in zip(self._means, self._live):
            mean.assign_add((value - mean) / self._count)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The means stand where the live values are, for the time of a ``with`` block."""
        kept = [v.numpy() for v in self._live]
        for value, mean in zip(self._live, self._means):
            value.assign(mean)
        try:
            yield
        finally:
            for value, before in zip(self._live, kept):
                value.assign(before)
