"""Frames of a spiking network, batched: window by window in closed form, not step by step.

A population's drive is complete and constant within its window, so that what it sends there has a
closed form (:mod:`edgemem.spiking.fire`). The counts are those of a simulation step by step, which
:mod:`edgemem.networks.spiking` runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Activity, Counts, Execution, check_sequences
from edgemem.errors import check_known
from edgemem.ir import INPUT, Node
from edgemem.ops import Array, FloatOps
from edgemem.spiking.fanout import dense_macs, fan_out
from edgemem.spiking.fire import fire, spike_times
from edgemem.spiking.network import SpikingNetwork
from edgemem.spiking.populations import FUNCTIONS, Population, spikes_of

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """What the units of a population did in their window.

    Parameters
    ----------
    before : array
        Membranes before it, in spikes.
    rate : array
        Spikes per step.
    sent : array
        Spikes, with their sign.
    """

    before: Array
    rate: Array
    sent: Array


@dataclass(frozen=True)
class Frame:
    """One time step of the network.

    Parameters
    ----------
    values : mapping of array
        Everything that has a name in the graph, and :func:`~edgemem.spiking.spikes_of` populations.
    windows : mapping of Window
        By population.
    """

    values: dict[str, Array]
    windows: dict[str, Window] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What is left after a frame.

    Parameters
    ----------
    values : mapping of array
        States of the graph, and spikes of the frame before.
    membranes : mapping of array
        Of each population, in spikes: what it did not send (code ``rate``), or the sum of what it
        sent (``delta``).
    """

    values: Mapping[str, Array]
    membranes: Mapping[str, Array]


class Frames:
    """Runs a spiking network frame by frame.

    Parameters
    ----------
    network : SpikingNetwork
    """

    def __init__(self, network: SpikingNetwork) -> None:
        self._network = network
        self._ops = FloatOps()
        self._populations = {p.name: p for p in network.populations}

    def start(self, batch: tuple[int, ...] = ()) -> State:
        """Zero states and empty membranes."""
        graph, shapes = self._network.graph, self._network.graph.shapes()
        carried = {name: name.partition(":")[0] for name in self._network.plan.carried}
        return State(
            {
                **graph.zero_state(batch),
                **{name: np.zeros(batch + shapes[state]) for name, state in carried.items()},
            },
            {p.name: np.zeros(batch + p.shape) for p in self._network.populations},
        )

    def step(self, state: State, x: Array) -> tuple[State, Frame]:
        """One frame.

        Parameters
        ----------
        state : State
        x : (..., n_in) array
        """
        network = self._network
        frame = Frame({**network.graph.params, **state.values, INPUT: x})
        membranes: dict[str, Array] = {}
        if INPUT in self._populations:
            membranes[INPUT] = self._send(self._populations[INPUT], x, state, frame)
        for node in network.graph.nodes:
            value = self._value(node, frame.values)
            population = self._populations.get(node.name)
            frame.values[node.name] = value
            if population is not None:
                membranes[node.name] = self._send(population, value, state, frame)
        after = {**network.graph.next_states, **network.plan.carried}
        return State({s: frame.values[name] for s, name in after.items()}, membranes), frame

    def _value(self, node: Node, values: Mapping[str, Array]) -> Array:
        reads = (values[name] for name in self._network.plan.reads[node.name])
        return np.asarray(getattr(self._ops, node.op)(*reads, *node.args))

    def _send(self, population: Population, value: Array, state: State, frame: Frame) -> Array:
        """Let a population fire; returns its membranes after the window."""
        network, name = self._network, population.name
        per_spike = network.amplitudes[name] / network.window
        if network.code == "delta":
            window, total = _send_change(value / per_spike, state.membranes[name], network.window)
            after = total
        else:
            rest = state.membranes[name] if population.carries else np.zeros(np.shape(value))
            window, after = _send_value(value / per_spike, rest, network.window)
            total = window.sent
        frame.windows[name] = window
        said = name if population.function in FUNCTIONS else spikes_of(name)
        frame.values[said] = total * per_spike
        return after


def _send_change(value: Array, total: Array, steps: int) -> tuple[Window, Array]:
    """What ``value`` differs from all that was sent, everything in spikes; the new total."""
    rest = np.zeros(np.shape(value))
    rate = np.clip((value - total) / steps, -1.0, 1.0)
    sent, _ = fire(rest, rate, steps)
    return Window(rest, rate, sent), total + sent


def _send_value(value: Array, rest: Array, steps: int) -> tuple[Window, Array]:
    """``value`` on top of what is left, everything in spikes; what is left then."""
    rate = np.clip(value / steps, -1.0, 1.0)
    sent, left = fire(rest, rate, steps)
    return Window(rest, rate, sent), left


def simulate(network: SpikingNetwork, x: Features, probes: Sequence[str] = ()) -> Execution:
    """Run sequences, each from the zero state.

    Parameters
    ----------
    network : SpikingNetwork
    x : (n, t, n_in) float32 array
    probes : sequence of str
        Among ``network.probes``.

    Returns
    -------
    Execution
        Probes of units with a function are what their spikes say, others what membranes hold.

    Raises
    ------
    UnknownNameError
        If a probe does not exist.
    ShapeError
        If ``x`` has another shape.
    """
    check_known("probe", probes, network.probes)
    check_sequences(x, network.n_in)
    frames = Frames(network)
    state = frames.start((len(x),))
    sent = {p.name: np.zeros(p.size, np.int64) for p in network.populations}
    outputs: list[Array] = []
    seen: dict[str, list[Array]] = {name: [] for name in probes}
    spikes: dict[str, list[NDArray[np.int8]]] = {name: [] for name in probes if name in sent}
    for t in range(x.shape[1]):
        state, frame = frames.step(state, np.asarray(x[:, t], np.float64))
        outputs.append(frame.values[network.graph.output])
        for name, window in frame.windows.items():
            magnitude = np.abs(window.sent).reshape(len(x), -1)
            sent[name] += magnitude.sum(axis=0).astype(np.int64)
        for name, values in seen.items():
            values.append(frame.values[name])
        for name, trains in spikes.items():
            trains.append(_train(network, name, frame.windows[name]))
    return Execution(
        np.stack(outputs, axis=1).astype(np.float32),
        counted(network, sent, len(x) * x.shape[1]),
        activities(network, sent, len(x) * x.shape[1]),
        {name: np.stack(values, axis=1) for name, values in seen.items()},
        {name: np.stack(trains, axis=1) for name, trains in spikes.items()},
    )


def counted(network: SpikingNetwork, sent: Mapping[str, NDArray[Any]], frames: int) -> Counts:
    """What ``frames`` frames took in which units sent ``sent`` spikes.

    Units are visited in every step; those outside their window count as idle.
    """
    fans = fan_out(network.graph, network.plan)
    units = sum(p.size for p in network.populations)
    return Counts(
        frames=frames,
        synaptic_operations=sum(int(sent[name] @ fan) for name, fan in fans.items()),
        macs=frames * dense_macs(network.graph, network.plan),
        active_updates=frames * units * network.window,
        idle_updates=frames * units * (network.steps - network.window),
        messages=sum(int(count.sum()) for count in sent.values()),
    )


def activities(
    network: SpikingNetwork, sent: Mapping[str, NDArray[Any]], frames: int
) -> tuple[Activity, ...]:
    """What each population did in ``frames`` frames."""
    return tuple(
        Activity(p.name, sent[p.name], frames * network.window, frames * network.hop)
        for p in network.populations
    )


def _train(network: SpikingNetwork, name: str, window: Window) -> NDArray[np.int8]:
    """Spikes of each step of a frame, (n, steps, n_units)."""
    population = next(p for p in network.populations if p.name == name)
    n = len(window.rate)
    before, rate = (a.reshape(n, -1) for a in (window.before, window.rate))
    train = np.zeros((n, network.steps, population.size), np.int8)
    start = (population.stage - 1) * network.window
    train[:, start : start + network.window] = spike_times(before, rate, network.window)
    return train
