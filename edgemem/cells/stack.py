"""Cells one above the other, as one cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np

from edgemem.cells.base import Cell, Shape
from edgemem.errors import ConfigError
from edgemem.ops import Array, Ops

T = TypeVar("T")


@dataclass(frozen=True)
class Stack(Cell):
    """The output of each cell is the input of the next.

    The names of parameters, states and labels get the place and name of their cell before them:
    ``0.lmu.W_m``.

    Parameters
    ----------
    cells : tuple of Cell
        From input to output; sizes must meet.
    """

    name: ClassVar[str] = "stack"
    cells: tuple[Cell, ...]

    def __post_init__(self) -> None:
        if not self.cells:
            raise ConfigError("stack.cells: needs at least one cell (got none)")
        for below, above in zip(self.cells, self.cells[1:]):
            if below.n_out != above.n_in:
                raise ConfigError(
                    f"stack: {below.name} gives {below.n_out} values, "
                    f"the {above.name} above it takes {above.n_in}"
                )

    @property
    def n_in(self) -> int:
        return self.cells[0].n_in

    @property
    def n_out(self) -> int:
        return self.cells[-1].n_out

    def scopes(self) -> Iterator[tuple[str, Cell]]:
        """Each cell with the prefix of its names."""
        for place, cell in enumerate(self.cells):
            yield f"{place}.{cell.name}.", cell

    @property
    def params(self) -> Mapping[str, Shape]:
        return {pre + k: v for pre, cell in self.scopes() for k, v in cell.params.items()}

    @property
    def constants(self) -> Mapping[str, Array]:
        return {pre + k: v for pre, cell in self.scopes() for k, v in cell.constants.items()}

    @property
    def states(self) -> Mapping[str, Shape]:
        return {pre + k: v for pre, cell in self.scopes() for k, v in cell.states.items()}

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        return {pre + k: v for pre, cell in self.scopes() for k, v in cell.init(rng).items()}

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        states: dict[str, T] = {}
        for pre, cell in self.scopes():
            scoped = cast("Ops[T]", _Scoped(ops, pre))
            after, x = cell.step(scoped, scope(p, pre), scope(s, pre), x)
            states.update({pre + k: v for k, v in after.items()})
        return states, x

    def to_dict(self) -> dict[str, Any]:
        return {"cell": self.name, "cells": [cell.to_dict() for cell in self.cells]}


def scope(values: Mapping[str, T], prefix: str) -> dict[str, T]:
    """The entries whose name starts with ``prefix``, without it."""
    return {k[len(prefix) :]: v for k, v in values.items() if k.startswith(prefix)}


class _Scoped(Generic[T]):
    """Ops whose labels get a prefix."""

    def __init__(self, ops: Ops[T], prefix: str) -> None:
        self._ops = ops
        self._prefix = prefix

    def __getattr__(self, op: str) -> Any:
        return getattr(self._ops, op)

    def label(self, a: T, name: str) -> T:
        return self._ops.label(a, self._prefix + name)
