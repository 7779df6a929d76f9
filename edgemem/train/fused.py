"""The fused form: a network over a whole sequence in one simulator step of NengoDL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.cells import Cell, Norm, Stack
from edgemem.cells.stack import scope
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.ops import Array
from edgemem.train.further import EPSILON
from edgemem.train.sequence import unroll

Tensor = Any

MOMENTUM = 0.99
"""Share of the old moving statistics that each batch keeps."""


@dataclass(frozen=True)
class Passed:
    """What a sequence left behind on its way through a network.

    Parameters
    ----------
    y : (batch, n_steps, n_out) tensor
    states : mapping of tensor
        After the last step.
    rates : (batch, n_rates) tensor, optional
        Mean firing rates, in a form that runs on spikes.
    """

    y: Tensor
    states: Mapping[str, Tensor] = field(default_factory=dict)
    rates: Tensor | None = None


class Fused(tf.keras.layers.Layer):  # type: ignore[misc]
    """A network scanned over a sequence, as a Keras layer for a NengoDL ``TensorNode``.

    While it trains, a share of the sequences starts from the states that another sequence ended
    with, as on continuous sound.

    Parameters
    ----------
    cell : Cell
    params : mapping
        Trained arrays to start from.
    n_steps : int
        Length of the sequences.
    batch : int
        Sequences in a batch.
    carry : float
        Share of the training sequences that start from carried-over states.
    seed : int
        Of the choice which ones do.

    Attributes
    ----------
    width, n_read : int
        Numbers that a step of the input has, and steps whose outputs are given.
    """

    def __init__(
        self,
        cell: Cell,
        params: Mapping[str, Array],
        n_steps: int,
        batch: int,
        carry: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(name="fused")
        self.cell = cell
        self.n_steps = self.n_read = n_steps
        self.width = cell.n_in
        self.batch = batch
        self.carry = carry
        self.seed = seed
        self.states = dict(cell.states)
        self._initial = {name: np.asarray(params[name], np.float32) for name in cell.params}
        self.arrays: dict[str, Any] = {}
        self.carried: dict[str, Any] = {}

    def build(self, input_shape: Any) -> None:
        for name, value in self._initial.items():
            self.arrays[name] = self.variable(name, value, True)
        self.build_more()
        for name, shape in self.states.items():
            start = np.zeros((self.batch, *shape))
            self.carried[name] = self.variable(name + ".carried", start, False)
        self.batches = self.add_weight(
            "batches", (), "int64", tf.constant_initializer(0), trainable=False
        )
        self.built = True

    def build_more(self) -> None:
        """Variables of a form's own."""

    def variable(self, name: str, value: npt.NDArray[Any], trainable: bool) -> Any:
        """A float32 variable that starts as ``value``."""
        start = tf.constant_initializer(value)
        return self.add_weight(name, value.shape, "float32", start, trainable=trainable)

    n_rates = 0
    """Firing rates that stand behind the outputs."""

    @property
    def size_out(self) -> int:
        """Numbers that a sequence gives: outputs, step after step, and rates."""
        return self.n_read * self.cell.n_out + self.n_rates

    def settle(self) -> None:
        """Measure again what training moves and gradients do not; called between epochs."""

    def through(self, x: Tensor, start: Mapping[str, Tensor], training: bool) -> Passed:
        """A sequence through the network, from states before its first step."""
        raise NotImplementedError

    def trained(self) -> dict[str, Array]:
        """The trained arrays as a model holds them."""
        raise NotImplementedError

    # there is no Python that depends on a tensor, and to look for some takes seconds
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def call(self, inputs: Tensor, training: Any = None) -> Tensor:
        if training is None or isinstance(training, (bool, int)):
            return self._run(inputs, bool(training))
        return tf.cond(
            tf.cast(training, tf.bool),
            lambda: self._run(inputs, True),
            lambda: self._run(inputs, False),
        )

    def _run(self, inputs: Tensor, training: bool) -> Tensor:
        x = tf.reshape(inputs, [self.batch, self.n_steps, self.width])
        passed = self.through(x, self._start(training), training)
        if training:
            for name, value in passed.states.items():
                self.carried[name].assign(tf.stop_gradient(value))
            self.batches.assign_add(1)
        y = tf.reshape(passed.y, [self.batch, self.n_read * self.cell.n_out])
        return y if passed.rates is None else tf.concat([y, passed.rates], axis=1)

    def _start(self, training: bool) -> dict[str, Tensor]:
        zero = {n: tf.zeros((self.batch, *s)) for n, s in self.states.items()}
        if not training or self.carry <= 0.0:
            return zero
        # stateless, so that a resumed run draws what the uninterrupted one would have drawn
        seed = tf.stack([tf.cast(self.seed, tf.int64), self.batches])
        kept = tf.random.stateless_uniform([self.batch], seed) < self.carry
        return {
            name: tf.where(
                tf.reshape(kept, [self.batch] + [1] * (len(value.shape) - 1)),
                tf.convert_to_tensor(self.carried[name]),
                value,
            )
            for name, value in zero.items()
        }


class FusedStack(Fused):
    """The form for training in floats: cell by cell.

    While it trains, a :class:`~edgemem.cells.Norm` is batch normalisation over batch and time.

    Parameters
    ----------
    stack : Stack
    params, n_steps, batch, carry, seed
        See :class:`Fused`.
    statistics : mapping, optional
        Moving means and variances to start from, as :func:`~edgemem.train.further.unfold` finds
        them; without, 0 and 1.
    """

    def __init__(
        self,
        stack: Stack,
        params: Mapping[str, Array],
        n_steps: int,
        batch: int,
        carry: float = 0.0,
        seed: int = 0,
        statistics: Mapping[str, Array] | None = None,
    ) -> None:
        super().__init__(stack, params, n_steps, batch, carry, seed)
        self.stack = stack
        self._first = dict(statistics or {})
        self._compiled = {prefix: _compiled(cell) for prefix, cell in stack.scopes()}
        self.statistics: dict[str, Any] = {}

    def build_more(self) -> None:
        for prefix, cell in self.stack.scopes():
            if isinstance(cell, Norm):
                mean, variance = np.zeros(cell.n_in), np.full(cell.n_in, 1.0 - EPSILON)
                for name, value in (("mean", mean), ("variance", variance)):
                    key = prefix + name
                    first = np.asarray(self._first.get(key, value), np.float32)
                    self.statistics[key] = self.variable(key, first, False)

    def through(self, x: Tensor, start: Mapping[str, Tensor], training: bool) -> Passed:
        after: dict[str, Tensor] = {}
        for prefix, cell in self.stack.scopes():
            if isinstance(cell, Norm):
                x = self._normalise(prefix, x, training)
                continue
            arrays = {n: tf.convert_to_tensor(v) for n, v in scope(self.arrays, prefix).items()}
            x, states = self._compiled[prefix](arrays, x, scope(start, prefix))
            after.update({prefix + name: value for name, value in states.items()})
        return Passed(x, after)

    def _normalise(self, prefix: str, x: Tensor, training: bool) -> Tensor:
        statistics = scope(self.statistics, prefix)
        arrays = [self.arrays[prefix + "gain"], self.arrays[prefix + "offset"]]
        fixed = None if training else [statistics["mean"], statistics["variance"]]
        y, moments = self._compiled[prefix](
            [tf.convert_to_tensor(a) for a in arrays],
            x,
            fixed if fixed is None else [tf.convert_to_tensor(a) for a in fixed],
        )
        if training:
            for variable, now in zip((statistics["mean"], statistics["variance"]), moments):
                variable.assign(MOMENTUM * variable + (1.0 - MOMENTUM) * tf.stop_gradient(now))
        return y

    def trained(self) -> dict[str, Array]:
        """The trained arrays, batch normalisation folded into each norm's gain and offset."""
        arrays = {name: np.asarray(v.numpy(), np.float64) for name, v in self.arrays.items()}
        for prefix, cell in self.stack.scopes():
            if isinstance(cell, Norm):
                mean = np.asarray(self.statistics[prefix + "mean"].numpy(), np.float64)
                variance = np.asarray(self.statistics[prefix + "variance"].numpy(), np.float64)
                arrays[prefix + "gain"] = arrays[prefix + "gain"] / np.sqrt(variance + EPSILON)
                arrays[prefix + "offset"] = (
                    arrays[prefix + "offset"] - arrays[prefix + "gain"] * mean
                )
        return arrays


def _compiled(cell: Cell) -> Any:
    """The cell over a sequence.

    Norms gain by XLA, which makes one pass of many; the products of other cells run at half their
    speed in it, and no loop may cross the border of what it compiles.
    """
    if isinstance(cell, Norm):
        return tf.function(_batch_norm(cell), jit_compile=True, autograph=False)
    graph = trace(cell, {name: np.zeros(shape) for name, shape in cell.params.items()})
    return partial(unroll, graph)


def _batch_norm(cell: Norm) -> Any:
    graph = trace(cell, {name: np.zeros(shape) for name, shape in cell.params.items()})

    def run(arrays: list[Tensor], x: Tensor, statistics: list[Tensor] | None) -> Any:
        mean, variance = statistics or tf.nn.moments(x, axes=[0, 1])
        # y = gain (x - mean) / sqrt(variance + eps) + offset, as one gain and one offset
        gain = arrays[0] * tf.math.rsqrt(variance + EPSILON)
        folded = {"gain": gain, "offset": arrays[1] - gain * mean}
        return unroll(graph, folded, x, {})[0], [mean, variance]

    return run
