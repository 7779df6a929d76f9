"""Device half: the graph itself, in float64."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from edgemem.errors import ArtefactError, GraphError, ShapeError
from edgemem.ir import Graph
from edgemem.ops import FloatOps

from .names import GRAPH, PARAMS

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Features


class ReferenceRunner:
    """See :class:`edgemem.target.Runner`."""

    def __init__(self, artefact: Artefact) -> None:
        text, params = artefact.part(GRAPH), artefact.arrays(PARAMS)
        try:
            self._graph = Graph.from_dict(json.loads(text), params)
            self._n_out = self._graph.n_out
        except (ValueError, KeyError, TypeError, GraphError) as error:
            raise ArtefactError(
                f"{artefact.origin}: {GRAPH} holds no graph ({error}); convert the model again"
            ) from error
        self.reset()

    @property
    def n_in(self) -> int:
        return self._graph.n_in

    @property
    def n_out(self) -> int:
        return self._n_out

    def reset(self) -> None:
        self._states = self._graph.zero_state()

    def step(self, x: Features) -> Features:
        graph = self._graph
        if x.shape != (graph.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({graph.n_in},)")
        inputs = x.astype(np.float64)
        self._states, y = graph.evaluate(FloatOps(), graph.params, self._states, inputs)
        return y.astype(np.float32)
