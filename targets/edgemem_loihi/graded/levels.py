"""At which chip step of a frame each value is there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgemem.quantize.program import Operation, Program

from .elements import OUTSIDE, PRODUCTS, ROUTING, Elements
from .network import Origin


def levels(program: Program, origins: Mapping[str, Origin], where: Elements) -> dict[str, int]:
    """Chip steps of a frame that pass before each tensor is there.

    The input is sent in step 0. A message arrives one step after it was sent; what happens inside
    a unit takes no step of its own. States, and what was sent in the frame before, are there from
    the start.
    """
    there = dict.fromkeys((program.input, *program.states, *program.constants), 0)
    arrived: dict[str, int] = {}

    def arrival(name: str) -> int:
        origin = origins.get(name)
        if origin is None:
            return arrived[name]
        return 0 if origin.earlier else there[origin.channel] + 1

    for op in program.operations:
        if op.kind in PRODUCTS:
            there[op.output] = max(arrival(op.inputs[0]), 1)
        elif op.kind in ROUTING:
            there[op.output] = max(there[name] for name in op.inputs)
            if all(name in origins or name in arrived for name in op.inputs):
                arrived[op.output] = max(arrival(name) for name in op.inputs)
        else:
            there[op.output] = max(_inside(op, there, where))
    return there


def _inside(op: Operation, there: Mapping[str, int], where: Elements) -> list[int]:
    # the input comes by a message also where no product reads it
    return [max(there[name], int(reads_input(name, where))) for name in op.inputs]


def reads_input(name: str, where: Elements) -> bool:
    """Whether a tensor holds elements of the input as they came."""
    if name not in where.homes:
        return False
    return bool(np.any(where.units_of(name) == OUTSIDE))


def active_updates(program: Program, there: Mapping[str, int], where: Elements) -> int:
    """Pairs of a unit and a chip step of a frame at which it computes something."""
    pairs: set[tuple[int, int]] = set()
    for op in program.operations:
        if op.kind not in ROUTING and there[op.output]:
            units = np.unique(where.units_of(op.output))
            pairs.update((there[op.output], int(unit)) for unit in units)
    return len(pairs)
