"""A graph as steps that an integer operator takes in one go each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from edgemem.errors import UnsupportedOpError
from edgemem.ir import Graph, Node
from edgemem.ops import Array

SUMS = frozenset({"add", "sub"})
ELEMENTWISE = frozenset({"add", "sub", "mul", "scale"})
CURVES = frozenset({"sigmoid", "tanh"})
LAYOUT = frozenset({"split", "merge", "slice"})
KNOWN = ELEMENTWISE | CURVES | LAYOUT | {"matvec", "relu"}
"""Ops that have an integer form."""


@dataclass(frozen=True)
class Step:
    """One operator: a product with what follows it in the same go, or a single op.

    Parameters
    ----------
    name : str
        Name of the result.
    op : str
        A graph op, or ``"join"``: one product over the joined last axes of two inputs.
    inputs : tuple of str
        What it reads, weights left out.
    shape : tuple of int
    args : tuple of number
        As in :class:`~edgemem.ir.Node`.
    weight : array, optional
    bias : array, optional
    relu : bool
        Whether ``max(., 0)`` follows at once.
    fixed : bool
        Whether the weight is a constant of the cell, not a trained array.
    source : str
        Name of the trained array that the weight was made from.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    args: tuple[float, ...] = ()
    weight: Array | None = None
    bias: Array | None = None
    relu: bool = False
    fixed: bool = False
    source: str = ""


def steps(graph: Graph) -> tuple[Step, ...]:
    """The steps of ``graph``, in its order."""
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    reads.update(dict.fromkeys((*graph.next_states.values(), graph.output), 2))
    made: dict[str, Step] = {}
    for node in graph.nodes:
        step = _step(graph, node)
        for merge in (_with_bias, _joined, _with_relu):
            step = merge(step, made, graph, reads)
        made[step.name] = step
    return tuple(made.values())


def _step(graph: Graph, node: Node) -> Step:
    if node.op not in KNOWN:
        raise UnsupportedOpError(
            f"{node.name!r}: {node.op!r} has no integer form; known: {', '.join(sorted(KNOWN))}"
        )
    if node.op != "matvec":
        return Step(node.name, node.op, node.inputs, node.shape, node.args)
    weight, x = node.inputs
    if weight not in graph.params:
        raise UnsupportedOpError(
            f"node {node.name!r}: its matrix {weight!r} is computed; a stored one is needed"
        )
    fixed = weight in graph.constants
    return Step(
        node.name,
        "matvec",
        (x,),
        node.shape,
        weight=graph.params[weight],
        fixed=fixed,
        source=origin(weight),
    )


def origin(weight: str) -> str:
    """Name of the array as it was before passes made others of it: ``W_m`` of ``W_m.2``."""
    stem, _, count = weight.rpartition(".")
    return stem if count.isdigit() and stem else weight


def _with_bias(step: Step, made: dict[str, Step], graph: Graph, reads: Counter[str]) -> Step:
    """``W x`` and then ``+ b`` as one."""
    if step.op != "add":
        return step
    for product, constant in (step.inputs, step.inputs[::-1]):
        before = made.get(product)
        if (
            before is not None
            and constant in graph.params
            and before.op == "matvec"
            and before.bias is None
            and not before.relu
            and reads[product] == 1
        ):
            del made[product]
            return replace(before, name=step.name, bias=graph.params[constant])
    return step


def _joined(step: Step, made: dict[str, Step], graph: Graph, reads: Counter[str]) -> Step:
    """``A m + B u`` over fixed matrices as ``[A B] [m; u]``: one accumulator, rounded once."""
    if step.op != "add" or any(name not in made for name in step.inputs):
        return step
    a, b = (made[name] for name in step.inputs)
    if not all(
        p.op == "matvec" and p.fixed and p.bias is None and reads[p.name] == 1 for p in (a, b)
    ):
        return step
    # the state first: its format becomes that of the joined input
    if b.inputs[0] in graph.states:
        a, b = b, a
    del made[a.name], made[b.name]
    weight = np.concatenate([np.asarray(a.weight), np.asarray(b.weight)], axis=1)
    inputs = (*a.inputs, *b.inputs)
    return Step(step.name, "join", inputs, step.shape, weight=weight, fixed=True)


def _with_relu(step: Step, made: dict[str, Step], graph: Graph, reads: Counter[str]) -> Step:
    if step.op != "relu":
        return step
    before = made.get(step.inputs[0])
    if before is None or reads[before.name] != 1 or before.relu:
        return step
    if before.op not in SUMS | {"mul", "matvec"}:
        return step
    del made[before.name]
    return replace(before, name=step.name, relu=True)
