"""Gated Recurrent Unit (Cho et al. 2014) in the form that accelerators use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from edgemem.cells.base import Cell, Shape, check_positive
from edgemem.ops import Ops

T = TypeVar("T")

GATES = ("z", "r", "h")
"""In the order in which Keras stacks them."""


@dataclass(frozen=True)
class GRU(Cell):
    """The baseline cell, as Keras computes it with ``reset_after=True``.

    .. math::

        z, r &= \\sigma(W_g x_t + b_g + U_g h_{t-1} + d_g) \\\\
        \\hat h &= \\tanh(W_h x_t + b_h + r (U_h h_{t-1} + d_h)) \\\\
        h_t &= z h_{t-1} + (1 - z) \\hat h

    Parameters
    ----------
    n_in : int
        Size of the input.
    n_units : int
        Size of ``h``, which is the output.
    """

    name: ClassVar[str] = "gru"
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
            **{f"d_{g}": (n,) for g in GATES},
        }

    @property
    def states(self) -> Mapping[str, Shape]:
        return {"h": (self.n_units,)}

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        def driven(gate: str) -> T:
            return ops.add(ops.matvec(p[f"W_{gate}"], x), p[f"b_{gate}"])

        def recurrent(gate: str) -> T:
            return ops.add(ops.matvec(p[f"U_{gate}"], s["h"]), p[f"d_{gate}"])

        z = ops.label(ops.sigmoid(ops.add(driven("z"), recurrent("z"))), "gate_z")
        r = ops.label(ops.sigmoid(ops.add(driven("r"), recurrent("r"))), "gate_r")
        candidate = ops.tanh(ops.add(driven("h"), ops.mul(r, recurrent("h"))))
        candidate = ops.label(candidate, "candidate")
        # z h + (1 - z) candidate
        change = ops.mul(z, ops.sub(s["h"], candidate))
        h = ops.label(ops.add(candidate, change), "h_new")
        return {"h": h}, h
