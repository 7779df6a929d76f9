"""Units that hold the same values, with names of the equations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from edgemem.quantize.program import Program

from .elements import OUTSIDE, ROUTING, Elements
from .network import Origin, Population, Projection, Units


def populations(
    program: Program,
    where: Elements,
    sent: Mapping[str, Origin],
    projections: Sequence[Projection],
    labels: Collection[str],
) -> tuple[Population, ...]:
    """The populations of ``program``, in the order in which their first values are there."""
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
    for kind in np.argsort(kinds.argmax(axis=1), kind="stable"):
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
    """The last label among what units compute, or the last value without one."""
    computed = {op.output for op in program.operations if op.kind not in ROUTING}
    made = [name for name in tensors if name in computed] or list(tensors)
    name = ([n for n in made if n in labels] or made)[-1]
    again = sum(other.partition(" ")[0] == name for other in taken)
    return f"{name} ({again + 1})" if again else name
