"""What of a step must wait for the step before it, and what need not.

Nodes that no state reaches can be computed for a whole sequence at once, before the recurrence;
nodes that reach no state, after it. Only what lies between runs step by step.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgemem.ir.graph import Graph, Node


@dataclass(frozen=True)
class Partition:
    """A graph's nodes in three groups, each in its order of computation.

    Parameters
    ----------
    before : tuple of Node
        Depend on the input alone.
    recurrent : tuple of Node
        Depend on a state, and a state's next value depends on them.
    after : tuple of Node
        The rest: depend on a state, and no state depends on them.
    """

    before: tuple[Node, ...]
    recurrent: tuple[Node, ...]
    after: tuple[Node, ...]


def partition(graph: Graph) -> Partition:
    """The nodes of ``graph`` by what they have to wait for."""
    stateful = set(graph.states)
    for node in graph.nodes:
        if stateful.intersection(node.inputs):
            stateful.add(node.name)
    feeding = set(graph.next_states.values())
    for node in reversed(graph.nodes):
        if node.name in feeding:
            feeding.update(node.inputs)
    return Partition(
        before=tuple(n for n in graph.nodes if n.name not in stateful),
        recurrent=tuple(n for n in graph.nodes if n.name in stateful and n.name in feeding),
        after=tuple(n for n in graph.nodes if n.name in stateful and n.name not in feeding),
    )


@dataclass(frozen=True)
class LinearMemory:
    """A recurrence ``m_t = A m_{t-1} + v_t`` of one state, whose ``v`` no state reaches.

    Parameters
    ----------
    state : str
        Name of ``m``.
    matrix : str
        Name of ``A``.
    drive : str
        Name of ``v``.
    """

    state: str
    matrix: str
    drive: str


def linear_memory(graph: Graph, parts: Partition) -> LinearMemory | None:
    """The recurrence of ``graph``, if it is nothing but one linear time-invariant memory."""
    if len(graph.states) != 1 or len(parts.recurrent) != 2:
        return None
    product, total = parts.recurrent
    ((state, after),) = graph.next_states.items()
    if product.op != "matvec" or total.op != "add" or total.name != after:
        return None
    matrix, vector = product.inputs
    drives = [name for name in total.inputs if name != product.name]
    if vector != state or matrix not in graph.constants or len(drives) != 1:
        return None
    return LinearMemory(state, matrix, drives[0])
