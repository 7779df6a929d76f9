"""The fused form that trains on the grid on which a conversion rounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from edgemem.cells import Cell
from edgemem.ops import Array
from edgemem.quantize import Scheme
from edgemem.quantize.prepare import Prepared, prepare
from edgemem.quantize.rounding import matrix_bits, rounded_network, settle, sources
from edgemem.train.batches import Batches, Frames
from edgemem.train.fused import Fused
from edgemem.train.ops_tf import round_rows
from edgemem.train.qat import Qat
from edgemem.train.sequence import has_loop, unroll
from edgemem.train.trainer import Result, train

Tensor = Any


class FusedRounded(Fused):
    """A network as its integer program rounds it, over a sequence.

    Parameters
    ----------
    cell : Cell
        Without norms, see :func:`edgemem.quantize.prepare.prepare`.
    params : mapping
        Trained arrays to start from, and constants.
    scheme : Scheme
        With formats.
    n_steps, batch, carry, seed
        See :class:`~edgemem.train.fused.Fused`.
    """

    def __init__(
        self,
        cell: Cell,
        params: Mapping[str, Array],
        scheme: Scheme,
        n_steps: int,
        batch: int,
        carry: float = 0.0,
        seed: int = 0,
    ) -> None:
        units = {name: _unit(params[name]) for name in cell.params}
        relative = {name: params[name] / unit for name, unit in units.items()}
        super().__init__(cell, relative, n_steps, batch, carry, seed)
        self._units = units
        self._bits = matrix_bits(cell, params, scheme)
        self._sources = sources(cell)
        self._run_graph = _compiled(rounded_network(cell, params, scheme))

    def through(
        self, x: Tensor, start: Mapping[str, Tensor], training: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        arrays = self._on_grid()
        weights = {
            name: tf.add_n([arrays[source] for source in made_of])
            for name, made_of in self._sources.items()
        }
        y, after = self._run_graph(weights, x, dict(start))
        return y, after

    def _on_grid(self) -> dict[str, Tensor]:
        arrays = {
            name: tf.convert_to_tensor(value) * tf.constant(self._units[name], value.dtype)
            for name, value in self.arrays.items()
        }
        return {
            name: round_rows(array, self._bits[name]) if name in self._bits else array
            for name, array in arrays.items()
        }

    def trained(self) -> dict[str, Array]:
        """The arrays as they are rounded: what :func:`edgemem.quantize.per_row` leaves alone."""
        return {name: np.asarray(a.numpy(), np.float64) for name, a in self._on_grid().items()}


RELATIVE = 0.1
"""The root mean square of what is trained, about that of a weight of a network with norms."""


def _unit(array: Array) -> Array:
    """What an array is measured in while it is trained: each row of a matrix in its own size.

    Absorbed gains make rows and whole arrays of very different sizes. An optimiser whose steps
    have the same length everywhere would leave the large ones as they are and destroy the small.
    """
    size = np.sqrt(np.mean(array**2, axis=-1 if array.ndim > 1 else None, keepdims=True))
    return np.asarray(np.where(size > 0.0, size / RELATIVE, 1.0))


def _compiled(graph: Any) -> Any:
    def run(weights: dict[str, Tensor], x: Tensor, start: dict[str, Tensor]) -> Any:
        return unroll(graph, weights, x, start)

    # a scan compiles its two loops itself: no loop may cross the border of a compiled function
    return run if has_loop(graph) else tf.function(run, jit_compile=True)


def fit_rounded(
    cell: Cell,
    params: Mapping[str, Array],
    sequences: Frames,
    batches: Batches,
    qat: Qat,
    checkpoint: Path,
    identity: Mapping[str, Any],
    *,
    resume: bool = False,
    quiet: bool = False,
) -> Result:
    """Train a network on in the form that its conversion will round.

    Parameters
    ----------
    cell : Cell
    params : mapping
        Its trained arrays and constants.
    sequences : (n, t, n_in) float32 array
        Along which ranges are measured; the formats that follow stay as they are from then on.
    batches : Batches
        Of :meth:`Qat.recipe`.
    qat : Qat
    checkpoint, identity, resume, quiet
        As in :func:`~edgemem.train.trainer.train`.
    """
    network = prepare(cell, params, sequences)
    scheme = settle(
        network.cell, network.params, qat.weights, _renamed(network, qat.layers), sequences
    )

    def layer() -> Fused:
        recipe = batches.recipe
        return FusedRounded(
            network.cell,
            network.params,
            scheme,
            batches.n_steps,
            recipe.batch,
            recipe.carry,
            batches.seed,
        )

    best, history = train(layer, batches, checkpoint, identity, resume=resume, quiet=quiet)
    return Result(network.cell, {**network.params, **best}, history, scheme)


def _renamed(network: Prepared, layers: Mapping[str, int]) -> dict[str, int]:
    """``layers`` by the names of the prepared network."""
    present = {before: name for name, before in network.names.items()}
    return {present[name]: bits for name, bits in layers.items()}
