"""Long Short-Term Memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers 2000)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from edgemem.cells.base import Cell, Shape, check_positive, glorot_uniform
from edgemem.ops import Array, Ops

T = TypeVar("T")

GATES = ("i", "f", "c", "o")
"""In the order in which Keras stacks them."""


@dataclass(frozen=True)
class LSTM(Cell):
    """The baseline cell, as Keras computes it.

    .. math::

        i, f, o &= \\sigma(W_g x_t + U_g h_{t-1} + b_g) \\\\
        c_t &= f c_{t-1} + i \\tanh(W_c x_t + U_c h_{t-1} + b_c) \\\\
        h_t &= o \\tanh(c_t)

    Parameters
    ----------
    n_in : int
        Size of the input.
    n_units : int
        Size of ``c`` and ``h``; ``h`` is the output.
    """

    name: ClassVar[str] = "lstm"
    n_in: int
    n_units: int

    def __post_init__(self) -> None:
        check_positive(self.name, n_in=self.n_in, n_units=self.n_units)

    @property
    def n_out(self) -> int:
        return self.n_units

    @property
    def params(self) -> Mapping[str, Shape]:
        n, m = self.n_units, self.n_in
        return {
            **{f"W_{g}": (n, m) for g in GATES},
            **{f"U_{g}": (n, n) for g in GATES},
            **{f"b_{g}": (n,) for g in GATES},
        }

    @property
    def states(self) -> Mapping[str, Shape]:
        return {"h": (self.n_units,), "c": (self.n_units,)}

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Glorot uniform, with the forget gate open (``b_f = 1``; Jozefowicz et al. 2015)."""
        arrays = {name: glorot_uniform(rng, shape) for name, shape in self.params.items()}
        arrays["b_f"] = np.ones(self.n_units)
        return arrays

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        def affine(gate: str) -> T:
            driven = ops.add(ops.matvec(p[f"W_{gate}"], x), p[f"b_{gate}"])
            return ops.add(driven, ops.matvec(p[f"U_{gate}"], s["h"]))

        i, f, o = (ops.label(ops.sigmoid(affine(g)), f"gate_{g}") for g in ("i", "f", "o"))
        candidate = ops.label(ops.tanh(affine("c")), "candidate")
        c = ops.label(ops.add(ops.mul(f, s["c"]), ops.mul(i, candidate)), "c_new")
        h = ops.label(ops.mul(o, ops.tanh(c)), "h_new")
        return {"h": h, "c": c}, h
