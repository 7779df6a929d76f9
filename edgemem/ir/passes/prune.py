"""Nodes and arrays that nothing reads go."""

from __future__ import annotations

from dataclasses import replace

from edgemem.ir.graph import Graph


def prune(graph: Graph) -> Graph:
    """``graph`` without what neither its output nor a state depends on."""
    needed = {graph.output, *graph.next_states.values()}
    nodes = []
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
            nodes.append(node)
    return replace(
        graph,
        params={name: array for name, array in graph.params.items() if name in needed},
        constants=graph.constants & needed,
        nodes=tuple(reversed(nodes)),
    )
