from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import pytest

from edgemem.cells import LEM, Cell, Conv, Dense, Norm, Stack
from edgemem.cells.base import Shape
from edgemem.errors import UnsupportedOpError
from edgemem.ops import Ops
from edgemem.train.qat import Qat

T = TypeVar("T")


@dataclass(frozen=True)
class Biasless(Cell):
    """An offset before it would need a bias that it does not have."""

    name: ClassVar[str] = "biasless"
    n_in: int
    n_out: int

    @property
    def params(self) -> Mapping[str, Shape]:
        return {"W": (self.n_out, self.n_in)}

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        return {}, ops.label(ops.tanh(ops.matvec(p["W"], x)), "y")


def check(stack: Stack) -> None:
    Qat(epochs=1, learning_rate=0.01).check(stack, stack.init(np.random.default_rng(0)))


def test_a_network_that_cannot_go_on_rounded_is_refused_before_it_is_trained() -> None:
    check(Stack((Norm(4), LEM(4, 3), Norm(3), Conv(3, 3, 2), Dense(3, 2))))
    check(Stack((Biasless(4, 3), Dense(3, 2))))
    with pytest.raises(UnsupportedOpError, match=r"cannot be trained in rounded form"):
        check(Stack((Norm(4), Biasless(4, 3), Dense(3, 2))))
