"""Names of the parts, the same for who writes a file and who runs it."""

from __future__ import annotations

GRAPH = "graph.json"
PARAMS = "params.npz"
