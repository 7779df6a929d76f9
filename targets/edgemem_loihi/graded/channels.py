"""The values that travel as messages, each sent once however many products read it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from edgemem.quantize.program import Operation, Program

from .elements import PRODUCTS, ROUTING, Elements, routed
from .network import Channel, Origin, Projection, Units


def origins(program: Program) -> dict[str, Origin]:
    """For each value that a product reads, and each that it was routed from, what is sent for it.

    Routed values are left out: they are put together from their parts.
    """
    same, seen = _Twins(program), seen_by_products(program)
    routed_here = {op.output for op in program.operations if op.kind in ROUTING}
    sent = seen - routed_here - program.constants.keys()
    return {name: same.origin(name) for name in program.tensors if name in sent}


def seen_by_products(program: Program) -> frozenset[str]:
    """Tensors that a product reads, and those that they are routed from."""
    makers = {op.output: op for op in program.operations}
    found: set[str] = set()
    pending = [op.inputs[0] for op in program.operations if op.kind in PRODUCTS]
    while pending:
        name = pending.pop()
        found.add(name)
        maker = makers.get(name)
        if maker is not None and maker.kind in ROUTING:
            pending += maker.inputs
    return frozenset(found)


def read_by(
    product: Operation, program: Program, sent: Mapping[str, Origin]
) -> dict[str, tuple[Units, Units]]:
    """The channels that a product reads, in order.

    Returns
    -------
    mapping of (int array, int array)
        For each channel, numbers of its elements, and where in the product's input they stand,
        both counted as if the arrays were flat.
    """
    makers = {op.output: op for op in program.operations}
    starts: dict[str, int] = {}
    end = 0

    def numbered(tensor: str) -> Units:
        nonlocal end
        shape = program.tensors[tensor].shape
        if tensor not in sent:
            op = makers[tensor]
            return routed(op, [numbered(part) for part in op.inputs], program)
        channel = sent[tensor].channel
        if channel not in starts:
            starts[channel], end = end, end + int(np.prod(shape))
        return np.arange(int(np.prod(shape))).reshape(shape) + starts[channel]

    numbers = numbered(product.inputs[0]).reshape(-1)
    found = {}
    for channel, start in starts.items():
        size = int(np.prod(program.tensors[channel].shape))
        columns = np.flatnonzero((numbers >= start) & (numbers < start + size))
        found[channel] = (numbers[columns] - start, columns)
    return found


def channels(
    program: Program,
    where: Elements,
    read: Mapping[str, Mapping[str, tuple[Units, Units]]],
    halved: Collection[str],
    projections: Sequence[Projection],
) -> dict[str, Channel]:
    """The channels of ``program``, in order of computation.

    Parameters
    ----------
    program : Program
    where : Elements
    read : mapping
        What each product reads (:func:`read_by`).
    halved : collection of str
        Channels whose values travel in two parts.
    projections : sequence of Projection
    """
    fanout: dict[str, Units] = {}
    for projection in projections:
        synapses = projection.nonzero.sum(axis=0)
        reached = np.broadcast_to(synapses, projection.sources.shape).reshape(-1)
        whole = (projection.outside.reshape(-1), np.arange(len(reached)))
        for name, (numbers, columns) in read.get(projection.name, {program.input: whole}).items():
            fanout.setdefault(name, np.zeros(where.places[name].size, np.int64))
            np.add.at(fanout[name], numbers, reached[columns])
    return {
        name: Channel(
            tensor=name,
            parts=2 if name in halved else 1,
            senders=where.units_of(name).reshape(-1),
            fanout=fanout[name],
        )
        for name in program.tensors
        if name in fanout
    }


class _Twins:
    """Operations that compute what another one computes, now or in the frame before."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._makers = {op.output: op for op in program.operations}
        self._first: dict[Any, str] = {}
        for op in program.operations:
            if op.kind not in PRODUCTS:
                self._first.setdefault(self._meaning(op, op.inputs), op.output)

    def origin(self, name: str) -> Origin:
        states: Mapping[str, str] = self._program.states
        if name in states:
            after = states[name]
            computed = after in self._makers and self._makers[after].kind not in ROUTING
            return Origin(after, earlier=True) if computed else Origin(name)
        op = self._makers.get(name)
        if op is None or op.kind in PRODUCTS:
            return Origin(name)
        if len(op.inputs) == 1 and op.inputs[0] in states:
            later = self._first.get(self._meaning(op, (states[op.inputs[0]],)))
            if later is not None:
                return Origin(later, earlier=True)
        return Origin(self._first[self._meaning(op, op.inputs)])

    def _meaning(self, op: Operation, inputs: tuple[str, ...]) -> tuple[Any, ...]:
        form = self._program.tensors[op.output].form
        held = (form.bits, form.scale, form.zero_point)
        return (op.kind, inputs, tuple(sorted(op.attrs.items())), held)
