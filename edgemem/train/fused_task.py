"""The fused form of a task's network: read at the last step or at all, forwards or both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.cells import Bidirectional, Cell, Stack
from edgemem.cells.bidirectional import DIRECTIONS
from edgemem.cells.stack import scope
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.ir.passes.last_step import needed_at_every_step
from edgemem.ops import Array
from edgemem.train.checkpointing import checkpointed, checkpointed_last, steps_within
from edgemem.train.fused import Fused, Passed
from edgemem.train.sequence import unroll, unroll_last

Tensor = Any
Arrays = Mapping[str, Tensor]

DROPPED = 1
"""Added to a seed: what dropout draws is not what carrying states over draws."""


@dataclass(frozen=True)
class Reading:
    """How a network meets its sequences.

    Parameters
    ----------
    last : bool
        Whether its output at the last step is all that is read.
    ragged : bool
        Whether sequences end early: with steps that are NaN.
    symbols : bool
        Whether a step is one symbol, which the network gets as one-hot vector.
    dropout : float
        Share of the inputs that a training batch does not see.
    """

    last: bool = False
    ragged: bool = False
    symbols: bool = False
    dropout: float = 0.0


class FusedTask(Fused):
    """A network of recurrent layers under a dense one, for the sequences of a task.

    Parameters
    ----------
    stack : Stack
    params, n_steps, batch, carry, seed
        See :class:`~edgemem.train.fused.Fused`.
    reading : Reading
    """

    def __init__(
        self,
        stack: Stack,
        params: Mapping[str, Array],
        n_steps: int,
        batch: int,
        reading: Reading,
        carry: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(stack, params, n_steps, batch, carry, seed)
        self.stack = stack
        self.reading = reading
        self.n_read = 1 if reading.last else n_steps
        self.width = 1 if reading.symbols else stack.n_in
        self._outputs = tf.function(self._measured, autograph=False)
        scopes = list(stack.scopes())
        recurrent = [place for place, (_, cell) in enumerate(scopes) if cell.states]
        #: Layers up to this one see every step; those above see what is read.
        self._top = max(recurrent, default=0)
        self._runs = {
            prefix: _runner(cell, reading.last and place == self._top)
            for place, (prefix, cell) in enumerate(scopes)
        }

    def prepared(self, x: Tensor, training: bool) -> tuple[Tensor, Tensor | None]:
        """What the first layer sees, and how long each sequence is."""
        lengths = None
        if self.reading.ragged:
            there = tf.logical_not(tf.math.is_nan(x[:, :, 0]))
            lengths = tf.reduce_sum(tf.cast(there, tf.int32), axis=1)
            x = tf.where(there[:, :, None], x, tf.zeros_like(x))
        if self.reading.symbols:
            x = tf.one_hot(tf.cast(x[:, :, 0], tf.int32), self.stack.n_in)
        if training and self.reading.dropout:
            seed = tf.stack([tf.constant(self.seed + DROPPED, tf.int64), self.batches])
            kept = 1.0 - self.reading.dropout
            drawn = tf.random.stateless_uniform(tf.shape(x), seed) < kept
            x = tf.where(drawn, x / kept, tf.zeros_like(x))
        return x, lengths

    def through(self, x: Tensor, start: Mapping[str, Tensor], training: bool) -> Passed:
        x, lengths = self.prepared(x, training)
        after: dict[str, Tensor] = {}
        for prefix, _ in self.stack.scopes():
            arrays = {n: tf.convert_to_tensor(v) for n, v in scope(self.arrays, prefix).items()}
            x, states = self._runs[prefix](arrays, x, scope(start, prefix), lengths)
            after.update({prefix + name: value for name, value in states.items()})
        return Passed(x, after)

    def outputs(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """What the network gives for any number of sequences of any length.

        Parameters
        ----------
        x : (n, n_steps, width) float32 array

        Returns
        -------
        (n, n_read, n_out) array
            ``n_read`` is 1 or ``n_steps``.
        """
        parts = []
        for start in range(0, len(x), self.batch):
            part = np.asarray(x[start : start + self.batch], np.float32)
            missing = [(0, self.batch - len(part))] + [(0, 0)] * (part.ndim - 1)
            parts.append(self._outputs(tf.constant(np.pad(part, missing)))[: len(part)].numpy())
        return np.concatenate(parts)

    def _measured(self, x: Tensor) -> Tensor:
        zero = {n: tf.zeros((self.batch, *shape)) for n, shape in self.states.items()}
        return self.through(x, zero, False).y

    def trained(self) -> dict[str, Array]:
        return {name: np.asarray(v.numpy(), np.float64) for name, v in self.arrays.items()}


def _runner(cell: Cell, last: bool) -> Any:
    """``run(arrays, x, start, lengths)`` of one layer: outputs and states after.

    With ``last`` its outputs are (batch, 1, n_out), of the last step that a sequence has.
    """
    if isinstance(cell, Bidirectional):
        return partial(_both_ways, _runner(cell.cell, last), _runner(cell.cell, last), last)
    graph = trace(cell, {name: np.zeros(shape) for name, shape in cell.params.items()})
    every, final = (partial(read, graph) for read in (unroll, unroll_last))
    needed = needed_at_every_step(graph)

    def run(arrays: Arrays, x: Tensor, start: Arrays, lengths: Tensor | None) -> Any:
        if last and lengths is None:
            chunk = steps_within(graph, x.shape[0], x.shape[1], needed=needed)
            y, states = checkpointed_last(final, arrays, x, start, chunk)
            return y[:, None], states
        chunk = steps_within(graph, x.shape[0], x.shape[1])
        y, states = checkpointed(every, arrays, x, start, chunk)
        if last and lengths is not None:
            y = tf.gather(y, lengths - 1, axis=1, batch_dims=1)[:, None]
        return y, states

    return run


def _both_ways(
    forward: Any,
    backward: Any,
    last: bool,
    arrays: Arrays,
    x: Tensor,
    start: Arrays,
    lengths: Tensor | None,
) -> Any:
    """One layer in each direction; the last output of each has seen the whole sequence."""
    ahead, back = DIRECTIONS
    y, states = forward(scope(arrays, ahead), x, scope(start, ahead), lengths)
    turned = _turned(x, lengths)
    z, others = backward(scope(arrays, back), turned, scope(start, back), lengths)
    if not last:
        z = _turned(z, lengths)
    joined = {ahead + n: s for n, s in states.items()} | {back + n: s for n, s in others.items()}
    return tf.concat([y, z], axis=-1), joined


def _turned(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Sequences from their last step to their first; what pads them stays at the end."""
    if lengths is None:
        return tf.reverse(x, axis=[1])
    return tf.reverse_sequence(x, lengths, seq_axis=1)
