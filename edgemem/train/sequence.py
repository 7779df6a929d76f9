"""A cell's step over a whole sequence of tensors: what can be done at once is done at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from edgemem.ir.graph import INPUT, Graph, Node, apply
from edgemem.ir.passes.partition import LinearMemory, Partition, linear_memory, partition
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
    parts = partition(graph)
    constants = {n: tf.constant(graph.params[n], x.dtype) for n in graph.constants}
    values: Values = {**constants, **weights, INPUT: x}
    memory = linear_memory(graph, parts)
    if memory is not None:
        trajectory = {memory.state: _linear(graph, parts, memory, values, start)}
    else:
        _apply_all(parts.before, values)
        trajectory = _stepped(graph, parts, values, start) if graph.states else {}
    for state, steps in trajectory.items():
        values[graph.next_states[state]] = steps
        values[state] = tf.concat([start[state][:, None], steps[:, :-1]], axis=1)
    _apply_all(parts.recurrent, values)  # whatever of the loop the rest still reads
    _apply_all(parts.after, values)
    return values[graph.output], {state: steps[:, -1] for state, steps in trajectory.items()}


def has_loop(graph: Graph) -> bool:
    """Whether :func:`unroll` must go step by step."""
    return bool(graph.states) and linear_memory(graph, partition(graph)) is None


def _apply_all(nodes: Iterable[Node], values: Values) -> None:
    """Fill in the nodes that have no value yet."""
    ops = TensorOps()
    for node in nodes:
        if node.name not in values:
            values[node.name] = apply(ops, node, values)


def _stepped(
    graph: Graph, parts: Partition, values: Values, start: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    recurrence = Recurrence.of(graph, parts)
    return scan(
        recurrence,
        {name: values[name] for name in recurrence.weights},
        {name: values[name] for name in recurrence.drives},
        dict(start),
    )


def _linear(
    graph: Graph,
    parts: Partition,
    memory: LinearMemory,
    values: Values,
    start: Mapping[str, Tensor],
) -> Tensor:
    """The trajectory of a linear memory, its write vector taken into the impulse response."""
    A = graph.params[memory.matrix]
    writer = graph.producers().get(memory.drive)
    if writer is not None and writer.op == "matvec" and writer.inputs[0] in graph.constants:
        write, source = graph.params[writer.inputs[0]], writer.inputs[1]
        readers = graph.consumers()[writer.name]
        skip = {writer.name} if len(readers) == 1 else set()
    else:
        write, source, skip = np.eye(len(A)), memory.drive, set()
    _apply_all((n for n in parts.before if n.name not in skip), values)
    return scan_memory(A, write, values[source], start[memory.state])
