"""A graph as functions of affine sums: what spiking forms of a network are built from.

Every value between two functions is an affine combination of the input, the states and the results
of functions; products, gains, sums, splits and merges are all absorbed in its matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgemem.errors import GraphError, UnsupportedOpError
from edgemem.ir.graph import INPUT, Graph, Node, Shape
from edgemem.ops import Array

FUNCTIONS = frozenset({"relu", "tanh", "sigmoid"})
"""Ops of one argument that are no sums."""


@dataclass(frozen=True)
class Affine:
    """``bias + sum_s terms[s] @ s``, for a value of some shape, flattened.

    Parameters
    ----------
    shape : tuple of int
        Without batch axes.
    bias : (n,) array
    terms : mapping of (n, n_source) array
        By the name of the input, a state, or the node of a function; sources are flattened too.
    """

    shape: Shape
    bias: Array
    terms: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def constant(cls, array: Array) -> Affine:
        """A value without sources."""
        return cls(array.shape, array.reshape(-1))

    @classmethod
    def source(cls, name: str, shape: Shape) -> Affine:
        """A source itself."""
        size = int(np.prod(shape))
        return cls(shape, np.zeros(size), {name: np.eye(size)})

    def mapped(self, matrix: Array, shape: Shape) -> Affine:
        """``matrix`` applied, the result in another shape."""
        terms = {name: matrix @ term for name, term in self.terms.items()}
        return Affine(shape, matrix @ self.bias, terms)

    def plus(self, other: Affine, sign: float = 1.0) -> Affine:
        """``self + sign other``, of the same shape."""
        terms = dict(self.terms)
        for name, term in other.terms.items():
            terms[name] = terms[name] + sign * term if name in terms else sign * term
        return Affine(self.shape, self.bias + sign * other.bias, terms)

    def broadcast(self, shape: Shape) -> Affine:
        """The same value repeated along new leading axes."""
        if shape == self.shape:
            return self
        rows = np.arange(len(self.bias)).reshape(self.shape)
        picked = np.eye(len(self.bias))[np.broadcast_to(rows, shape).reshape(-1)]
        return self.mapped(picked, shape)


@dataclass(frozen=True)
class AffineGraph:
    """One step of a network between its functions.

    Parameters
    ----------
    functions : mapping
        For each node that is a function, in order: its op and its argument.
    states : mapping of Affine
        Each state after the step.
    output : Affine
    """

    functions: Mapping[str, tuple[str, Affine]]
    states: Mapping[str, Affine]
    output: Affine


def affine(graph: Graph) -> AffineGraph:
    """The affine sums of ``graph``.

    Raises
    ------
    UnsupportedOpError
        If two values that both depend on the input or a state are multiplied.
    """
    values = {name: Affine.constant(array) for name, array in graph.params.items()}
    values.update({name: Affine.source(name, shape) for name, shape in graph.states.items()})
    values[INPUT] = Affine.source(INPUT, (graph.n_in,))
    functions: dict[str, tuple[str, Affine]] = {}
    for node in graph.nodes:
        if node.op in FUNCTIONS:
            functions[node.name] = (node.op, values[node.inputs[0]])
            values[node.name] = Affine.source(node.name, node.shape)
        else:
            values[node.name] = _sum(node, [values[name] for name in node.inputs])
    states = {state: values[name] for state, name in graph.next_states.items()}
    return AffineGraph(functions, states, values[graph.output])


def _sum(node: Node, operands: list[Affine]) -> Affine:
    if node.op in ("add", "sub"):
        a, b = (operand.broadcast(node.shape) for operand in operands)
        return a.plus(b, 1.0 if node.op == "add" else -1.0)
    if node.op == "matvec":
        weight, x = operands
        if weight.terms:
            raise UnsupportedOpError(_product(node))
        # one block for each row of x
        rows = int(np.prod(x.shape[:-1]))
        matrix = np.kron(np.eye(rows), weight.bias.reshape(weight.shape)).astype(np.float64)
        return x.mapped(matrix, node.shape)
    if node.op == "mul":
        a, b = (operand.broadcast(node.shape) for operand in operands)
        if a.terms and b.terms:
            raise UnsupportedOpError(_product(node))
        constant, value = (b, a) if a.terms else (a, b)
        return value.mapped(np.diag(constant.bias), node.shape)
    if node.op == "scale":
        return operands[0].mapped(node.args[0] * np.eye(len(operands[0].bias)), node.shape)
    if node.op in ("split", "merge"):
        return Affine(node.shape, operands[0].bias, operands[0].terms)
    if node.op == "slice":
        return _slice(node, operands[0])
    raise GraphError(f"node {node.name!r}: {node.op!r} is no sum")


def _slice(node: Node, x: Affine) -> Affine:
    start, stop = (int(arg) for arg in node.args)
    rows = np.arange(len(x.bias)).reshape(x.shape)[..., start:stop].reshape(-1)
    return x.mapped(np.eye(len(x.bias))[rows], node.shape)


def _product(node: Node) -> str:
    return (
        f"node {node.name!r} multiplies two values that change from step to step ({node.op} of "
        f"{node.inputs[0]!r} and {node.inputs[1]!r}); a sum of spikes can be weighted by constants "
        "only, so that the gates of a LEM, GRU or LSTM have no such form"
    )
