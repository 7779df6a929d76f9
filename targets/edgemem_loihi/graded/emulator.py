"""The units at work: messages, accumulators of 24 bits, and the program inside each unit.

What units compute is :class:`edgemem.quantize.integer.IntegerOps`; here is only what travels
between them. An accumulator that has added up ``W (x_1 - 0), W (x_2 - x_1), ...`` holds ``W x`` for
the value ``x`` that was sent in the end, exactly and also modulo 2^24; so it is computed as that
product, for all units and sequences at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ChipOverflowError
from edgemem.quantize.integer import IntegerOps
from edgemem.quantize.program import Integers, Operation

from .channels import seen_by_products
from .elements import PRODUCTS, ROUTING
from .machine import LIMIT, STATE_BITS
from .messages import held_after, sent
from .network import GradedNetwork

Overflow = Literal["strict", "hardware"]
Shape = tuple[int, ...]

EXACT_IN_SINGLE = 1 << 24
"""Sums of products below this are exact in 32-bit floats, whatever their order."""


class Emulator:
    """A network of units, ready to run.

    Parameters
    ----------
    network : GradedNetwork
    thresholds : mapping of int
        By the tensor that is sent, in its integer steps; 0 for those that are left out.
    overflow : {"strict", "hardware"}
        A sum that leaves 24 bits is an error, or wraps and is counted.
    """

    def __init__(
        self,
        network: GradedNetwork,
        thresholds: Mapping[str, int] | None = None,
        overflow: Overflow = "strict",
    ) -> None:
        program = network.program
        self.network = network
        self.ops = IntegerOps(program)
        self.overflow = overflow
        self.thresholds = dict(thresholds or {})
        self._routed = {
            op.output
            for op in program.operations
            if op.kind in ROUTING and op.output in seen_by_products(program)
        }
        products = {op.output: op for op in program.operations if op.kind in PRODUCTS}
        reaches = {p.name: p.reach * (257 if p.parts == 2 else 1) for p in network.projections}
        self._weights = {name: self._weight(op, reaches[name]) for name, op in products.items()}
        self._unproved = {p.name for p in network.projections if p.reach >= LIMIT}
        self._population = {
            tensor: population.name
            for population in network.populations
            for tensor in population.tensors
        }
        self.zeros = {name: self._form(name).zero_point for name in program.tensors}

    def _form(self, name: str) -> Any:
        return self.network.program.tensors[name].form

    def _weight(self, op: Operation, reach: float) -> NDArray[Any]:
        dtype = np.float32 if reach < EXACT_IN_SINGLE else np.float64
        weight = self.network.program.arrays[op.arrays["weight"]]
        return np.ascontiguousarray(weight.T.astype(dtype))

    def start(self, batch: Shape = ()) -> Run:
        """Sequences side by side, in the zero state."""
        return Run(self, batch)

    def total(self, op: Operation, x: Integers) -> NDArray[np.int64]:
        """``W (x - zero)`` of a product, before 24 bits are looked at."""
        weight = self._weights[op.output]
        centred = x.astype(weight.dtype)
        zero = self.zeros[op.inputs[0]]
        if zero:
            centred -= zero
        rows = centred.reshape(-1, centred.shape[-1]) @ weight
        return np.asarray(rows.reshape(*x.shape[:-1], -1), np.int64)

    def may_overflow(self, name: str) -> bool:
        """Whether the sum of a product is not proved to stay within 24 bits."""
        return name in self._unproved

    def population_of(self, tensor: str) -> str:
        """The population whose units hold a tensor."""
        return self._population[tensor]


class Run:
    """Sequences on their way through the frames.

    Parameters
    ----------
    emulator : Emulator
    batch : tuple of int
        Batch axes.

    Attributes
    ----------
    frames : int
        Frames so far, of each sequence.
    sent : mapping of (parts, n) int array
        Messages of each element so far, over all sequences, by the tensor that is sent.
    overflows : mapping of int
        Sums that were wrapped so far, by population; empty in strict mode.
    """

    def __init__(self, emulator: Emulator, batch: Shape = ()) -> None:
        self._emulator = emulator
        self._network = emulator.network
        program = emulator.network.program
        self._states = program.zero_state(batch)
        self._held = {
            name: np.full(
                batch + program.tensors[name].shape,
                emulator.zeros[name],
                program.tensors[name].form.dtype,
            )
            for name in emulator.network.channels
        }
        self._batch = batch
        self.frames = 0
        self.sent = {
            name: np.zeros((channel.parts, len(channel.senders)), np.int64)
            for name, channel in emulator.network.channels.items()
        }
        self.overflows: dict[str, int] = {}

    def step(self, x: Integers) -> dict[str, Integers]:
        """One frame.

        Parameters
        ----------
        x : (..., n_in) integer array
            In the input's format.

        Returns
        -------
        mapping of integer array
            The value of every tensor in the unit that holds it.

        Raises
        ------
        ChipOverflowError
            In strict mode, if a sum leaves 24 bits.
        """
        program, ops = self._network.program, self._emulator.ops
        origins, channels = self._network.origins, self._network.channels
        values: dict[str, Integers] = {**program.constants, **self._states}
        seen = {name: self._held[o.channel] for name, o in origins.items() if o.earlier}
        for name in self._states:
            if name in channels:
                seen[name] = self._send(name, values[name])
        values[program.input] = x
        if program.input in channels:
            values[program.input] = seen[program.input] = self._send(program.input, x)
        for op in program.operations:
            name = op.output
            if op.kind in PRODUCTS:
                values[name] = ops.of_sum(op, self._sum(op, seen[op.inputs[0]]))
            else:
                values[name] = ops.apply(op, values)
            if name in channels:
                seen[name] = self._send(name, values[name])
            elif name in origins and name not in seen:
                seen[name] = seen[origins[name].channel]
            elif name in self._emulator._routed:
                seen[name] = ops.apply(op, seen)
        for state, after in program.states.items():
            if program.tensors[state].form.bits > STATE_BITS:
                values[after] = self._kept(after, values[after])
            self._states[state] = values[after]
        self.frames += 1
        return values

    def _send(self, name: str, x: Integers) -> Integers:
        emulator, before = self._emulator, self._held[name]
        channel = self._network.channels[name]
        after = held_after(x, before, emulator.thresholds.get(name, 0), channel.parts)
        n = len(channel.senders)
        self.sent[name] += sent(
            before.reshape(-1, n), after.reshape(-1, n), emulator.zeros[name], channel.parts
        )
        self._held[name] = after
        return after

    def _sum(self, op: Operation, x: Integers) -> NDArray[np.int64]:
        total = self._emulator.total(op, x)
        if not self._emulator.may_overflow(op.output):
            return total
        return self._kept(op.output, total)

    def _kept(self, name: str, x: NDArray[Any]) -> NDArray[Any]:
        """``x`` as a register of 24 bits keeps it."""
        wrapped = ((x + LIMIT) & (2 * LIMIT - 1)) - LIMIT
        beyond = int(np.count_nonzero(wrapped != x))
        if beyond:
            self._overflowed(name, beyond, int(np.abs(x.astype(np.int64)).max()))
        return np.asarray(wrapped, x.dtype)

    def _overflowed(self, name: str, count: int, greatest: int) -> None:
        population = self._emulator.population_of(name)
        if self._emulator.overflow == "strict":
            raise ChipOverflowError(
                f"population {population!r}, frame {self.frames}: {name!r} reaches {greatest}, and "
                f"a register of {STATE_BITS} bits ends at {LIMIT - 1}; hold sums in two "
                "(--accumulators split) and states in 16 bits (--states 16), or let it wrap "
                "(--overflow hardware)"
            )
        self.overflows[population] = self.overflows.get(population, 0) + count
