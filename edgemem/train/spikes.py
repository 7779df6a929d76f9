"""A graph whose travelling values are counts of spikes, in floats that training differentiates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemem.ir import Graph, Node
from edgemem.ops import QUANTIZE, Array
from edgemem.spiking.network import SpikingNetwork
from edgemem.spiking.populations import FUNCTIONS, Population, spikes_of

ONE = "one"
"""Name of the number in a graph that clips."""

FAR = 2.0**24
"""Whole numbers up to here are told apart in single floats."""


def amplitude_of(population: Population) -> str:
    """Name of the array of what a spike in every step of a window stands for."""
    return f"{population.name}:amplitude"


def inverse_of(population: Population) -> str:
    """Name of the array of inverse amplitudes."""
    return f"{population.name}:inverse"


def drive_of(population: Population) -> str:
    """Name of the value before it is sent."""
    sends_itself = population.function not in FUNCTIONS
    return population.name if sends_itself else f"{population.name}:drive"


def wanted_of(population: Population) -> str:
    """Name of the rate at which a window should fire: 1 for a spike in every step."""
    return f"{population.name}:wanted"


def rate_of(population: Population) -> str:
    """Name of the rate at which it fires, a multiple of one over its steps."""
    return f"{population.name}:rate"


def on_spikes(network: SpikingNetwork) -> Graph:
    """One step of a network as it runs on spikes: the windows of a frame in closed form.

    Everything is in units of amplitudes ``a``, for a drive ``x = a r``, a window of ``n`` steps
    and counts of spikes ``N = n q``; rounding is to multiples of ``1 / n``. By the code ``delta``
    receivers hold ``t = round(r)``, and a window sends ``q = t - t'`` after the ``t'`` of the
    frame before. By ``rate`` it sends ``q = round(clip(r) + v)``, and leaves
    ``v' = clip(r) + v - q`` to the next frame, where the population carries it.

    Two things are left out that a simulation has. A fixed matrix of a memory reads what the
    memory holds, not what it sent: so the memory stays linear, and training need not go through it
    step by step. And changes larger than ``a``, which take more than one frame, take one.

    Parameters
    ----------
    network : SpikingNetwork

    Returns
    -------
    Graph
        With arrays of ones in place of the amplitudes and their inverses. The sums ``t``, or the
        membranes ``v``, are states of it.
    """
    return _Rewriter(network).graph()


class _Rewriter:
    def __init__(self, network: SpikingNetwork) -> None:
        self._graph = network.graph
        self._plan = network.plan
        self._code = network.code
        self._n = float(network.window)
        self._nodes: list[Node] = []
        self._params: dict[str, Array] = dict(self._graph.params)
        self._states: dict[str, str] = {}

    def graph(self) -> Graph:
        senders = {p.name: p for p in self._plan.populations}
        for name, population in senders.items():
            if name not in self._graph.producers():
                self._send(population)
        for node in self._graph.nodes:
            sender = senders.get(node.name)
            name = node.name if sender is None else drive_of(sender)
            self._nodes.append(replace(node, name=name, inputs=self._reads(node)))
            if sender is not None:
                self._send(sender)
        read = {name for node in self._nodes for name in node.inputs}
        self._states.update({s: n for s, n in self._plan.carried.items() if s in read})
        shapes = {node.name: node.shape for node in self._nodes}
        return replace(
            self._graph,
            params=self._params,
            constants=self._graph.constants | (self._params.keys() & {ONE}),
            states={**self._graph.states, **{s: shapes[n] for s, n in self._states.items()}},
            nodes=tuple(self._nodes),
            next_states={**self._graph.next_states, **self._states},
        )

    def _reads(self, node: Node) -> tuple[str, ...]:
        reads = self._plan.reads[node.name]
        fixed = node.op == "matvec" and node.inputs[0] in self._graph.constants
        return node.inputs if fixed and reads[1] in self._plan.carried else reads

    def _send(self, population: Population) -> None:
        amplitude, inverse = amplitude_of(population), inverse_of(population)
        self._params[amplitude] = self._params[inverse] = np.ones(population.shape)
        said = self._change(population) if self._code == "delta" else self._value(population)
        name = population.name
        sent = name if drive_of(population) != name else spikes_of(name)
        self._add(population, "mul", sent, said, amplitude)

    def _change(self, population: Population) -> str:
        """Round the value, and say what it changed by; returns what receivers hold."""
        r, before, held = (f"{population.name}{what}" for what in (":r", ".before", ":held"))
        self._add(population, "mul", r, drive_of(population), inverse_of(population))
        self._round(population, held, r, FAR)
        self._add(population, "sub", wanted_of(population), r, before)
        self._states[before] = held
        self._add(population, "sub", rate_of(population), held, before)
        return held

    def _value(self, population: Population) -> str:
        """Round the value; returns what was sent of it."""
        name, r, rate = population.name, wanted_of(population), rate_of(population)
        self._add(population, "mul", r, drive_of(population), inverse_of(population))
        if not population.carries:
            return self._round(population, rate, r, self._n)
        charge, membrane, left = f"{name}:charge", f"{name}.membrane", f"{name}:left"
        self._add(population, "add", charge, self._clipped(population, r), membrane)
        # with half a spike left over it is no more than the steps of a window, either
        self._round(population, rate, charge, self._n + 1.0)
        self._states[membrane] = self._add(population, "sub", left, charge, rate)
        return rate

    def _clipped(self, population: Population, r: str) -> str:
        """``clip(r, -1, 1) = relu(r + 1) - relu(r - 1) - 1``."""
        self._params[ONE] = np.ones(())
        up, down, over = (f"{population.name}:{what}" for what in ("up", "down", "over"))
        self._add(population, "add", up, r, ONE)
        self._add(population, "sub", down, r, ONE)
        self._add(population, "relu", f"{up}:relu", up)
        self._add(population, "relu", f"{down}:relu", down)
        self._add(population, "sub", over, f"{up}:relu", f"{down}:relu")
        return self._add(population, "sub", f"{population.name}:clipped", over, ONE)

    def _round(self, population: Population, name: str, value: str, most: float) -> str:
        args = (1.0 / self._n, 0.0, -most, most)
        self._nodes.append(Node(name, QUANTIZE, (value,), population.shape, args))
        return name

    def _add(self, population: Population, op: str, name: str, *inputs: str) -> str:
        self._nodes.append(Node(name, op, inputs, population.shape))
        return name
