"""Host half: the graph as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgemem.files import npz_bytes
from edgemem.target import Converted

from .names import GRAPH, PARAMS

if TYPE_CHECKING:
    from edgemem.ir import Graph


def convert(graph: Graph) -> Converted:
    """``graph`` as JSON and arrays; the file has nothing in front of them."""
    plan = json.dumps(graph.to_dict(), separators=(",", ":"), sort_keys=True)
    return Converted(b"", {GRAPH: plan.encode(), PARAMS: npz_bytes(graph.params)})
