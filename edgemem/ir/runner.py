"""A graph as a runner: one step a call, in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgemem.errors import ShapeError
from edgemem.ir.graph import Graph
from edgemem.ops import FloatOps


class GraphRunner:
    """Runs a graph step by step in float64: what every converted form is measured against.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.n_in = graph.n_in
        self.n_out = graph.n_out
        self._ops = FloatOps()
        self.reset()

    def reset(self) -> None:
        """Set every state to zero."""
        self._states = self.graph.zero_state()

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
            raise ShapeError(f"input of shape {x.shape}; the graph takes ({self.n_in},)")
        value = np.asarray(x, np.float64)
        self._states, y = self.graph.evaluate(self._ops, self.graph.params, self._states, value)
        return y.astype(np.float32)
