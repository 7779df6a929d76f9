"""What a run cost: messages, synaptic operations, updates, traffic with memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Activity, Counts

from .elements import OUTSIDE
from .machine import STATE_BITS
from .network import GradedNetwork

Sent = Mapping[str, NDArray[np.int64]]
Route = Callable[[Mapping[str, NDArray[Any]]], tuple[int, int]]

ACCUMULATOR_BYTES = STATE_BITS // 8


def activities(network: GradedNetwork, sent: Sent, frames: int) -> tuple[Activity, ...]:
    """Messages of each unit, the input first, of each population that sends any.

    Parameters
    ----------
    network : GradedNetwork
    sent : mapping of (parts, n) int array
        Messages of each element, by the tensor that is sent, over all sequences.
    frames : int
        Frames, over all sequences.
    """
    chances = {network.program.input: _chances(network, (network.program.input,))}
    chances |= {p.name: _chances(network, p.tensors) for p in network.populations}
    return tuple(
        Activity(name, messages, frames * chances[name])
        for name, messages in messages_of_units(network, sent).items()
        if chances[name]
    )


def messages_of_units(network: GradedNetwork, sent: Sent) -> dict[str, NDArray[np.int64]]:
    """Messages of each unit, for the input and each population."""
    totals = np.zeros(network.n_units, np.int64)
    source = network.program.input
    outside = np.zeros(network.program.n_in, np.int64)
    for name, channel in network.channels.items():
        messages = sent[name].sum(axis=0)
        if name == source:
            outside += messages
        else:
            inside = channel.senders != OUTSIDE
            np.add.at(totals, channel.senders[inside], messages[inside])
    return {source: outside, **{p.name: totals[p.units] for p in network.populations}}


def _chances(network: GradedNetwork, tensors: tuple[str, ...]) -> int:
    """How many messages a unit that holds these tensors can send in a frame."""
    return sum(channel.parts for name, channel in network.channels.items() if name in tensors)


def counts(network: GradedNetwork, sent: Sent, frames: int, route: Route | None = None) -> Counts:
    """The counts of a run.

    A unit is visited at every chip step; it is active at those steps of a frame at which it
    computes something. Each synaptic operation reads a weight, and reads and writes an
    accumulator; an active unit reads its accumulators, states and sent values and writes states
    and sent values. What the host reads out is not counted.

    Parameters
    ----------
    network : GradedNetwork
    sent : mapping of (parts, n) int array
        Messages of each element, over all sequences.
    frames : int
        Frames, over all sequences.
    route : callable, optional
        Messages and hops on a chip of those that each unit sends; without it, every message
        counts once.
    """
    operations = sum(
        int((messages * network.channels[name].fanout).sum()) for name, messages in sent.items()
    )
    units = messages_of_units(network, sent)
    messages, hops = sum(int(n.sum()) for n in units.values()), 0
    if route is not None:
        messages, hops = route(units)
    accumulators = ACCUMULATOR_BYTES * network.n_accumulators
    kept = sum(p.size * p.state_bytes for p in network.populations)
    return Counts(
        frames=frames,
        synaptic_operations=operations,
        active_updates=frames * network.active_updates,
        idle_updates=frames * (network.n_units * network.steps - network.active_updates),
        messages=messages,
        hops=hops,
        barriers=frames * network.steps,
        bytes_read=operations * (1 + ACCUMULATOR_BYTES) + frames * (accumulators + kept),
        bytes_written=operations * ACCUMULATOR_BYTES + frames * kept,
    )
