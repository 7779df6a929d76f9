"""A graph whose travelling values are counts of spikes, in floats that training differentiates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgemem.ir import Graph, Node
from edgemem.ops import QUANTIZE, Array

UNITS = frozenset({"sigmoid", "tanh", "relu"})
LAYOUT = frozenset({"split", "merge", "slice"})


@dataclass(frozen=True)
class Population:
    """A value that travels as spikes.

    Parameters
    ----------
    name : str
        The value, as it leaves its units.
    before : str
        The same value one step earlier, where a state holds it; else empty.
    """

    name: str
    before: str = ""

    @property
    def amplitude(self) -> str:
        """Name of the array of values that one spike in every step stands for."""
        return f"{self.name}:amplitude"

    @property
    def inverse(self) -> str:
        return f"{self.name}:inverse"

    @property
    def counts(self) -> str:
        """Name of the value in shares of its amplitude, rounded to whole spikes."""
        return f"{self.name}:counts"


def populations(graph: Graph) -> tuple[Population, ...]:
    """What travels as spikes: units with a function, and states that synapses read."""
    before = {after: state for state, after in graph.next_states.items()}
    found = []
    for node in graph.nodes:
        if node.op in UNITS:
            found.append(Population(node.name))
        elif node.name in before and _travels(graph, node.name):
            found.append(Population(node.name, before[node.name]))
    return tuple(found)


def on_spikes(graph: Graph, travelling: Sequence[Population], window: int) -> Graph:
    """``graph`` with every travelling value as a count of spikes, each a share of an amplitude.

    Parameters
    ----------
    graph : Graph
    travelling : sequence of Population
    window : int
        Most spikes of a unit in a frame.

    Returns
    -------
    Graph
        With an array of amplitudes for each population, and one of their inverses, as ones.
    """
    return _Rewriter(graph, travelling, window).graph()


class _Rewriter:
    def __init__(self, graph: Graph, travelling: Sequence[Population], window: int) -> None:
        self._graph = graph
        self._window = window
        self._shapes = graph.shapes()
        self._of = {p.name: p for p in travelling}
        self._nodes: list[Node] = []
        self._held = {name for p in travelling if p.before for name in (p.name, p.before)}
        self._spikes: dict[str, str] = {}
        self._more: dict[str, str] = {}  # states beside those of the network

    def graph(self) -> Graph:
        for population in self._of.values():
            if population.before:
                # what was sent in the frame before is what synapses still read
                sent = f"{population.before}.sent"
                self._spikes[population.before] = sent
                self._more[sent] = f"{population.name}:spikes"
        for node in self._graph.nodes:
            inputs = tuple(self._read(name, node) for name in node.inputs)
            self._nodes.append(replace(node, inputs=inputs))
            self._emit(node.name)
        one = np.ones(())
        arrays = {name: one for p in self._of.values() for name in (p.amplitude, p.inverse)}
        params = {**self._graph.params, **arrays}
        shapes = {node.name: node.shape for node in self._nodes}
        return replace(
            self._graph,
            params=params,
            states={**self._graph.states, **{r: shapes[n] for r, n in self._more.items()}},
            nodes=tuple(self._nodes),
            next_states={**self._graph.next_states, **self._more},
        )

    def _read(self, name: str, reader: Node) -> str:
        if name not in self._spikes:
            return name
        # a state's own update reads what the unit holds, not what it sent
        holds = name in self._held and not _synaptic(self._graph, reader)
        return name if holds else self._spikes[name]

    def _emit(self, name: str) -> None:
        population = self._of.get(name)
        if population is None:
            return
        shape, window = self._shapes[name], float(self._window)
        scaled, charge, counts, left, spikes = (
            f"{name}:{what}" for what in ("scaled", "charge", "counts", "left", "spikes")
        )
        # what a window could not send is carried into the next frame
        self._nodes += [
            Node(scaled, "mul", (name, population.inverse), shape),
            Node(charge, "add", (scaled, f"{name}.residual"), shape),
            Node(counts, QUANTIZE, (charge,), shape, (1.0 / window, 0.0, -window, window)),
            Node(left, "sub", (charge, counts), shape),
            Node(spikes, "mul", (counts, population.amplitude), shape),
        ]
        self._more[f"{name}.residual"] = left
        self._spikes[name] = spikes


def _readers(graph: Graph, name: str) -> list[Node]:
    return graph.consumers().get(name, [])


def _travels(graph: Graph, name: str) -> bool:
    return any(_synaptic(graph, reader) for reader in _readers(graph, name))


def _synaptic(graph: Graph, reader: Node) -> bool:
    """Whether what a node reads goes on through synapses: to a product, laid out or scaled."""
    if reader.op == "matvec":
        return True
    affine = reader.op in ("mul", "add") and any(name in graph.params for name in reader.inputs)
    if reader.op not in LAYOUT and not affine:
        return False
    return any(_synaptic(graph, after) for after in _readers(graph, reader.name))


def stages(graph: Graph, travelling: Sequence[Population]) -> int:
    """Windows that a frame needs: populations that wait for each other, one after the other."""
    names = {p.name for p in travelling}
    depth: dict[str, int] = {}
    for node in graph.nodes:
        reached = max((depth.get(name, 0) for name in node.inputs), default=0)
        depth[node.name] = reached + (node.name in names)
    return max(depth.values(), default=1)


def amplitudes(peaks: Mapping[str, Array], travelling: Sequence[Population]) -> dict[str, float]:
    """The greatest magnitude of each population."""
    return {p.name: max(float(peaks[p.name].max()), 1e-6) for p in travelling}
