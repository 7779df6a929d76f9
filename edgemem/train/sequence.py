"""A graph's step over a whole sequence of tensors: what can be done at once is done at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from edgemem.ir.graph import INPUT, Graph, Node, apply
from edgemem.ir.passes.partition import LinearMemory, Loop, linear_memory, loops
from edgemem.train.memory import scan_memory
from edgemem.train.ops_tf import TensorOps
from edgemem.train.scan import Recurrence, scan

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
    constants = {n: tf.constant(graph.params[n], x.dtype) for n in graph.constants}
    values: Values = {**constants, **weights, INPUT: x}
    waiting = list(loops(graph))
    while waiting:
        _apply_ready(graph.nodes, values)
        # loops hang together in one direction alone: one of them has all that it reads
        loop = next(loop for loop in waiting if _is_ready(graph, loop, values))
        waiting.remove(loop)
        for state, steps in _trajectories(graph, loop, values, start).items():
            values[graph.next_states[state]] = steps
            values[state] = tf.concat([start[state][:, None], steps[:, :-1]], axis=1)
    _apply_ready(graph.nodes, values)
    return values


def last_states(graph: Graph, values: Values) -> Values:
    """The states after the last step of :func:`trajectories`."""
    return {s: values[name][:, -1] for s, name in graph.next_states.items()}


def has_loop(graph: Graph) -> bool:
    """Whether :func:`unroll` must go step by step."""
    return any(loop.nodes and linear_memory(graph, loop) is None for loop in loops(graph))


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
        return {memory.state: _linear(graph, memory, values, start)}
    recurrence = Recurrence.of(graph, loop)
    return scan(
        recurrence,
        {name: values[name] for name in recurrence.weights},
        {name: values[name] for name in recurrence.drives},
        {state: start[state] for state in loop.states},
    )


def _linear(
    graph: Graph, memory: LinearMemory, values: Values, start: Mapping[str, Tensor]
) -> Tensor:
    """The trajectory of a linear memory, its write vector taken into the impulse response."""
    A = memory.matrix
    writer = graph.producers().get(memory.drive)
    if writer is not None and writer.op == "matvec" and writer.inputs[0] in graph.constants:
        write, source = graph.params[writer.inputs[0]], writer.inputs[1]
    else:
        write, source = np.eye(len(A)), memory.drive
    return scan_memory(A, write, values[source], start[memory.state])
