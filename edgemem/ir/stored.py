"""A graph as JSON values and arrays, and read back strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgemem.errors import GraphError, ShapeError
from edgemem.ir.graph import Graph, Node
from edgemem.ir.trace import Traced, Tracer
from edgemem.ops import OP_NAMES, QUANTIZE, Array
from edgemem.shapes import TEXT, ListOf, MapOf, OneOf, Real, Record, Row, Shape, Whole

MOST_NODES = 16384
MOST_VALUES = 1 << 22
"""Numbers that all values of a step hold together."""

MOST_PRODUCTS = 1 << 28
"""Multiply-accumulates of a step."""

SHAPE = ListOf(Whole(1, MOST_VALUES), 6)

_SIZE = Whole(0, MOST_VALUES)

ARGS: Mapping[str, tuple[Shape, ...]] = {
    **dict.fromkeys(OP_NAMES, ()),
    "scale": (Real(-1e30, 1e30),),
    "split": (Whole(1, MOST_VALUES),),
    "slice": (_SIZE, _SIZE),
    QUANTIZE: (Real(1e-30, 1e30), Real(-1e9, 1e9), Real(-1e9, 1e9), Real(-1e9, 1e9)),
}
"""Static arguments of each op, and with it the ops that a file may name."""

_NODE = Row((TEXT, OneOf(tuple(sorted(ARGS))), ListOf(TEXT, 2, 1), SHAPE, ListOf(Real(), 4)))

GRAPH = Record(
    {
        "n_in": Whole(1, MOST_VALUES),
        "constants": ListOf(TEXT, MOST_NODES),
        "states": MapOf(SHAPE, MOST_NODES),
        "nodes": ListOf(_NODE, MOST_NODES, 1),
        "next_states": MapOf(TEXT, MOST_NODES),
        "output": TEXT,
    }
)
"""What :meth:`edgemem.ir.Graph.to_dict` writes."""


def read_graph(plan: Any, params: Mapping[str, Array]) -> Graph:
    """The graph that :meth:`edgemem.ir.Graph.to_dict` described, over ``params``.

    Every node is traced anew, so that its operands and its shape are those that the op has.

    Raises
    ------
    DamageError
        If a field is of another kind than it must be, or too large.
    GraphError
        If names or shapes do not meet.
    """
    GRAPH.check(plan, "graph")
    for name, op, _, _, args in plan["nodes"]:
        Row(ARGS[op]).check(args, f"args of node {name!r}")
    for name, array in params.items():
        if array.dtype.kind != "f" or not array.size:
            raise GraphError(f"array {name!r} holds {array.dtype} of shape {array.shape}")
    graph = Graph(
        n_in=plan["n_in"],
        params=dict(params),
        constants=frozenset(plan["constants"]),
        states={name: tuple(shape) for name, shape in plan["states"].items()},
        nodes=tuple(
            Node(name, op, tuple(inputs), tuple(shape), tuple(args))
            for name, op, inputs, shape, args in plan["nodes"]
        ),
        next_states=plan["next_states"],
        output=plan["output"],
    )
    check_shapes(graph)
    return graph


def check_shapes(graph: Graph) -> None:
    """Refuse a graph whose shapes do not meet, or that no small machine could run.

    Raises
    ------
    GraphError
    """
    shapes = graph.shapes()
    total = sum(math.prod(shape) for shape in shapes.values())
    total -= sum(array.size for array in graph.params.values())
    products = 0
    for node in graph.nodes:
        products += math.prod(node.shape) * (shapes[node.inputs[0]][-1:] or (1,))[0]
        if _shape(node, shapes) != node.shape:
            raise GraphError(f"node {node.name!r} does not have shape {node.shape}")
    if total > MOST_VALUES or products > MOST_PRODUCTS:
        raise GraphError(f"a step of {total:,} values and {products:,} products is too large")
    ends = {state: shapes[after] for state, after in graph.next_states.items()}
    wrong = [state for state, shape in ends.items() if shape != graph.states[state]]
    if wrong:
        raise GraphError(f"state {wrong[0]!r} has another shape after the step")
    if len(shapes[graph.output]) != 1:
        raise GraphError(f"the output has shape {shapes[graph.output]}; expected one axis")
    if not graph.constants <= set(graph.params):
        raise GraphError(f"no array named {min(graph.constants - set(graph.params))!r}")


def _shape(node: Node, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that the op gives."""
    operands = [Traced(name, shapes[name]) for name in node.inputs]
    if node.op == QUANTIZE:
        return operands[0].shape if len(operands) == 1 else ()
    try:
        result: Traced = getattr(Tracer(), node.op)(*operands, *map(int, node.args))
    except (TypeError, IndexError, ShapeError) as error:
        raise GraphError(f"node {node.name!r}: {error}") from error
    return result.shape
