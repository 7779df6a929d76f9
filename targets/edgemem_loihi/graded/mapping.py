"""A program's products to synapses and its other operations to units, and the proofs for both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ToleranceError
from edgemem.quantize.program import Operation, Program

from .channels import Origin, origins
from .elements import OUTSIDE, PRODUCTS, ROUTING, Elements, elements
from .levels import active_updates, levels
from .machine import HIGHEST_EXPONENT, LIMIT, LOWEST_EXPONENT, PART_BITS, STATE_BITS
from .network import Channel, GradedNetwork, Population, Projection, Units

Accumulators = Literal["split", "single"]


def mapped(
    program: Program, labels: Collection[str] = (), accumulators: Accumulators = "split"
) -> GradedNetwork:
    """``program`` on units and synapses.

    Parameters
    ----------
    program : Program
    labels : collection of str
        Tensors that are labelled terms of the equations; populations are called after them.
    accumulators : {"split", "single"}
        What becomes of a product whose sum could leave 24 bits for some input of its format: its
        messages travel in two parts that are added up apart, or they do not, unproved.

    Raises
    ------
    ToleranceError
        If a sum could leave 24 bits in two parts as well, or a row's factor needs an exponent that
        units do not have.
    """
    for op in program.operations:
        if op.kind in PRODUCTS:
            _check_exponents(program, op)
    where, sent = elements(program), origins(program)
    halved = _sent_in_parts(program, sent) if accumulators == "split" else frozenset()
    projections = _projections(program, where, sent, halved, accumulators)
    there = levels(program, sent, where)
    return GradedNetwork(
        program=program,
        populations=_populations(program, where, sent, projections, labels),
        channels=_channels(program, where, sent, halved, projections),
        origins=sent,
        projections=projections,
        levels=there,
        active_updates=active_updates(program, there, where),
    )


def reach(program: Program, op: Operation, parts: int = 1) -> float:
    """Greatest sum that any input of its format can bring about in an accumulator of a product."""
    form = program.tensors[op.inputs[0]].form
    largest = max(form.highest - form.zero_point, form.zero_point - form.lowest)
    if parts == 2:  # x = 256 h + l with l from -128 to 127, so that h has at most 128 as well
        largest = 1 << (PART_BITS - 1)
    weight = program.arrays[op.arrays["weight"]].astype(np.int64)
    return float(np.abs(weight).sum(axis=1).max() * largest)


def _check_exponents(program: Program, op: Operation) -> None:
    """Refuse a row whose factor ``s_x s_w / s_y`` no unit can apply."""
    multiplier = np.asarray(program.arrays[op.arrays["multiplier"]])
    shift = np.asarray(program.arrays[op.arrays["shift"]])
    used = program.arrays[op.arrays["weight"]].any(axis=1)
    known = f"units scale by exponents from {LOWEST_EXPONENT} to {HIGHEST_EXPONENT}"
    if np.any(used & (multiplier == 0)):
        raise ToleranceError(
            f"{op.output!r}: weights of row {int(np.argmax(used & (multiplier == 0)))} need an "
            f"exponent below {LOWEST_EXPONENT}; {known}: set these weights to zero, they add "
            "nothing"
        )
    if shift.max() > HIGHEST_EXPONENT:
        raise ToleranceError(
            f"{op.output!r}: weights of row {int(shift.argmax())} need an exponent of "
            f"{int(shift.max())}; {known}: train it with smaller weights"
        )


def _sent_in_parts(program: Program, sent: Mapping[str, Origin]) -> frozenset[str]:
    """Channels with a reader whose sum could leave 24 bits."""
    makers = {op.output: op for op in program.operations}
    found: set[str] = set()
    for op in program.operations:
        if op.kind in PRODUCTS and reach(program, op) >= LIMIT:
            found.update(channels_of(op.inputs[0], makers, sent))
    return frozenset(found)


def channels_of(
    name: str, makers: Mapping[str, Operation], sent: Mapping[str, Origin]
) -> list[str]:
    """The channels that a value read by products is put together from, in order."""
    if name in sent:
        return [sent[name].channel]
    inputs = makers[name].inputs if name in makers and makers[name].kind in ROUTING else ()
    return [channel for part in inputs for channel in channels_of(part, makers, sent)]


def _projections(
    program: Program,
    where: Elements,
    sent: Mapping[str, Origin],
    halved: Collection[str],
    accumulators: Accumulators,
) -> tuple[Projection, ...]:
    makers = {op.output: op for op in program.operations}
    found = []
    for op in program.operations:
        if op.kind not in PRODUCTS:
            continue
        parts = 2 if set(channels_of(op.inputs[0], makers, sent)) & set(halved) else 1
        greatest = reach(program, op, parts)
        if accumulators == "split" and greatest >= LIMIT:
            raise ToleranceError(
                f"{op.output!r}: its sum could reach {greatest:.3g} also where messages travel in "
                f"two parts, and accumulators of {STATE_BITS} bits end at {LIMIT:.3g}; make the "
                "layer before it smaller"
            )
        rows = where.homes[op.inputs[0]]
        found.append(
            Projection(
                name=op.output,
                sources=_rows(where.units[rows]),
                outside=_rows(_outside(program, where, rows)),
                targets=_rows(where.units_of(op.output)),
                nonzero=np.asarray(program.arrays[op.arrays["weight"]] != 0),
                parts=parts,
                reach=greatest,
            )
        )
    return (*found, *_arrivals(program, where))


def _arrivals(program: Program, where: Elements) -> tuple[Projection, ...]:
    """One synapse of weight 1 for each element of the input that a unit computes with."""
    pairs: list[NDArray[np.int64]] = []
    for op in program.operations:
        if op.kind in PRODUCTS or op.kind in ROUTING:
            continue
        units = where.units_of(op.output)
        for name in op.inputs:
            if name in where.homes:
                homes = np.broadcast_to(where.homes[name], units.shape)
                come = where.units[homes] == OUTSIDE
                pairs.append(np.stack([homes[come], units[come]], axis=1))
    joined = np.unique(np.concatenate([np.zeros((0, 2), np.int64), *pairs]), axis=0)
    if not len(joined):
        return ()
    elements_of, units = joined[:, :1], joined[:, 1:]
    form = program.tensors[program.input].form
    return (
        Projection(
            name=program.input,
            sources=np.full_like(units, OUTSIDE),
            outside=_outside(program, where, elements_of),
            targets=units,
            nonzero=np.ones((1, 1), bool),
            parts=1,
            reach=float(form.highest - form.lowest),
        ),
    )


def _outside(program: Program, where: Elements, homes: Units) -> Units:
    first = int(where.places[program.input].reshape(-1)[0])
    return np.asarray(np.where(where.units[homes] == OUTSIDE, homes - first, OUTSIDE))


def _rows(values: Units) -> Units:
    return np.asarray(values.reshape(-1, values.shape[-1]))


def _channels(
    program: Program,
    where: Elements,
    sent: Mapping[str, Origin],
    halved: Collection[str],
    projections: tuple[Projection, ...],
) -> dict[str, Channel]:
    makers = {op.output: op for op in program.operations}
    names = {origin.channel for origin in sent.values()}
    arrived = any(projection.name == program.input for projection in projections)
    names |= {program.input} if arrived else set()
    fanout = {name: np.zeros(where.places[name].size, np.int64) for name in names}
    for projection in projections:
        counts = np.broadcast_to(projection.nonzero.sum(axis=0), projection.sources.shape)
        if projection.name == program.input:
            np.add.at(fanout[program.input], projection.outside.reshape(-1), counts.reshape(-1))
            continue
        read = _positions(makers[projection.name].inputs[0], program, makers, sent)
        for channel, positions, columns in read:
            np.add.at(fanout[channel], positions, counts.reshape(-1)[columns])
    ordered = [name for name in program.tensors if name in names]
    return {
        name: Channel(
            tensor=name,
            parts=2 if name in halved else 1,
            senders=where.units_of(name).reshape(-1),
            fanout=fanout[name],
        )
        for name in ordered
    }


Read = list[tuple[str, Units, Units]]


def _positions(
    name: str,
    program: Program,
    makers: Mapping[str, Operation],
    sent: Mapping[str, Origin],
) -> Read:
    """For a value that a product reads: its channels, which of their elements, and where."""
    from .elements import routed

    channels = channels_of(name, makers, sent)
    offsets: dict[str, int] = {}
    total = 0
    for channel in channels:
        if channel not in offsets:
            offsets[channel] = total
            total += int(np.prod(program.tensors[channel].shape))

    def numbered(tensor: str) -> Units:
        if tensor in sent:
            shape = program.tensors[tensor].shape
            start = offsets[sent[tensor].channel]
            return np.arange(start, start + int(np.prod(shape))).reshape(shape)
        op = makers[tensor]
        return routed(op, [numbered(part) for part in op.inputs], program)

    numbers = numbered(name).reshape(-1)
    found = []
    for channel, start in offsets.items():
        size = int(np.prod(program.tensors[channel].shape))
        columns = np.flatnonzero((numbers >= start) & (numbers < start + size))
        found.append((channel, numbers[columns] - start, columns))
    return found


def _populations(
    program: Program,
    where: Elements,
    sent: Mapping[str, Origin],
    projections: tuple[Projection, ...],
    labels: Collection[str],
) -> tuple[Population, ...]:
    tensors = list(where.homes)
    held = np.zeros((where.n_units, len(tensors)), bool)
    for column, name in enumerate(tensors):
        units = where.units_of(name)
        held[units[units != OUTSIDE], column] = True
    kinds, kind_of = np.unique(held, axis=0, return_inverse=True)
    accumulators = np.zeros(where.n_units, np.int64)
    for projection in projections:
        np.add.at(accumulators, projection.targets.reshape(-1), projection.parts)
    kept = _kept_bytes(program, where, sent)
    found: list[Population] = []
    first = [int(np.flatnonzero(kind)[0]) for kind in kinds]
    for kind in np.argsort(first, kind="stable"):
        units = np.flatnonzero(kind_of == kind)
        names = tuple(tensors[column] for column in np.flatnonzero(kinds[kind]))
        found.append(
            Population(
                name=_name(program, names, labels, [p.name for p in found]),
                units=units,
                tensors=names,
                accumulators=int(accumulators[units].max()),
                state_bytes=int(kept[units].max()),
            )
        )
    return tuple(found)


def _kept_bytes(program: Program, where: Elements, sent: Mapping[str, Origin]) -> Units:
    """Bytes that each unit keeps from frame to frame: states, and the values last sent."""
    kept = np.zeros(where.n_units, np.int64)
    for name in (*program.states, *{origin.channel for origin in sent.values()}):
        units = where.units_of(name).reshape(-1)
        np.add.at(kept, units[units != OUTSIDE], program.tensors[name].form.bits // 8)
    return kept


def _name(
    program: Program, tensors: tuple[str, ...], labels: Collection[str], taken: list[str]
) -> str:
    made = {op.output for op in program.operations if op.kind not in ROUTING}
    labelled = [name for name in tensors if name in labels and name in made]
    name = (labelled or [t for t in tensors if t in made] or list(tensors))[-1]
    again = sum(1 for other in taken if other.partition(" ")[0] == name)
    return f"{name} ({again + 1})" if again else name
