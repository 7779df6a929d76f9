"""Where each element of each value of a program lives: which unit of the chip holds it.

Operations that go element by element happen inside a unit; only products and the input send
messages. Elements that meet in such an operation therefore live in one unit, and units are the
connected components of all elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.quantize.program import Operation, Program

Indices = NDArray[np.int64]

PRODUCTS = frozenset({"product", "wide_product"})
ROUTING = frozenset({"concat", "reshape", "slice"})
"""Operations that only say where values are."""

OUTSIDE = -1
"""The unit of what comes from outside the chip."""


@dataclass(frozen=True)
class Elements:
    """Elements of all values, numbered through.

    Parameters
    ----------
    places : mapping of int array
        For each tensor that is no constant, in its shape, the numbers of its elements.
    homes : mapping of int array
        The same, with an element that was only routed replaced by the one that it copies.
    units : (n_elements,) int array
        The unit that holds each element, numbered from 0; :data:`OUTSIDE` for the input.
    """

    places: Mapping[str, Indices]
    homes: Mapping[str, Indices]
    units: Indices

    @property
    def n_units(self) -> int:
        return int(self.units.max(initial=OUTSIDE)) + 1

    def units_of(self, tensor: str) -> Indices:
        """The unit of each element of a tensor, in its shape."""
        return np.asarray(self.units[self.homes[tensor]])


def elements(program: Program) -> Elements:
    """The elements of ``program`` and the units that hold them."""
    names = [name for name in program.tensors if name not in program.constants]
    places, n = {}, 0
    for name in names:
        shape = program.tensors[name].shape
        size = int(np.prod(shape))
        places[name] = np.arange(n, n + size, dtype=np.int64).reshape(shape)
        n += size
    homes = dict(places)
    for op in program.operations:
        if op.kind in ROUTING:
            homes[op.output] = routed(op, [homes[name] for name in op.inputs], program)
    outside = np.zeros(n, bool)
    outside[places[program.input].reshape(-1)] = True
    roots = np.arange(n)
    _join(roots, [_inside(pair, outside) for pair in _meetings(program, homes)])
    kept = np.unique(np.concatenate([home.reshape(-1) for home in homes.values()]))
    kept = kept[~outside[kept]]
    units = np.full(n, OUTSIDE, np.int64)
    units[kept] = np.unique(roots[kept], return_inverse=True)[1]
    return Elements(places, homes, units)


def routed(op: Operation, inputs: list[NDArray[Any]], program: Program) -> NDArray[Any]:
    """What a routing operation makes of arrays in the shapes of its inputs, without batch axes."""
    if op.kind == "concat":
        return np.concatenate(inputs, axis=-1)
    if op.kind == "slice":
        return np.asarray(inputs[0][..., op.attrs["start"] : op.attrs["stop"]])
    return inputs[0].reshape(program.tensors[op.output].shape)


Pair = tuple[Indices, Indices]


def _meetings(program: Program, homes: Mapping[str, Indices]) -> Iterator[Pair]:
    """Elements that have to be in one unit, in pairs."""
    for op in program.operations:
        if op.kind in PRODUCTS or op.kind in ROUTING:
            continue
        after = homes[op.output]
        for name in op.inputs:
            if name in homes:
                yield np.broadcast_to(homes[name], after.shape).reshape(-1), after.reshape(-1)
    for state, after_name in program.states.items():
        yield homes[state].reshape(-1), homes[after_name].reshape(-1)


def _inside(pair: Pair, outside: NDArray[np.bool_]) -> Pair:
    """What comes from outside arrives by messages, and joins no units."""
    kept = ~(outside[pair[0]] | outside[pair[1]])
    return pair[0][kept], pair[1][kept]


def _join(roots: Indices, pairs: list[Pair]) -> None:
    """Give all elements of a connected component the smallest number among them."""
    while True:
        before = roots.copy()
        for a, b in pairs:
            smallest = np.minimum(roots[a], roots[b])
            np.minimum.at(roots, a, smallest)
            np.minimum.at(roots, b, smallest)
        if np.array_equal(before, roots):
            return
