"""A cell's step as a ``nengo.Network`` whose parts are the terms of the equations."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import nengo
import numpy as np

from edgemem.ir.graph import INPUT, Graph, Node, apply
from edgemem.networks.meaning import NengoOps, Operand, Param, Term, Value
from edgemem.ops import Array

_COMPUTING = frozenset({"sigmoid", "tanh", "relu", "mul"})


class LabelledNetwork(nengo.Network):  # type: ignore[misc]
    """A network with one part for each term that a cell labels, within the part of its cell.

    Parameters
    ----------
    label : str, optional
    seed : int, optional
    add_to_container : bool, optional

    Attributes
    ----------
    parts : dict of nengo.Network
        By label.
    """

    def __init__(
        self,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ) -> None:
        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        self.parts: dict[str, nengo.Network] = {}
        self._scopes: dict[str, nengo.Network] = {}

    def part(self, label: str | None) -> nengo.Network:
        """The part of a term; the network itself for none."""
        if label is None:
            return self
        if label not in self.parts:
            with self.scope(label):
                self.parts[label] = nengo.Network(label=last(label))
        return self.parts[label]

    def scope(self, name: str) -> nengo.Network:
        """The network of the cell, within a stack, to which a name belongs."""
        scope = name.rpartition(".")[0]
        if not scope:
            return self
        if scope not in self._scopes:
            with self:
                self._scopes[scope] = nengo.Network(label=scope)
        return self._scopes[scope]


class CellNetwork(LabelledNetwork):
    """A graph that computes one time step in each simulator step.

    The output of a simulator step answers the input of that same step. States start at zero and
    pass from step to step through connections with ``synapse=0``.

    Parameters
    ----------
    graph : Graph
        The step and its arrays.
    label : str, optional
        Name of the network.
    seed : int, optional
        Nengo's seed; the arrays do not depend on it.
    add_to_container : bool, optional
        Whether the network becomes part of the one whose ``with`` block encloses the call.

    Attributes
    ----------
    input : nengo.Node
        Size ``graph.n_in``.
    output : nengo.Node
        Size ``graph.n_out``.
    parts : dict of nengo.Network
        One for each term that the cell labels (gates, candidate, memory, hidden state), by that
        label; what it gives is its object of the same label.
    states : dict of nengo.Node
        The states *before* the step by name, flattened.
    trained : dict
        The Connection (its transform) or Ensemble (its bias) that carries each trained array.
        Weights that are fixed by the cell are marked as not trainable.
    """

    def __init__(
        self,
        graph: Graph,
        label: str | None = None,
        seed: int | None = None,
        add_to_container: bool | None = None,
    ) -> None:
        super().__init__(label=label, seed=seed, add_to_container=add_to_container)
        self.graph = graph
        self.states: dict[str, nengo.Node] = {}
        ops = NengoOps(self)
        self.trained: Mapping[str, Any] = ops.trained

        with self:
            self.input = nengo.Node(size_in=graph.n_in, label="input")
        for name, shape in graph.states.items():
            with self.scope(name):
                self.states[name] = nengo.Node(size_in=prod(shape), label=last(name))
        values = self._compute(ops)
        for name, after in graph.next_states.items():
            with self.scope(name):
                ops.connect(values[after], self.states[name], synapse=0)
        with self:
            self.output = nengo.Node(size_in=graph.n_out, label="output")
            ops.connect(values[graph.output], self.output)

    def _compute(self, ops: NengoOps) -> dict[str, Operand]:
        graph, parts = self.graph, owners(self.graph)
        given = {graph.output, *graph.next_states.values()}
        readers = graph.consumers()
        values: dict[str, Operand] = {
            **{
                name: Param(name, np.asarray(array), name not in graph.constants)
                for name, array in graph.params.items()
            },
            **{
                name: Value(tuple(graph.states[name]), (Term(node),))
                for name, node in self.states.items()
            },
            INPUT: Value((graph.n_in,), (Term(self.input),)),
        }
        for node in graph.nodes:
            with self.part(parts[node.name]):
                value = apply(ops, node, values)
                if node.labelled:
                    value = _named(ops, node, value)
                elif node.name in given or len(readers.get(node.name, ())) > 1:
                    value = ops.hold(value, "sum")
            values[node.name] = value
        return values


def read_params(network: CellNetwork, simulator: Any) -> dict[str, Array]:
    """The trained arrays as they are in a simulator now.

    Parameters
    ----------
    network : CellNetwork
        A network, or a part of the network, that the simulator runs.
    simulator : nengo.Simulator or nengo_dl.Simulator
        Open, if it is NengoDL's.

    Returns
    -------
    dict
        By the names and in the shapes of ``cell.params``; float64.
    """
    return {
        name: np.asarray(_read(carrier, simulator), dtype=np.float64).reshape(
            network.graph.params[name].shape
        )
        for name, carrier in network.trained.items()
    }


def _read(carrier: Any, simulator: Any) -> Array:
    is_bias = isinstance(carrier, nengo.Ensemble)
    live: Array
    if hasattr(simulator, "get_nengo_params"):
        live = simulator.get_nengo_params(carrier)["bias" if is_bias else "transform"]
    else:
        built = simulator.data[carrier]
        live = built.bias if is_bias else built.weights
    return live


def owners(graph: Graph) -> dict[str, str | None]:
    """The label of each node's part: its own, or that of the first node that reads it."""
    readers = graph.consumers()
    found: dict[str, str | None] = {}
    for node in reversed(graph.nodes):
        if node.labelled:
            found[node.name] = node.name
        else:
            first = readers.get(node.name, [None])[0]
            found[node.name] = None if first is None else found[first.name]
    return found


def _named(ops: NengoOps, node: Node, value: Operand) -> Value:
    if isinstance(value, Value) and value.held and node.op not in _COMPUTING:
        # a view of another object, which has its own label
        value = ops.scale(value, 1.0)
    return ops.label(value, last(node.name))


def last(name: str) -> str:
    """A name without those of the cells around it."""
    return name.rpartition(".")[2]
