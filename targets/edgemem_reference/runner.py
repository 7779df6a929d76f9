"""Device half: the graph itself, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgemem.errors import ArtefactError, GraphError
from edgemem.ir.runner import GraphRunner
from edgemem.ir.stored import read_graph
from edgemem.reading import DamageError, read_json

from .names import GRAPH, PARAMS

if TYPE_CHECKING:
    from edgemem.artefact import Artefact


class ReferenceRunner(GraphRunner):
    """See :class:`edgemem.target.Runner` and :class:`edgemem.target.Inspectable`."""

    def __init__(self, artefact: Artefact) -> None:
        text, params = artefact.part(GRAPH), artefact.arrays(PARAMS)
        try:
            super().__init__(read_graph(read_json(text), params))
        except (DamageError, GraphError) as error:
            raise ArtefactError(
                f"{artefact.origin}: {GRAPH} holds no graph ({error}); convert the model again"
            ) from error
