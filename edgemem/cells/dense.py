"""Layers without memory: an affine map, and a gain and offset for each element."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from edgemem.cells.base import Cell, Shape, activate, check_positive
from edgemem.ops import Array, Ops

T = TypeVar("T")


@dataclass(frozen=True)
class Dense(Cell):
    """``y = f(W x + b)``.

    Parameters
    ----------
    n_in, n_out : int
        Sizes of input and output.
    activation : {"linear", "relu", "sigmoid", "tanh"}
        The function ``f``.
    """

    name: ClassVar[str] = "dense"
    n_in: int
    n_out: int
    activation: str = "linear"

    def __post_init__(self) -> None:
        check_positive(self.name, n_in=self.n_in, n_out=self.n_out)

    @property
    def params(self) -> Mapping[str, Shape]:
        return {"W": (self.n_out, self.n_in), "b": (self.n_out,)}

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        y = ops.add(ops.matvec(p["W"], x), p["b"])
        return {}, ops.label(activate(ops, self.activation, y), "y")


@dataclass(frozen=True)
class Norm(Cell):
    """``y = f(gain * x + offset)``, element by element.

    While a network is trained, gain and offset are those of batch normalisation (Ioffe & Szegedy
    2015, algorithm 1); afterwards they are plain numbers that fold into the matrix before them.

    Parameters
    ----------
    n_in : int
        Size of input and output.
    activation : {"linear", "relu", "sigmoid", "tanh"}
        The function ``f``.
    """

    name: ClassVar[str] = "norm"
    n_in: int
    activation: str = "linear"

    def __post_init__(self) -> None:
        check_positive(self.name, n_in=self.n_in)

    @property
    def n_out(self) -> int:
        return self.n_in

    @property
    def params(self) -> Mapping[str, Shape]:
        return {"gain": (self.n_in,), "offset": (self.n_in,)}

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        return {"gain": np.ones(self.n_in), "offset": np.zeros(self.n_in)}

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        y = ops.add(ops.mul(x, p["gain"]), p["offset"])
        return {}, ops.label(activate(ops, self.activation, y), "y")
