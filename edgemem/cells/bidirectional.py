"""A cell that reads a sequence in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from edgemem.cells.base import Cell, Shape
from edgemem.errors import ConfigError
from edgemem.ops import Array, Ops

T = TypeVar("T")

DIRECTIONS = ("forward.", "backward.")
"""Prefixes of the names of parameters, constants and states."""


@dataclass(frozen=True)
class Bidirectional(Cell):
    """Two of the same cell, one from the first step on, the other from the last step back.

    (Schuster & Paliwal 1997.) The output joins both. Such a network needs the whole sequence: it
    trains and is measured, but it has no step that a device could run.

    Parameters
    ----------
    cell : Cell
    """

    name: ClassVar[str] = "bidirectional"
    cell: Cell

    @property
    def n_in(self) -> int:
        return self.cell.n_in

    @property
    def n_out(self) -> int:
        return 2 * self.cell.n_out

    @property
    def params(self) -> Mapping[str, Shape]:
        return _twice(self.cell.params)

    @property
    def constants(self) -> Mapping[str, Array]:
        return _twice(self.cell.constants)

    @property
    def states(self) -> Mapping[str, Shape]:
        return _twice(self.cell.states)

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        return {
            prefix + name: array
            for prefix in DIRECTIONS
            for name, array in self.cell.init(rng).items()
        }

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        raise ConfigError(
            "a bidirectional network needs the whole sequence and cannot run step by step; "
            "train one without --bidirectional"
        )

    def to_dict(self) -> dict[str, Any]:
        return {"cell": self.name, "of": self.cell.to_dict()}


def _twice(values: Mapping[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for prefix in DIRECTIONS for name, value in values.items()}
