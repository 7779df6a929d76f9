"""Synapses behind each unit of a population, and products that no spike takes part in."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from edgemem.ir import Graph, Node
from edgemem.ir.graph import apply
from edgemem.ops import FloatOps
from edgemem.spiking.populations import FUNCTIONS, IDENTITY, Plan, Population, spikes_of

_WIRES = frozenset({"add", "sub", "scale", "split", "merge", "slice"})
_LAYOUT = frozenset({"split", "merge", "slice"})

Places = NDArray[np.int64]


def fan_out(graph: Graph, plan: Plan) -> dict[str, NDArray[np.int64]]:
    """Accumulators that a spike of each unit adds something to, by population.

    A matrix counts with the weights that are not zero; a product with one, since a spike of one
    factor adds the other as it stands; a membrane with one.

    Returns
    -------
    dict of (n_units,) int array
    """
    return {p.name: _Walk(graph, plan, p).counts for p in plan.populations}


def dense_macs(graph: Graph, plan: Plan) -> int:
    """Multiply-accumulates of a frame in matrices whose input no population sends."""
    shapes = graph.shapes()
    spiking = {name for p in plan.populations for name in _Walk(graph, plan, p).wires}
    return sum(
        prod(node.shape) * shapes[node.inputs[0]][1]
        for node in graph.nodes
        if node.op == "matvec" and plan.reads[node.name][1] not in spiking
    )


class _Walk:
    """Follows the spikes of one population along the nodes that pass them on one by one."""

    def __init__(self, graph: Graph, plan: Plan, population: Population) -> None:
        self._graph = graph
        self._plan = plan
        self._shapes = graph.shapes()
        self.counts: NDArray[np.int64] = np.zeros(population.size, np.int64)
        self.wires: set[str] = set()
        units = np.arange(population.size).reshape(population.shape)
        for name in _names(graph, plan, population):
            self._follow(name, units)

    def _follow(self, name: str, units: Places) -> None:
        self.wires.add(name)
        for node in self._graph.nodes:
            for place, read in enumerate(self._plan.reads[node.name]):
                if read == name:
                    self._reach(node, place, units)
        if name in (self._graph.output, *self._graph.next_states.values()):
            self._add(units, 1)

    def _reach(self, node: Node, place: int, units: Places) -> None:
        if node.op == "matvec":
            synapses = np.count_nonzero(self._graph.params[node.inputs[0]], axis=0)
            self._add(units, np.broadcast_to(synapses, units.shape))
        elif node.op in _WIRES or self._is_gain(node):
            self._follow(node.name, self._laid_out(node, units))
        else:
            self._add(np.broadcast_to(units, node.shape), 1)

    def _is_gain(self, node: Node) -> bool:
        return node.op == "mul" and any(name in self._graph.params for name in node.inputs)

    def _laid_out(self, node: Node, units: Places) -> Places:
        if node.op in _LAYOUT:
            moved = apply(FloatOps(), node, {node.inputs[0]: np.asarray(units, float)})
            return np.asarray(moved, np.int64)
        return np.broadcast_to(units, node.shape)

    def _add(self, units: Places, count: int | NDArray[np.int64]) -> None:
        np.add.at(self.counts, units, count)


def _names(graph: Graph, plan: Plan, population: Population) -> list[str]:
    """Under which names the spikes are read: those of this frame and of the one before."""
    name = population.name
    own = name if population.function in FUNCTIONS else spikes_of(name)
    later = [state for state, source in plan.carried.items() if source == own]
    if population.function != IDENTITY:
        later += [state for state, after in graph.next_states.items() if after == name]
    return [own, *later]
