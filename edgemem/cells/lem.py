"""Long Expressive Memory (Rusch, Mishra, Erichson & Mahoney, ICLR 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from edgemem.cells.base import Cell, Shape, check_positive
from edgemem.ops import Array, Ops

T = TypeVar("T")


@dataclass(frozen=True)
class LEM(Cell):
    """Two coupled states whose time steps are learned and depend on the input.

    .. math::

        \\Delta t_n &= \\Delta t\\,\\sigma(W_1 y_{n-1} + V_1 u_n + b_1) \\\\
        \\overline{\\Delta t}_n &= \\Delta t\\,\\sigma(W_2 y_{n-1} + V_2 u_n + b_2) \\\\
        z_n &= (1 - \\Delta t_n) z_{n-1} + \\Delta t_n \\tanh(W_z y_{n-1} + V_z u_n + b_z) \\\\
        y_n &= (1 - \\overline{\\Delta t}_n) y_{n-1}
               + \\overline{\\Delta t}_n \\tanh(W_y z_n + V_y u_n + b_y)

    (Rusch et al. 2022, eq. 3.) Both gates read the *old* ``y``; the update of ``y`` reads the
    *new* ``z``. For ``dt <= 1`` both states stay within (-1, 1).

    Parameters
    ----------
    n_in : int
        Size of the input ``u``.
    n_units : int
        Size of each of the states ``y`` and ``z``; ``y`` is the output.
    dt : float
        Largest time step, in steps of the input.
    """

    name: ClassVar[str] = "lem"
    n_in: int
    n_units: int
    dt: float = 1.0

    def __post_init__(self) -> None:
        check_positive(self.name, n_in=self.n_in, n_units=self.n_units, dt=self.dt)

    @property
    def n_out(self) -> int:
        return self.n_units

    @property
    def params(self) -> Mapping[str, Shape]:
        n, m = self.n_units, self.n_in
        terms = ("1", "2", "z", "y")
        return {
            **{f"W_{t}": (n, n) for t in terms},
            **{f"V_{t}": (n, m) for t in terms},
            **{f"b_{t}": (n,) for t in terms},
        }

    @property
    def states(self) -> Mapping[str, Shape]:
        return {"z": (self.n_units,), "y": (self.n_units,)}

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Every array uniform within ``1 / sqrt(n_units)``, as in the authors' code."""
        limit = 1.0 / np.sqrt(self.n_units)
        return {name: rng.uniform(-limit, limit, shape) for name, shape in self.params.items()}

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        def affine(term: str, state: T) -> T:
            driven = ops.add(ops.matvec(p[f"V_{term}"], x), p[f"b_{term}"])
            return ops.add(driven, ops.matvec(p[f"W_{term}"], state))

        def gate(term: str) -> T:
            opened = ops.sigmoid(affine(term, s["y"]))
            return opened if self.dt == 1.0 else ops.scale(opened, self.dt)

        def blend(step: T, old: T, new: T) -> T:
            # (1 - step) old + step new
            return ops.add(old, ops.mul(step, ops.sub(new, old)))

        step_z = ops.label(gate("1"), "dt")
        step_y = ops.label(gate("2"), "dt_bar")
        z_candidate = ops.label(ops.tanh(affine("z", s["y"])), "z_candidate")
        z = ops.label(blend(step_z, s["z"], z_candidate), "z_new")
        y_candidate = ops.label(ops.tanh(affine("y", z)), "y_candidate")
        y = ops.label(blend(step_y, s["y"], y_candidate), "y_new")
        return {"z": z, "y": y}, y
