"""What of a step must wait for the step before it: the recurrences of a graph, each by itself.

A node waits for the step before if a state reaches it and a state's next value depends on it.
States that reach each other make one recurrence; all other nodes can be computed for a whole
sequence at once, as soon as what they read is known for the whole sequence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgemem.ir.graph import Graph, Node
from edgemem.ops import Array


@dataclass(frozen=True)
class Loop:
    """One recurrence: states that depend on each other, and what lies between them.

    Parameters
    ----------
    states : tuple of str
    nodes : tuple of Node
        In order of computation; none where a state is nothing but a delay.
    """

    states: tuple[str, ...]
    nodes: tuple[Node, ...]


def loops(graph: Graph) -> tuple[Loop, ...]:
    """The recurrences of ``graph``, in the order of their first states."""
    reached = {state: _reached(graph, state) for state in graph.states}
    feeding = {state: _feeding(graph, state) for state in graph.states}
    found: list[Loop] = []
    for state in graph.states:
        if any(state in loop.states for loop in found):
            continue
        states = tuple(
            other
            for other in graph.states
            if other == state or (other in reached[state] and state in reached[other])
        )
        nodes = tuple(node for node in graph.nodes if node.name in reached[state] & feeding[state])
        found.append(Loop(states, nodes))
    return tuple(found)


def _reached(graph: Graph, state: str) -> set[str]:
    """Nodes and states that depend on ``state``, in this step or a later one."""
    reached = {state}
    size = 0
    while size != len(reached):
        size = len(reached)
        reached.update(n.name for n in graph.nodes if reached.intersection(n.inputs))
        reached.update(s for s, after in graph.next_states.items() if after in reached)
    return reached


def _feeding(graph: Graph, state: str) -> set[str]:
    """Nodes and states that ``state`` depends on, through this step or an earlier one."""
    feeding = {state}
    size = 0
    while size != len(feeding):
        size = len(feeding)
        feeding.update(after for s, after in graph.next_states.items() if s in feeding)
        feeding.update(name for n in graph.nodes if n.name in feeding for name in n.inputs)
    return feeding


@dataclass(frozen=True, eq=False)
class LinearMemory:
    """A recurrence ``m_t = A m_{t-1} + v_t`` of one state, whose ``v`` does not depend on it.

    Parameters
    ----------
    state : str
        Name of ``m``.
    matrix : (n, n) array
        ``A``.
    drive : str
        Name of ``v``.
    """

    state: str
    matrix: Array
    drive: str


def linear_memory(graph: Graph, loop: Loop) -> LinearMemory | None:
    """``loop`` as a linear time-invariant memory, if it is nothing else.

    Written as ``A m + v`` or as ``m + ((A - I) m + v)``.
    """
    if len(loop.states) != 1:
        return None
    (state,) = loop.states
    inside = {node.name: node for node in loop.nodes}
    matrix = np.zeros((graph.states[state][-1],) * 2)
    drives: list[str] = []
    left = [graph.next_states[state]]
    while left:
        name = left.pop()
        node = inside.get(name)
        if name == state:
            matrix = matrix + np.eye(len(matrix))
        elif node is None:
            drives.append(name)
        elif node.op == "add":
            left += node.inputs
        elif node.op == "matvec" and node.inputs[1] == state and node.inputs[0] in graph.constants:
            matrix = matrix + graph.params[node.inputs[0]]
        else:
            return None
    return LinearMemory(state, matrix, drives[0]) if len(drives) == 1 else None


def written(graph: Graph, memory: LinearMemory) -> tuple[Array, str]:
    """The drive of a memory as ``v = write @ source``.

    Parameters
    ----------
    graph : Graph
    memory : LinearMemory
        Of this graph.

    Returns
    -------
    write : (n, width) array
        The constant that the memory is written with; the identity if there is none.
    source : str
        Name of what it is applied to.
    """
    writer = graph.producers().get(memory.drive)
    if writer is not None and writer.op == "matvec" and writer.inputs[0] in graph.constants:
        return graph.params[writer.inputs[0]], writer.inputs[1]
    return np.eye(len(memory.matrix)), memory.drive
