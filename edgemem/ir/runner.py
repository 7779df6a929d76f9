"""A graph as a runner: one step a call, in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgemem.errors import ShapeError
from edgemem.ir.graph import INPUT, Graph
from edgemem.ir.values import Values
from edgemem.ops import Array, FloatOps


class GraphRunner:
    """Runs a graph step by step in float64: what every converted form is measured against.

    Parameters
    ----------
    graph : Graph

    Attributes
    ----------
    graph : Graph
    engine, output_scale
        See :class:`edgemem.target.Inspectable`.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.n_in = graph.n_in
        self.n_out = graph.n_out
        self.engine = f"numpy {np.__version__}, float64"
        self.output_scale = None
        self._ops = FloatOps()
        self.reset()

    def reset(self) -> None:
        """Set every state to zero."""
        self._states = self.graph.zero_state()
        self._values: dict[str, Array] = {}

    def step(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Output of one time step.

        Parameters
        ----------
        x : (n_in,) array

        Returns
        -------
        (n_out,) float32 array

        Raises
        ------
        ShapeError
            If ``x`` has another shape.
        """
        if x.shape != (self.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        graph = self.graph
        values = graph.run(self._ops, graph.params, self._states, np.asarray(x, np.float64))
        self._states = {state: values[name] for state, name in graph.next_states.items()}
        self._values = values
        return values[graph.output].astype(np.float32)

    def tensors(self) -> dict[str, Values]:
        """Input and nodes of the last step (:class:`edgemem.target.Inspectable`)."""
        if not self._values:
            return {}
        nodes = {node.name: Values(self._values[node.name], node.op) for node in self.graph.nodes}
        return {INPUT: Values(self._values[INPUT]), **nodes}
