"""The fused form that trains on the grid on which a conversion rounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgemem.cells import Cell
from edgemem.ops import Array
from edgemem.quantize import Scheme
from edgemem.quantize.prepare import Prepared, prepare
from edgemem.quantize.rounding import matrix_bits, rounded_network, settle, sources
from edgemem.train.batches import Batches, Frames
from edgemem.train.fused import Fused, Passed
from edgemem.train.keywords import KeywordLesson, Result
from edgemem.train.ops_tf import round_rows
from edgemem.train.qat import Qat
from edgemem.train.trainer import train
from edgemem.train.whole import FusedGraph

Tensor = Any


class FusedRounded(FusedGraph):
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
        graph = rounded_network(cell, params, scheme)
        super().__init__(cell, params, graph, sources(cell), n_steps, batch, carry, seed)
        self._bits = matrix_bits(cell, params, scheme)

    def as_run(self) -> dict[str, Tensor]:
        """The arrays as they are rounded: what :func:`edgemem.quantize.per_row` leaves alone."""
        return {
            name: round_rows(array, self._bits[name]) if name in self._bits else array
            for name, array in super().as_run().items()
        }

    def through(self, x: Tensor, start: Mapping[str, Tensor], training: bool) -> Passed:
        y, after, _ = self.over_sequence(x, start)
        return Passed(y, after)


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

    lesson = KeywordLesson(batches)
    found = train(layer, lesson, checkpoint, identity, resume=resume, quiet=quiet)
    return Result(network.cell, {**network.params, **found.arrays}, found.history, scheme)


def _renamed(network: Prepared, layers: Mapping[str, int]) -> dict[str, int]:
    """``layers`` by the names of the prepared network."""
    present = {before: name for name, before in network.names.items()}
    return {present[name]: bits for name, bits in layers.items()}
