"""A graph's step over a whole sequence of tensors: what can be done at once is done at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgemem.frameworks import tf
from edgemem.ir.graph import INPUT, Graph, Node, apply
from edgemem.ir.passes.adjoint import Recurrence
from edgemem.ir.passes.last_step import needed_at_every_step
from edgemem.ir.passes.partition import Loop, linear_memory, loops, written
from edgemem.train.memory import last_memory, scan_memory
from edgemem.train.ops_tf import TensorOps
from edgemem.train.scan import scan

Tensor = Any
Values = dict[str, Any]


def unroll(
    graph: Graph, weights: Mapping[str, Tensor], x: Tensor, start: Mapping[str, Tensor]
) -> tuple[Tensor, Values]:
    """Outputs over a sequence and the states after it; differentiable.

    Parameters
    ----------
    graph : Graph
        One step. Its constants are read, its trained arrays are not.
    weights : mapping
        Trained arrays by name.
    x : (batch, n_steps, n_in) tensor
    start : mapping
        States before the first step, each (batch, ...).

    Returns
    -------
    y : (batch, n_steps, n_out) tensor
    states : dict
        States after the last step.
    """
    values = trajectories(graph, weights, x, start)
    return values[graph.output], last_states(graph, values)


def trajectories(
    graph: Graph, weights: Mapping[str, Tensor], x: Tensor, start: Mapping[str, Tensor]
) -> Values:
    """Everything that has a name, over a sequence; differentiable.

    Parameters
    ----------
    graph, weights, x, start
        As :func:`unroll` takes them.

    Returns
    -------
    dict of (batch, n_steps, ...) tensor
        Params as they are; a state as it is before each step.
    """
    values = _fixed(graph, weights, x)
    _fill(graph, graph.nodes, loops(graph), values, start)
    return values


def unroll_last(
    graph: Graph, weights: Mapping[str, Tensor], x: Tensor, start: Mapping[str, Tensor]
) -> tuple[Tensor, Values]:
    """The output of the last step and the states after it; differentiable.

    What :func:`~edgemem.ir.passes.last_step.needed_at_every_step` does not name is computed for
    the last step alone.

    Parameters
    ----------
    graph, weights, x, start
        As :func:`unroll` takes them.

    Returns
    -------
    y : (batch, n_out) tensor
    states : dict
        States after the last step.
    """
    needed = needed_at_every_step(graph)
    walked = [loop for loop in loops(graph) if needed.intersection(loop.states)]
    values = _fixed(graph, weights, x)
    _fill(graph, [n for n in graph.nodes if n.name in needed], walked, values, start)
    last = {n: v if n in graph.params else v[:, -1] for n, v in values.items()}
    for loop in loops(graph):
        memory = linear_memory(graph, loop)
        if memory is not None and loop not in walked:
            write, source = written(graph, memory)
            after = last_memory(memory.matrix, write, values[source], start[memory.state])
            last[graph.next_states[memory.state]] = after
    _apply_ready(graph.nodes, last)
    return last[graph.output], {s: last[name] for s, name in graph.next_states.items()}


def last_states(graph: Graph, values: Values) -> Values:
    """The states after the last step of :func:`trajectories`."""
    return {s: values[name][:, -1] for s, name in graph.next_states.items()}


def has_loop(graph: Graph) -> bool:
    """Whether :func:`unroll` must go step by step."""
    return any(loop.nodes and linear_memory(graph, loop) is None for loop in loops(graph))


def _fixed(graph: Graph, weights: Mapping[str, Tensor], x: Tensor) -> Values:
    """What is known before the first step: constants, trained arrays and the input."""
    constants = {n: tf.constant(graph.params[n], x.dtype) for n in graph.constants}
    return {**constants, **weights, INPUT: x}


def _fill(
    graph: Graph,
    nodes: Sequence[Node],
    waiting: Iterable[Loop],
    values: Values,
    start: Mapping[str, Tensor],
) -> None:
    """Add to ``values`` the trajectories of loops and the values of nodes, at every step."""
    waiting = list(waiting)
    while waiting:
        _apply_ready(nodes, values)
        # loops hang together in one direction alone: one of them has all that it reads
        loop = next(loop for loop in waiting if _is_ready(graph, loop, values))
        waiting.remove(loop)
        for state, steps in _trajectories(graph, loop, values, start).items():
            values[graph.next_states[state]] = steps
            values[state] = tf.concat([start[state][:, None], steps[:, :-1]], axis=1)
    _apply_ready(nodes, values)


def _apply_ready(nodes: Iterable[Node], values: Values) -> None:
    """Fill in the nodes that have no value yet and whose inputs all have one."""
    ops = TensorOps()
    for node in nodes:
        if node.name not in values and all(name in values for name in node.inputs):
            values[node.name] = apply(ops, node, values)


def _is_ready(graph: Graph, loop: Loop, values: Values) -> bool:
    inside = {*loop.states, *(node.name for node in loop.nodes)}
    read = {name for node in loop.nodes for name in node.inputs}
    read.update(graph.next_states[state] for state in loop.states)
    return all(name in values for name in read - inside)


def _trajectories(
    graph: Graph, loop: Loop, values: Values, start: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Every state of a loop after every step."""
    if not loop.nodes:  # a delay
        return {state: values[graph.next_states[state]] for state in loop.states}
    memory = linear_memory(graph, loop)
    if memory is not None:
        write, source = written(graph, memory)
        u, m0 = values[source], start[memory.state]
        return {memory.state: scan_memory(memory.matrix, write, u, m0)}
    recurrence = Recurrence.driven(graph, loop)
    return scan(
        recurrence,
        {name: values[name] for name in recurrence.weights},
        {name: values[name] for name in recurrence.drives},
        {state: start[state] for state in loop.states},
    )
