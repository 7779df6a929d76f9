"""Gains, offsets and factors go into the matrices beside them."""

from __future__ import annotations

from edgemem.ir.graph import Graph
from edgemem.ir.passes.draft import Draft
from edgemem.ir.passes.prune import prune
from edgemem.ir.passes.sums import Flattener, emit_sum


def fold(graph: Graph) -> Graph:
    """``graph`` with every gain and offset in a weight or a bias, where one can take it.

    Behind a product ``g * (W x + b) + c = (diag(g) W) x + (g * b + c)``; before one
    ``W (g * x + c) = (W diag(g)) x + W c``, if products are all that reads ``g * x + c``.
    Constants of a sum become one.
    """
    flattener = Flattener(graph)
    draft = Draft(graph)
    for node in graph.nodes:
        total = flattener.sum_of(node)
        if total is None:
            draft.keep(node)
        else:
            emit_sum(draft, node, total)
    return prune(draft.finish())
