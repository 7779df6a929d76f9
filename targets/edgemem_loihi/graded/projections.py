"""The synapses of each product, and of the input where units compute with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgemem.quantize.program import Program

from .elements import OUTSIDE, PRODUCTS, ROUTING, Elements
from .network import Projection, Units


def projections(
    program: Program, where: Elements, parts: Mapping[str, int], reaches: Mapping[str, float]
) -> tuple[Projection, ...]:
    """One for each product.

    Parameters
    ----------
    program : Program
    where : Elements
    parts : mapping of int
        Synapses for each weight, by product.
    reaches : mapping of float
        Greatest sum in one accumulator, by product.
    """
    found = []
    for op in program.operations:
        if op.kind in PRODUCTS:
            read = where.homes[op.inputs[0]]
            found.append(
                Projection(
                    name=op.output,
                    sources=_rows(where.units[read]),
                    outside=_rows(_outside(program, where, read)),
                    targets=_rows(where.units_of(op.output)),
                    nonzero=np.asarray(program.arrays[op.arrays["weight"]] != 0),
                    parts=parts[op.output],
                    reach=reaches[op.output],
                )
            )
    return tuple(found)


def arrivals(program: Program, where: Elements) -> tuple[Projection, ...]:
    """One synapse of weight 1 for each element of the input that a unit computes with, if any."""
    pairs: list[NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]
    for op in program.operations:
        if op.kind in PRODUCTS or op.kind in ROUTING:
            continue
        units = where.units_of(op.output)
        for name in op.inputs:
            if name in where.homes:
                homes = np.broadcast_to(where.homes[name], units.shape)
                come = where.units[homes] == OUTSIDE
                pairs.append(np.stack([homes[come], units[come]], axis=1))
    joined = np.unique(np.concatenate(pairs), axis=0)
    if not len(joined):
        return ()
    read, units = joined[:, :1], joined[:, 1:]
    form = program.tensors[program.input].form
    arrived = Projection(
        name=program.input,
        sources=np.full_like(units, OUTSIDE),
        outside=_outside(program, where, read),
        targets=units,
        nonzero=np.ones((1, 1), bool),
        parts=1,
        reach=float(form.highest - form.lowest),
    )
    return (arrived,)


def _outside(program: Program, where: Elements, homes: Units) -> Units:
    first = int(where.places[program.input].reshape(-1)[0])
    return np.asarray(np.where(where.units[homes] == OUTSIDE, homes - first, OUTSIDE))


def _rows(values: Units) -> Units:
    return np.asarray(values.reshape(-1, values.shape[-1]))
