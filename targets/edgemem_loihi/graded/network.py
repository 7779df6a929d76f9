"""A program laid out on units: who holds what, who sends what to whom, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.quantize.program import Program

Units = NDArray[np.int64]


@dataclass(frozen=True)
class Population:
    """Units that hold the same values.

    Parameters
    ----------
    name : str
        The last labelled term of the equations that its units compute.
    units : (n,) int array
        Their numbers.
    tensors : tuple of str
        What they compute and keep, in order of computation.
    accumulators : int
        Sums of 24 bits that each unit keeps.
    state_bytes : int
        Bytes of the states and sent values that each unit keeps beside them.
    """

    name: str
    units: Units
    tensors: tuple[str, ...]
    accumulators: int
    state_bytes: int

    @property
    def size(self) -> int:
        return len(self.units)


@dataclass(frozen=True)
class Origin:
    """Where the products that read a value get it from.

    Parameters
    ----------
    channel : str
        The tensor that its unit sends.
    earlier : bool
        Whether they read what was sent in the frame before: the state of now is the next state
        of then, and is not sent twice.
    """

    channel: str
    earlier: bool = False


@dataclass(frozen=True)
class Channel:
    """A value whose changes travel as graded messages.

    Parameters
    ----------
    tensor : str
    parts : int
        1, or 2 where high and low byte travel apart.
    senders : (n,) int array
        The unit that sends each element; -1 for the input.
    fanout : (n,) int array
        Synapses that a message of one part of an element reaches.
    """

    tensor: str
    parts: int
    senders: Units
    fanout: Units


@dataclass(frozen=True)
class Projection:
    """The synapses of one product, or those that bring the input into units.

    A product of k rows (the channels of a memory) repeats its weights for each row.

    Parameters
    ----------
    name : str
        The tensor that is computed.
    sources : (k, n_in) int array
        The unit that sends each element that is read, -1 for the input.
    outside : (k, n_in) int array
        Elements of the input that are read, -1 for what a unit sends.
    targets : (k, n_out) int array
    nonzero : (n_out, n_in) bool array
        Where there is a weight.
    parts : int
        Synapses and accumulators for each of them: 2 where a message travels in two parts.
    reach : float
        Greatest sum that the formats allow one accumulator.
    """

    name: str
    sources: Units
    outside: Units
    targets: Units
    nonzero: NDArray[np.bool_]
    parts: int
    reach: float

    @property
    def synapses(self) -> int:
        return self.parts * len(self.sources) * int(np.count_nonzero(self.nonzero))


@dataclass(frozen=True)
class GradedNetwork:
    """A program on units.

    Parameters
    ----------
    program : Program
    populations : tuple of Population
    channels : mapping of Channel
        By the tensor that is sent.
    origins : mapping of Origin
        For each tensor that products read, what is sent for it.
    projections : tuple of Projection
    levels : mapping of int
        The chip step, within a frame, at which each tensor is there; 0 for what was there before.
    active_updates : int
        Updates in a frame of units that compute something.
    """

    program: Program
    populations: tuple[Population, ...]
    channels: Mapping[str, Channel]
    origins: Mapping[str, Origin]
    projections: tuple[Projection, ...]
    levels: Mapping[str, int]
    active_updates: int

    @property
    def steps(self) -> int:
        """Chip steps of a frame: the longest chain of messages in it."""
        return max(1, *self.levels.values())

    @property
    def n_units(self) -> int:
        return sum(p.size for p in self.populations)

    @property
    def n_accumulators(self) -> int:
        return sum(p.size * p.accumulators for p in self.populations)

    @property
    def n_synapses(self) -> int:
        return sum(projection.synapses for projection in self.projections)

    def facts(self) -> dict[str, Any]:
        """Sizes, as JSON values."""
        return {
            "units": self.n_units,
            "accumulators": self.n_accumulators,
            "synapses": self.n_synapses,
            "chip_steps_per_frame": self.steps,
            "populations": {p.name: p.size for p in self.populations},
        }
