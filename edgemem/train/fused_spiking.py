"""The fused form that trains on the counts of spikes that a network will run on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgemem.cells import Cell
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.ops import Array
from edgemem.quantize.prepare import absorbed
from edgemem.quantize.rounding import sources
from edgemem.spiking.network import SpikingNetwork, prepare
from edgemem.train.batches import Batches, Frames
from edgemem.train.fused import Fused, Passed
from edgemem.train.keywords import KeywordLesson, Result
from edgemem.train.spikes import amplitude_of, inverse_of, on_spikes, rate_of, wanted_of
from edgemem.train.spiking_aware import SpikingAware
from edgemem.train.trainer import train
from edgemem.train.whole import FusedGraph

Tensor = Any


EPSILON = 1e-6
"""Least size of a unit's values that is told from nothing, in shares of its amplitude."""


class FusedSpiking(FusedGraph):
    """A network as it runs on spikes, over a sequence, with its firing rates.

    Amplitudes are those of a conversion; :meth:`settle` measures them anew.

    Parameters
    ----------
    cell : Cell
        Without norms.
    params : mapping
        Trained arrays to start from, and constants.
    sequences : (n, t, n_in) float32 array
        Along which amplitudes are measured.
    aware : SpikingAware
        Its steps and code.
    n_steps, batch, carry, seed
        See :class:`~edgemem.train.fused.Fused`.
    """

    def __init__(
        self,
        cell: Cell,
        params: Mapping[str, Array],
        sequences: Frames,
        aware: SpikingAware,
        n_steps: int,
        batch: int,
        carry: float = 0.0,
        seed: int = 0,
    ) -> None:
        network = prepared(cell, params, sequences, aware)
        shown = [name for p in network.populations for name in (wanted_of(p), rate_of(p))]
        graph = on_spikes(network)
        super().__init__(cell, params, graph, sources(cell), n_steps, batch, carry, seed, shown)
        self.populations = network.populations
        self.n_rates = sum(p.size for p in network.populations)
        self.amplitudes: dict[str, Any] = {}
        self._first = {name: np.asarray(a) for name, a in network.amplitudes.items()}
        self._aware, self._params, self._sequences = aware, dict(params), sequences

    def build_more(self) -> None:
        for name, value in self._first.items():
            self.amplitudes[name] = self.variable(f"{name}.amplitude", value, False)

    def settle(self) -> None:
        """Amplitudes as a conversion of the present arrays will find them."""
        params = {**self._params, **self.trained()}
        network = prepared(self.cell, params, self._sequences, self._aware)
        for name, value in network.amplitudes.items():
            self.amplitudes[name].assign(value)

    def through(self, x: Tensor, start: Mapping[str, Tensor], training: bool) -> Passed:
        held = {p: tf.convert_to_tensor(self.amplitudes[p.name]) for p in self.populations}
        more = {amplitude_of(p): value for p, value in held.items()}
        more.update({inverse_of(p): 1.0 / value for p, value in held.items()})
        y, after, shown = self.over_sequence(x, start, more)
        wanted = {p: shown[wanted_of(p)] for p in self.populations}
        sent = [shown[rate_of(p)] for p in self.populations]
        return Passed(y, after, _rates(sent, list(wanted.values())))


def prepared(
    cell: Cell, params: Mapping[str, Array], sequences: Frames, aware: SpikingAware
) -> SpikingNetwork:
    """The network on spikes, as a conversion makes it."""
    return prepare(trace(cell, params), sequences, steps=aware.steps, code=aware.code)


@tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
def _rates(sent: list[Tensor], wanted: list[Tensor]) -> Tensor:
    return tf.concat([mean_rates(s, w) for s, w in zip(sent, wanted)], axis=1)


def mean_rates(sent: Tensor, wanted: Tensor) -> Tensor:
    """Mean rates of units, (batch, n_units), whose gradient does not see the size of the values.

    A conversion measures amplitudes anew: if all values of a unit shrink together, it sends as
    many spikes as before. The gradient of a rate is therefore made that of
    ``mean |w| / rms(w)`` (a measure of sparseness, Hurley & Rickard 2009), with ``w`` what a window
    should send; no common factor of all ``w`` changes it.

    Parameters
    ----------
    sent, wanted : (batch, n_steps, ...) tensor
        Rates of a unit's windows, rounded to spikes and before.
    """
    sent, wanted = (tf.reshape(a, [*a.shape[:2], -1]) for a in (sent, wanted))
    size = tf.sqrt(tf.reduce_mean(wanted**2, axis=[0, 1]) + EPSILON**2)
    smooth = tf.reduce_mean(tf.abs(wanted), axis=1) * (tf.stop_gradient(size) / size)
    return smooth + tf.stop_gradient(tf.reduce_mean(tf.abs(sent), axis=1) - smooth)


def fit_spiking(
    cell: Cell,
    params: Mapping[str, Array],
    sequences: Frames,
    batches: Batches,
    aware: SpikingAware,
    checkpoint: Path,
    identity: Mapping[str, Any],
    *,
    resume: bool = False,
    quiet: bool = False,
) -> Result:
    """Train a network on in the form that will run on spikes.

    Parameters
    ----------
    cell : Cell
    params : mapping
        Its trained arrays and constants.
    sequences : (n, t, n_in) float32 array
        Along which amplitudes are measured, anew after every epoch.
    batches : Batches
        Of :meth:`SpikingAware.recipe`.
    aware : SpikingAware
    checkpoint, identity, resume, quiet
        As in :func:`~edgemem.train.trainer.train`.
    """
    network = absorbed(cell, params)

    def layer() -> Fused:
        recipe = batches.recipe
        return FusedSpiking(
            network.cell,
            network.params,
            sequences,
            aware,
            batches.n_steps,
            recipe.batch,
            recipe.carry,
            batches.seed,
        )

    lesson = KeywordLesson(batches, aware.penalty)
    found = train(layer, lesson, checkpoint, identity, resume=resume, quiet=quiet)
    return Result(network.cell, {**network.params, **found.arrays}, found.history)
