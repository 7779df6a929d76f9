"""What of a network travels as spikes, who reads the spikes, and in which order they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from edgemem.ir import INPUT, Graph, Node

FUNCTIONS = frozenset({"tanh", "sigmoid", "relu"})
"""Ops whose result is what a unit sends."""

IDENTITY = "identity"
"""The function of a unit that sends what its membrane holds."""

_LAYOUT = frozenset({"split", "merge", "slice"})
_AFFINE = frozenset({"add", "sub", "mul"})


@dataclass(frozen=True)
class Population:
    """Units that send one value as spikes.

    Parameters
    ----------
    name : str
        The value, by its name in the graph.
    function : {"tanh", "sigmoid", "relu", "identity"}
        From the charge of a unit's membrane to its rate.
    shape : tuple of int
        Of the value.
    stage : int
        In which of the frame's windows its units fire, from 1.
    carries : bool
        Whether membranes keep from frame to frame what they did not send. Where a product adds the
        spikes up in a state, what is late by a frame is not lost; where a matrix reads them, it
        would only add to the next frame's error.
    """

    name: str
    function: str
    shape: tuple[int, ...]
    stage: int
    carries: bool

    @property
    def size(self) -> int:
        """Number of units."""
        return prod(self.shape)


def spikes_of(name: str) -> str:
    """What the spikes of a value say of it, where its units also hold it."""
    return f"{name}:spikes"


@dataclass(frozen=True)
class Plan:
    """How a graph runs on spikes.

    Parameters
    ----------
    populations : tuple of Population
        In order of computation.
    reads : mapping
        For each node the names that it reads: those of the graph, or :func:`spikes_of` them.
    carried : mapping
        States beside those of the graph: spikes of the frame before, and what they come from.
    terms : tuple of str
        Labelled values, and whatever else travels as spikes.
    """

    populations: tuple[Population, ...]
    reads: Mapping[str, tuple[str, ...]]
    carried: Mapping[str, str]
    terms: tuple[str, ...]

    @property
    def depth(self) -> int:
        """Populations that wait for each other within a frame, one after the other; at least 1."""
        return max((p.stage for p in self.populations), default=1)


def plan(graph: Graph, input_spikes: bool = False) -> Plan:
    """What of ``graph`` travels as spikes.

    Units with a function (tanh, sigmoid, ReLU) send spikes, and all their readers read those.
    Whatever else holds a state or a product sends spikes where a matrix reads it; its own update,
    products and sums read what its membrane holds. Sums of spikes are membranes: they pass on to
    the next matrix as they are.

    Parameters
    ----------
    graph : Graph
    input_spikes : bool
        Whether the input is sent as spikes as well; otherwise it is a current.
    """
    return _Planner(graph, input_spikes).plan()


def populations(graph: Graph, input_spikes: bool = False) -> tuple[Population, ...]:
    """The populations of :func:`plan`."""
    return plan(graph, input_spikes).populations


class _Planner:
    def __init__(self, graph: Graph, input_spikes: bool) -> None:
        self._graph = graph
        self._consumers = graph.consumers()
        self._shapes = graph.shapes()
        self._synaptic: dict[str, bool] = {}
        self._held = _held_states(graph) | ({INPUT} if input_spikes else set())
        self._reads: dict[str, tuple[str, ...]] = {}
        self._senders: dict[str, str] = {}
        self._carried: dict[str, str] = {}

    def plan(self) -> Plan:
        for node in self._graph.nodes:
            self._reads[node.name] = tuple(self._read(name, node) for name in node.inputs)
            if self._holds(node):
                self._held.add(node.name)
        stages = self._stages()
        found = tuple(
            Population(
                name,
                self._senders[name],
                self._shapes[name],
                stages[name],
                self._senders[name] != IDENTITY and self._is_factor(name),
            )
            for name in (INPUT, *(node.name for node in self._graph.nodes))
            if name in self._senders
        )
        labelled = [node.name for node in self._graph.nodes if node.labelled]
        terms = tuple(dict.fromkeys([*labelled, *(p.name for p in found)]))
        return Plan(found, self._reads, self._carried, terms)

    def _read(self, name: str, reader: Node) -> str:
        """What ``reader`` reads of ``name``; whoever has to send spikes for it becomes a sender."""
        if name not in self._held or not self._is_synaptic(reader):
            return name
        sender = self._graph.next_states.get(name, name)
        self._senders.setdefault(sender, IDENTITY)
        if sender != name:
            self._carried[spikes_of(name)] = spikes_of(sender)
        return spikes_of(name)

    def _holds(self, node: Node) -> bool:
        """Whether a value is more than a sum of spikes and currents."""
        if node.op in FUNCTIONS:
            self._senders[node.name] = node.op
            return False
        return self._is_product(node) or any(n in self._held for n in self._reads[node.name])

    def _is_synaptic(self, reader: Node) -> bool:
        """Whether a node leads to a matrix by nothing but layout, gains and offsets."""
        if reader.name not in self._synaptic:
            straight = reader.op in _LAYOUT or reader.op == "scale"
            affine = reader.op in _AFFINE and any(n in self._graph.params for n in reader.inputs)
            self._synaptic[reader.name] = reader.op == "matvec" or (
                (straight or affine)
                and any(self._is_synaptic(r) for r in self._consumers.get(reader.name, []))
            )
        return self._synaptic[reader.name]

    def _is_factor(self, name: str) -> bool:
        """Whether a product reads a value, or a sum or multiple of it."""
        for reader in self._consumers.get(name, []):
            if self._is_product(reader):
                return True
            if reader.op not in ("matvec", *FUNCTIONS) and self._is_factor(reader.name):
                return True
        return False

    def _is_product(self, node: Node) -> bool:
        return node.op == "mul" and not any(n in self._graph.params for n in node.inputs)

    def _stages(self) -> dict[str, int]:
        ready: dict[str, int] = {}
        stages: dict[str, int] = {}
        if INPUT in self._senders:
            stages[INPUT] = ready[spikes_of(INPUT)] = 1
        for node in self._graph.nodes:
            complete = max((ready.get(name, 0) for name in self._reads[node.name]), default=0)
            ready[node.name] = complete
            if node.name in self._senders:
                stages[node.name] = complete + 1
                sent = node.name if node.op in FUNCTIONS else spikes_of(node.name)
                ready[sent] = complete + 1
        return stages


def _held_states(graph: Graph) -> set[str]:
    """States that membranes hold: all but those that are what units sent, or the input was."""
    producers = graph.producers()
    return {
        state
        for state, after in graph.next_states.items()
        if after in producers and producers[after].op not in FUNCTIONS
    }
