"""What of a step must be known at every step of a sequence, where only its last step is read.

A recurrence that is not linear has to be walked, so what drives it is needed at every step. A
linear memory is not walked: its last state is one product of its drive over the whole sequence
with the impulse response (Chilkuri & Eliasmith 2021, eq. 25). All else is needed at the last step
alone, unless something that is needed at every step reads it.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgemem.ir.graph import INPUT, Graph
from edgemem.ir.passes.partition import linear_memory, loops, written


def needed_at_every_step(graph: Graph) -> frozenset[str]:
    """Names whose value is needed at every step for the output and the states of the last step.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    frozenset of str
        Of the input, states and nodes. A state that is missing although it has a loop is a linear
        memory or a delay of which the last step is enough.
    """
    found: set[str] = set()
    enough: set[str] = set()  # values of the last step that are known without the step before it
    for loop in loops(graph):
        memory = linear_memory(graph, loop)
        if memory is not None:
            _, source = written(graph, memory)
            found |= _feeding(graph, [source])
            enough.add(graph.next_states[memory.state])
        elif loop.nodes:
            found |= _feeding(graph, loop.states)
    left = [graph.output, *graph.next_states.values()]
    producers = graph.producers()
    while left:
        name = left.pop()
        if name in found or name in enough:
            continue
        if name in graph.states:  # as it was before the last step
            found |= _feeding(graph, [name])
        elif name in producers:
            left += producers[name].inputs
    return frozenset(found)


def _feeding(graph: Graph, names: Iterable[str]) -> set[str]:
    """``names`` and all that they depend on, through this step or earlier ones; no params."""
    producers = graph.producers()
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name in found:
            continue
        if name in graph.states:
            left.append(graph.next_states[name])
        elif name in producers:
            left += producers[name].inputs
        elif name != INPUT:
            continue
        found.add(name)
    return found
