"""Counts of the operations that cost energy, one vocabulary for every kind of machine."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Counts:
    """What was done for ``frames`` time steps of a network, added up over sequences.

    A number that a machine does not have (a CPU sends no messages) is zero.

    Parameters
    ----------
    frames : int
        Time steps of the network: feature vectors taken in, over all sequences.
    synaptic_operations : int
        Weights added to an accumulator because a spike or a message arrived.
    macs : int
        Multiply-accumulates of products that are computed densely.
    active_updates : int
        Updates of units that had input or state to work on.
    idle_updates : int
        Updates of units that had none, and that the machine visits all the same.
    messages : int
        Spikes or graded messages, each counted once for every core that it goes to; on a machine
        without cores, once.
    hops : int
        Steps of messages from tile to tile.
    barriers : int
        Steps at which every core waits for the others.
    bytes_read, bytes_written : int
        Traffic with memories outside the registers: weights, states, accumulators.
    """

    frames: int = 0
    synaptic_operations: int = 0
    macs: int = 0
    active_updates: int = 0
    idle_updates: int = 0
    messages: int = 0
    hops: int = 0
    barriers: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: Counts) -> Counts:
        names = [field.name for field in fields(self)]
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def per_frame(self) -> dict[str, float]:
        """Every count but ``frames``, divided by it."""
        frames = max(self.frames, 1)
        return {name: n / frames for name, n in self.to_dict().items() if name != "frames"}

    def to_dict(self) -> dict[str, int]:
        """The fields, as JSON values."""
        return {field.name: int(getattr(self, field.name)) for field in fields(self)}
