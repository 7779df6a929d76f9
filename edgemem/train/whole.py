"""The fused form over one graph: a network whose norms have gone into the arrays beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgemem.cells import Cell
from edgemem.frameworks import tf
from edgemem.ir import Graph
from edgemem.ops import Array
from edgemem.train.fused import Fused
from edgemem.train.sequence import has_loop, last_states, trajectories

Tensor = Any

RELATIVE = 0.1
"""The root mean square of what is trained, about that of a weight of a network with norms."""


class FusedGraph(Fused):
    """A network over a sequence, as a pass rewrote its graph for training.

    Parameters
    ----------
    cell : Cell
        Without norms, see :func:`edgemem.quantize.prepare.prepare`.
    params : mapping
        Trained arrays to start from, and constants.
    graph : Graph
        One step in the form that trains.
    made_of : mapping of tuple of str
        The trained arrays whose sum each trained array of ``graph`` is.
    n_steps, batch, carry, seed
        See :class:`~edgemem.train.fused.Fused`.
    shown : sequence of str
        Values of ``graph`` that are wanted beside its outputs.
    """

    def __init__(
        self,
        cell: Cell,
        params: Mapping[str, Array],
        graph: Graph,
        made_of: Mapping[str, Sequence[str]],
        n_steps: int,
        batch: int,
        carry: float = 0.0,
        seed: int = 0,
        shown: Sequence[str] = (),
    ) -> None:
        units = {name: _unit(params[name]) for name in cell.params}
        relative = {name: params[name] / unit for name, unit in units.items()}
        super().__init__(cell, relative, n_steps, batch, carry, seed)
        self.states = dict(graph.states)
        self._units = units
        self._made_of = made_of
        self._run_graph = _compiled(graph, tuple(shown))

    def as_run(self) -> dict[str, Tensor]:
        """The trained arrays as the network runs with them; differentiable."""
        return {
            name: tf.convert_to_tensor(value) * tf.constant(self._units[name], value.dtype)
            for name, value in self.arrays.items()
        }

    def over_sequence(
        self,
        x: Tensor,
        start: Mapping[str, Tensor],
        more: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Outputs, states after the last step, and the values that are shown, step by step.

        Parameters
        ----------
        x : (batch, n_steps, n_in) tensor
        start : mapping of tensor
        more : mapping of tensor, optional
            Arrays of the graph that are not trained and no constants of it either.
        """
        arrays = self.as_run()
        weights = {
            name: tf.add_n([arrays[source] for source in sources])
            for name, sources in self._made_of.items()
        }
        y, after, shown = self._run_graph({**weights, **(more or {})}, x, dict(start))
        return y, after, shown

    def trained(self) -> dict[str, Array]:
        return {name: np.asarray(a.numpy(), np.float64) for name, a in self.as_run().items()}


def _unit(array: Array) -> Array:
    """What an array is measured in while it is trained: each row of a matrix in its own size.

    Absorbed gains make rows and whole arrays of very different sizes. An optimiser whose steps
    have the same length everywhere would leave the large ones as they are and destroy the small.
    """
    size = np.sqrt(np.mean(array**2, axis=-1 if array.ndim > 1 else None, keepdims=True))
    return np.asarray(np.where(size > 0.0, size / RELATIVE, 1.0))


def _compiled(graph: Graph, shown: tuple[str, ...]) -> Any:
    def run(weights: dict[str, Tensor], x: Tensor, start: dict[str, Tensor]) -> Any:
        values = trajectories(graph, weights, x, start)
        beside = {name: values[name] for name in shown}
        return values[graph.output], last_states(graph, values), beside

    # a scan compiles its two loops itself: no loop may cross the border of a compiled function
    return run if has_loop(graph) else tf.function(run, jit_compile=True, autograph=False)
