"""A graph whose travelling values are counts of spikes, in floats that training differentiates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemem.ir import Graph, Node
from edgemem.ops import QUANTIZE, Array
from edgemem.spiking.populations import FUNCTIONS, Plan, Population, spikes_of


def amplitude_of(population: Population) -> str:
    """Name of the array of values that a spike in every step stands for."""
    return f"{population.name}:amplitude"


def inverse_of(population: Population) -> str:
    """Name of the array of inverse amplitudes."""
    return f"{population.name}:inverse"


def drive_of(population: Population) -> str:
    """Name of the value before it is sent."""
    sends_itself = population.function not in FUNCTIONS
    return population.name if sends_itself else f"{population.name}:drive"


def rate_of(population: Population) -> str:
    """Name of the counts of spikes, in shares of the steps of a window."""
    return f"{population.name}:rate"


def on_spikes(graph: Graph, plan: Plan, window: int) -> Graph:
    """One step of a network as it runs on spikes: the windows of a frame in closed form.

    A window of ``n`` steps sends ``N = round(v + n r)`` spikes for a drive ``x = a r``, each
    worth ``a / n``, and leaves the membrane ``v' = v + n r - N`` to the next frame, where the
    population carries it, as :func:`edgemem.spiking.fire.fire` says. Here all of it is in units
    of ``n``: ``r + v / n`` is rounded to a multiple of ``1 / n``.

    Parameters
    ----------
    graph : Graph
    plan : Plan
        What of it travels as spikes, and who reads them.
    window : int
        ``n``, steps of a window.

    Returns
    -------
    Graph
        With arrays of ones in place of the amplitudes ``a`` and their inverses. Membranes are
        states of it.
    """
    return _Rewriter(graph, plan, window).graph()


class _Rewriter:
    def __init__(self, graph: Graph, plan: Plan, window: int) -> None:
        self._graph = graph
        self._plan = plan
        self._window = float(window)
        self._nodes: list[Node] = []
        self._params: dict[str, Array] = {**graph.params, "one": np.ones(())}
        self._states: dict[str, str] = {}

    def graph(self) -> Graph:
        senders = {p.name: p for p in self._plan.populations}
        for name, population in senders.items():
            if name not in self._graph.producers():
                self._send(population)
        for node in self._graph.nodes:
            sender = senders.get(node.name)
            name = node.name if sender is None else drive_of(sender)
            self._nodes.append(replace(node, name=name, inputs=self._plan.reads[node.name]))
            if sender is not None:
                self._send(sender)
        self._states.update(self._plan.carried)
        shapes = {node.name: node.shape for node in self._nodes}
        return replace(
            self._graph,
            params=self._params,
            constants=self._graph.constants | {"one"},
            states={**self._graph.states, **{s: shapes[n] for s, n in self._states.items()}},
            nodes=tuple(self._nodes),
            next_states={**self._graph.next_states, **self._states},
        )

    def _send(self, population: Population) -> None:
        name, amplitude, inverse = population.name, amplitude_of(population), inverse_of(population)
        self._params[amplitude] = self._params[inverse] = np.ones(population.shape)
        r = self._add(population, "mul", f"{name}:r", drive_of(population), inverse)
        self._round(population, r)
        sent = name if drive_of(population) != name else spikes_of(name)
        self._add(population, "mul", sent, rate_of(population), amplitude)

    def _round(self, population: Population, r: str) -> None:
        name, shape, rate, n = population.name, population.shape, rate_of(population), self._window
        if not population.carries:
            self._nodes.append(Node(rate, QUANTIZE, (r,), shape, (1.0 / n, 0.0, -n, n)))
            return
        charge, membrane, left = f"{name}:charge", f"{name}.membrane", f"{name}:left"
        self._add(population, "add", charge, self._clipped(population, r), membrane)
        # with half a spike left over it is no more than the steps of a window, either
        args = (1.0 / n, 0.0, -n - 1.0, n + 1.0)
        self._nodes.append(Node(rate, QUANTIZE, (charge,), shape, args))
        self._states[membrane] = self._add(population, "sub", left, charge, rate)

    def _clipped(self, population: Population, r: str) -> str:
        """``clip(r, -1, 1) = relu(r + 1) - relu(r - 1) - 1``."""
        up, down, over = (f"{population.name}:{what}" for what in ("up", "down", "over"))
        self._add(population, "add", up, r, "one")
        self._add(population, "sub", down, r, "one")
        self._add(population, "relu", f"{up}:relu", up)
        self._add(population, "relu", f"{down}:relu", down)
        self._add(population, "sub", over, f"{up}:relu", f"{down}:relu")
        return self._add(population, "sub", f"{population.name}:clipped", over, "one")

    def _add(self, population: Population, op: str, name: str, *inputs: str) -> str:
        self._nodes.append(Node(name, op, inputs, population.shape))
        return name
