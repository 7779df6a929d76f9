"""A convolution over the last few steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from edgemem.cells.base import Cell, Shape, activate, check_positive
from edgemem.ops import Ops

T = TypeVar("T")


@dataclass(frozen=True)
class Conv(Cell):
    """A causal convolution: ``y_t = f(sum_k W_k x_{t-k} + b)``, zeros before the first step.

    Parameters
    ----------
    n_in, n_units : int
        Numbers of input and output channels.
    kernel : int
        Steps that it sees, this one included.
    activation : {"linear", "relu", "sigmoid", "tanh"}
        The function ``f``.
    """

    name: ClassVar[str] = "conv"
    n_in: int
    n_units: int
    kernel: int
    activation: str = "linear"

    def __post_init__(self) -> None:
        check_positive(self.name, n_in=self.n_in, n_units=self.n_units, kernel=self.kernel)

    @property
    def n_out(self) -> int:
        return self.n_units

    @property
    def params(self) -> Mapping[str, Shape]:
        weights = {f"W_{k}": (self.n_units, self.n_in) for k in range(self.kernel)}
        return {**weights, "b": (self.n_units,)}

    @property
    def states(self) -> Mapping[str, Shape]:
        return {f"x_{k}": (self.n_in,) for k in range(1, self.kernel)}

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        seen = [x, *(s[f"x_{k}"] for k in range(1, self.kernel))]
        # y_t = f(sum_k W_k x_{t-k} + b)
        y = p["b"]
        for k, x_k in enumerate(seen):
            y = ops.add(ops.matvec(p[f"W_{k}"], x_k), y)
        after = {f"x_{k + 1}": x_k for k, x_k in enumerate(seen[:-1])}
        return after, ops.label(activate(ops, self.activation, y), "y")
