"""One time step of a network as a straight-line graph of ops."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from edgemem.errors import GraphError
from edgemem.ops import OP_NAMES, QUANTIZE, Array, FloatOps, Ops

T = TypeVar("T")

Shape = tuple[int, ...]

INPUT = "x"
"""Name of the one input."""


@dataclass(frozen=True)
class Node:
    """One op: single assignment to ``name``.

    Parameters
    ----------
    name : str
        Name of the result.
    op : str
        One of :data:`edgemem.ops.OP_NAMES`, or :data:`edgemem.ops.QUANTIZE`.
    inputs : tuple of str
        Names of params, states, the input, or earlier nodes.
    shape : tuple of int
        Shape of the result, without batch axes.
    args : tuple of number
        Static arguments after the inputs: the factor of a ``scale``, the rows of a ``split``,
        start and stop of a ``slice``; scale, zero point, lowest and highest integer of a
        ``quantize``.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: Shape
    args: tuple[float, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether a cell gave the node its name; tracer and passes number theirs."""
        return re.fullmatch(rf"{self.op}[_.]\d+", self.name) is None


@dataclass(frozen=True)
class Graph:
    """One time step of a network, free of any framework.

    Parameters
    ----------
    n_in : int
        Size of the input.
    params : mapping
        Arrays by name, trained and fixed alike.
    constants : frozenset of str
        The names among ``params`` that are fixed by hyper-parameters.
    states : mapping
        Shapes of the states by name.
    nodes : tuple of Node
        In an order in which each can be computed.
    next_states : mapping
        For each state, the name of its value after the step.
    output : str
        The name of the output.
    """

    n_in: int
    params: Mapping[str, Array]
    constants: frozenset[str]
    states: Mapping[str, Shape]
    nodes: tuple[Node, ...]
    next_states: Mapping[str, str]
    output: str

    def __post_init__(self) -> None:
        known = {INPUT, *self.params, *self.states}
        for node in self.nodes:
            if node.op not in OP_NAMES and node.op != QUANTIZE:
                raise GraphError(f"node {node.name!r}: unknown op {node.op!r}")
            missing = [name for name in node.inputs if name not in known]
            if missing:
                raise GraphError(
                    f"node {node.name!r} reads {missing[0]!r}, which comes later or never"
                )
            if node.name in known:
                raise GraphError(f"node {node.name!r} is assigned twice")
            known.add(node.name)
        dangling = {self.output, *self.next_states.values()} - known
        if dangling:
            raise GraphError(
                f"the graph gives back {sorted(dangling)[0]!r}, which it never computes"
            )
        if set(self.next_states) != set(self.states):
            raise GraphError("every state needs a value after the step, and only states have one")

    @property
    def n_out(self) -> int:
        return self.shapes()[self.output][-1]

    def shapes(self) -> dict[str, Shape]:
        """Shape of everything that has a name, without batch axes."""
        return {
            INPUT: (self.n_in,),
            **{name: tuple(array.shape) for name, array in self.params.items()},
            **self.states,
            **{node.name: node.shape for node in self.nodes},
        }

    def producers(self) -> dict[str, Node]:
        """The node behind each name that a node computes."""
        return {node.name: node for node in self.nodes}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each name."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        return readers

    def run(
        self, ops: Ops[T], params: Mapping[str, T], states: Mapping[str, T], x: T
    ) -> dict[str, T]:
        """The value of everything that has a name, under the meaning that ``ops`` gives."""
        values: dict[str, T] = {**params, **states, INPUT: x}
        for node in self.nodes:
            values[node.name] = apply(ops, node, values)
        return values

    def evaluate(
        self, ops: Ops[T], params: Mapping[str, T], states: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        """States after one step and the output, under the meaning that ``ops`` gives."""
        values = self.run(ops, params, states, x)
        return {state: values[name] for state, name in self.next_states.items()}, values[
            self.output
        ]

    def zero_state(self, batch: Shape = ()) -> dict[str, Array]:
        """States before the first step, each of shape ``batch`` + its own."""
        return {name: np.zeros(batch + shape) for name, shape in self.states.items()}

    def scan(
        self, x: Array, states: Mapping[str, Array] | None = None
    ) -> tuple[Array, dict[str, Array]]:
        """Outputs over a sequence in float arithmetic, and the states after it.

        Parameters
        ----------
        x : (..., n_steps, n_in) array
        states : mapping, optional
            States before the first step; zero without it.

        Returns
        -------
        y : (..., n_steps, n_out) array
        states : dict
        """
        ops = FloatOps()
        after = dict(states) if states is not None else self.zero_state(x.shape[:-2])
        outputs = []
        for t in range(x.shape[-2]):
            after, y = self.evaluate(ops, self.params, after, x[..., t, :])
            outputs.append(y)
        return np.stack(outputs, axis=-2), after

    def with_params(self, params: Mapping[str, Array]) -> Graph:
        """The same step over other arrays."""
        return replace(self, params=dict(params))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON values: :func:`edgemem.ir.stored.read_graph`."""
        return {
            "n_in": self.n_in,
            "constants": sorted(self.constants),
            "states": {name: list(shape) for name, shape in self.states.items()},
            "nodes": [
                [n.name, n.op, list(n.inputs), list(n.shape), list(n.args)] for n in self.nodes
            ],
            "next_states": dict(self.next_states),
            "output": self.output,
        }


def apply(ops: Ops[T], node: Node, values: Mapping[str, T]) -> T:
    """The value of one node from the values before it."""
    result: T = getattr(ops, node.op)(*(values[name] for name in node.inputs), *node.args)
    return result
