"""Host half: what NIR cannot say, and why."""

from __future__ import annotations

from edgemem.errors import UnsupportedOpError
from edgemem.ir import INPUT, Graph, Node

from .comparators import COUNTED

LOWERED = COUNTED | {"matvec", "add", "sub", "mul", "scale", "split", "merge", "slice"}
"""The ops that have nodes; of products, those with a fixed factor."""

_REASONS = {
    "sigmoid": "NIR has no node for a function of a value, and comparators stand for relu and tanh "
    "only, whose results are added",
}


def refuse(graph: Graph) -> None:
    """Refuse a graph with ops that NIR has no node for.

    Raises
    ------
    UnsupportedOpError
    """
    reasons = unsupported(graph)
    if reasons:
        raise UnsupportedOpError("target 'nir' cannot lower this network: " + "; ".join(reasons))


def unsupported(graph: Graph) -> list[str]:
    """Why ``graph`` cannot be said in NIR; empty if it can."""
    missing = sorted({op.op for op in graph.nodes} - LOWERED)
    reasons = [f"{op}: {_REASONS.get(op, 'NIR has no node for it')}" for op in missing]
    products = sorted({op.op for op in graph.nodes if _multiplies_signals(op, graph)})
    if products:
        reasons.append(
            f"{', '.join(products)}: its products of two signals have no node in NIR, whose nodes "
            "add up what leads to them"
        )
    delays = [s for s, after in graph.next_states.items() if after in (INPUT, *graph.states)]
    if delays:
        reasons.append(
            f"{', '.join(delays)}: input of earlier steps, which the nodes that stand for states "
            "would give back in the same step"
        )
    return reasons


def _multiplies_signals(op: Node, graph: Graph) -> bool:
    """Whether ``op`` multiplies two values that are both computed."""
    fixed = [name in graph.params for name in op.inputs]
    return (op.op == "matvec" and not fixed[0]) or (op.op == "mul" and not any(fixed))
