"""Device half: the graph itself, in float64."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgemem.errors import ArtefactError, GraphError
from edgemem.ir import Graph
from edgemem.ir.runner import GraphRunner

from .names import GRAPH, PARAMS

if TYPE_CHECKING:
    from edgemem.artefact import Artefact


class ReferenceRunner(GraphRunner):
    """See :class:`edgemem.target.Runner` and :class:`edgemem.target.Inspectable`."""

    def __init__(self, artefact: Artefact) -> None:
        text, params = artefact.part(GRAPH), artefact.arrays(PARAMS)
        try:
            super().__init__(Graph.from_dict(json.loads(text), params))
        except (ValueError, KeyError, TypeError, GraphError) as error:
            raise ArtefactError(
                f"{artefact.origin}: {GRAPH} holds no graph ({error}); convert the model again"
            ) from error
