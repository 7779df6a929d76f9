"""The fused form that trains on the counts of spikes that a network will run on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from edgemem.cells import Cell
from edgemem.ir import trace
from edgemem.ops import Array
from edgemem.quantize.calibration import observe
from edgemem.quantize.prepare import absorbed
from edgemem.train.batches import Batches, Frames
from edgemem.train.fused import Fused, Passed
from edgemem.train.spikes import amplitudes, on_spikes, populations, stages
from edgemem.train.spiking_aware import SpikingAware
from edgemem.train.trainer import Result, train
from edgemem.train.whole import FusedGraph

Tensor = Any


class FusedSpiking(FusedGraph):
    """A network as it runs on spikes, over a sequence, with its firing rates.

    Parameters
    ----------
    cell : Cell
        Without norms.
    params : mapping
        Trained arrays to start from, and constants.
    window : int
        Most spikes of a unit in a frame.
    sequences : (n, t, n_in) float32 array
        Along which amplitudes are measured.
    n_steps, batch, carry, seed
        See :class:`~edgemem.train.fused.Fused`.
    """

    def __init__(
        self,
        cell: Cell,
        params: Mapping[str, Array],
        window: int,
        sequences: Frames,
        n_steps: int,
        batch: int,
        carry: float = 0.0,
        seed: int = 0,
    ) -> None:
        graph = trace(cell, params)
        travelling = populations(graph)
        super().__init__(
            cell,
            params,
            on_spikes(graph, travelling, window),
            {name: (name,) for name in set(graph.params) - graph.constants},
            n_steps,
            batch,
            carry,
            seed,
            [name for p in travelling for name in (p.name, p.counts)],
        )
        self.populations = travelling
        shapes = graph.shapes()
        self.n_rates = sum(int(np.prod(shapes[p.name])) for p in travelling)
        self.amplitudes: dict[str, Any] = {}
        self._graph, self._sequences = graph, sequences

    def build_more(self) -> None:
        for name, value in self._measured(self._graph.params).items():
            self.amplitudes[name] = self.variable(f"{name}.amplitude", np.asarray(value), False)

    def settle(self) -> None:
        """Amplitudes as a conversion of the present arrays will find them."""
        for name, value in self._measured({**self._graph.params, **self.trained()}).items():
            self.amplitudes[name].assign(value)

    def _measured(self, params: Mapping[str, Array]) -> dict[str, float]:
        observed = observe(self._graph.with_params(params), self._sequences)
        return amplitudes({name: seen.peaks for name, seen in observed.items()}, self.populations)

    def through(self, x: Tensor, start: Mapping[str, Tensor], training: bool) -> Passed:
        held = {p: tf.convert_to_tensor(self.amplitudes[p.name]) for p in self.populations}
        more = {p.amplitude: value for p, value in held.items()}
        more.update({p.inverse: 1.0 / value for p, value in held.items()})
        y, after, shown = self.over_sequence(x, start, more)
        rates = [_rates(shown[p.counts], shown[p.name]) for p in self.populations]
        return Passed(y, after, tf.concat(rates, axis=1))


def _rates(counts: Tensor, values: Tensor) -> Tensor:
    """Mean rates of units, (batch, n_units), whose gradient does not see the size of the values.

    A conversion measures amplitudes anew. If all values of a population shrink together, it will
    send as many spikes as before: the gradient of ``mean |n| / W`` must be that of
    ``mean |v| / max |v|``, which no common factor of all ``v`` changes.
    """
    batch, n_steps = counts.shape[:2]
    rates = tf.reduce_mean(tf.abs(tf.reshape(counts, [batch, n_steps, -1])), axis=1)
    peak = tf.maximum(tf.reduce_max(tf.abs(values)), EPSILON)
    return rates * (tf.stop_gradient(peak) / peak)


EPSILON = 1e-6
"""Least peak, of a population that says nothing."""


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
    graph = trace(network.cell, network.params)
    window = aware.steps // stages(graph, populations(graph))

    def layer() -> Fused:
        recipe = batches.recipe
        return FusedSpiking(
            network.cell,
            network.params,
            window,
            sequences,
            batches.n_steps,
            recipe.batch,
            recipe.carry,
            batches.seed,
        )

    best, history = train(
        layer, batches, checkpoint, identity, resume=resume, quiet=quiet, penalty=aware.penalty
    )
    return Result(network.cell, {**network.params, **best}, history)
