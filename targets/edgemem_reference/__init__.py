"""Reference target: float64 NumPy, what every other target is measured against."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgemem.errors import ArtefactError, GraphError, ShapeError
from edgemem.files import npz_bytes
from edgemem.ops import OP_NAMES, FloatOps
from edgemem.target import Converted, Tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Features, Runner, Source

GRAPH = "graph.json"
PARAMS = "params.npz"


@dataclass(frozen=True)
class ReferenceOptions:
    """Nothing to choose."""


class ReferenceRunner:
    """See :class:`edgemem.target.Runner`; the graph itself, in float64."""

    def __init__(self, artefact: Artefact) -> None:
        from edgemem.ir import Graph

        try:
            plan = json.loads(artefact.part(GRAPH))
            self._graph = Graph.from_dict(plan, artefact.arrays(PARAMS))
        except (ValueError, KeyError, TypeError, GraphError) as error:
            if isinstance(error, ArtefactError):
                raise
            raise ArtefactError(
                f"{artefact.origin}: {GRAPH} holds no graph ({error}); convert the model again"
            ) from error
        self.reset()

    @property
    def n_in(self) -> int:
        return self._graph.n_in

    @property
    def n_out(self) -> int:
        return self._graph.n_out

    def reset(self) -> None:
        self._states = self._graph.zero_state()

    def step(self, x: Features) -> Features:
        if x.shape != (self.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        graph = self._graph
        self._states, y = graph.evaluate(
            FloatOps(), graph.params, self._states, x.astype(np.float64)
        )
        return y.astype(np.float32)


class ReferenceTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "reference"
    summary: ClassVar[str] = "float64 NumPy, what the others are measured against"
    ops: ClassVar[frozenset[str]] = OP_NAMES
    Options: ClassVar[type[ReferenceOptions]] = ReferenceOptions

    def tolerance(self, options: ReferenceOptions) -> Tolerance:
        return Tolerance(distance=1e-6, agreement=1.0, replay=1e-5)

    def convert(self, model: Source, options: ReferenceOptions, calibration: Features) -> Converted:
        graph = model.graph()
        plan = json.dumps(graph.to_dict(), separators=(",", ":"), sort_keys=True)
        return Converted(b"", {GRAPH: plan.encode(), PARAMS: npz_bytes(graph.params)})

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        return ReferenceRunner(artefact)


TARGET = ReferenceTarget()
