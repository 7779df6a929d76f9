"""A linear memory is held as what it changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemem.ir.graph import Graph
from edgemem.ir.passes.draft import Draft
from edgemem.ir.passes.prune import prune
from edgemem.ir.passes.sums import Flattener, Sum, Term, emit_sum


def residual(graph: Graph) -> Graph:
    """``m' = A m + v`` written as ``m' = m + ((A - I) m + v)``, for each state with a fixed A.

    ``A`` is near the identity when the remembered window is long, so that ``A - I`` needs few
    bits; and the large ``m`` is added last, in the precision of the state.
    """
    flattener = Flattener(graph)
    state_after = {after: state for state, after in graph.next_states.items()}
    draft = Draft(graph)
    for node in graph.nodes:
        total = flattener.sum_of(node) if node.name in state_after else None
        changed = None if total is None else _as_change(total, state_after[node.name])
        if changed is None:
            draft.keep(node)
        else:
            emit_sum(draft, node, changed)
    return prune(draft.finish())


def _as_change(total: Sum, state: str) -> Sum | None:
    own = [p for p in total.products if p.x == state and p.constant]
    if len(own) != 1 or own[0].weight.shape[0] != own[0].weight.shape[1]:
        return None
    rest = tuple(p for p in total.products if p is not own[0])
    identity = np.eye(len(own[0].weight))
    change = replace(own[0], weight=own[0].weight - identity, source="")
    return replace(total, products=(change, *rest), terms=(*total.terms, Term(1.0, state)))
