"""The vocabulary in which a cell's step is written, and its float meaning.

A cell never calls NumPy, TensorFlow or Nengo itself: it calls the ops below. Whoever implements
them gives the cell a meaning: floats here, a trace in :mod:`edgemem.ir`, tensors in
:mod:`edgemem.train`, Nengo objects in :mod:`edgemem.networks`, integers in the quantised targets.

Every op works on the last axis (``split`` and ``merge`` on the last two); the axes before it are
batch, time, or the channels of an LMU's memory, and no op looks at them.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

Array = NDArray[np.float64]


class Ops(Protocol[T]):
    """One meaning of the ops; ``T`` is what a value is."""

    def matvec(self, weight: T, x: T) -> T:
        """``weight @ x``; shapes (n, m) and (..., m) to (..., n)."""
        ...

    def add(self, a: T, b: T) -> T:
        """``a + b``, shapes (..., n) and (..., n) or (n,)."""
        ...

    def sub(self, a: T, b: T) -> T:
        """``a - b``, shapes as :meth:`add`."""
        ...

    def mul(self, a: T, b: T) -> T:
        """``a * b`` element by element, shapes as :meth:`add`."""
        ...

    def scale(self, a: T, factor: float) -> T:
        """``factor * a`` for a constant factor."""
        ...

    def sigmoid(self, a: T) -> T:
        """Logistic function, element by element."""
        ...

    def tanh(self, a: T) -> T:
        """Hyperbolic tangent, element by element."""
        ...

    def relu(self, a: T) -> T:
        """``max(a, 0)``, element by element."""
        ...

    def split(self, a: T, rows: int) -> T:
        """The last axis cut into rows; shape (..., rows * k) to (..., rows, k)."""
        ...

    def merge(self, a: T) -> T:
        """The last two axes joined; shape (..., rows, k) to (..., rows * k)."""
        ...

    def slice(self, a: T, start: int, stop: int) -> T:
        """Elements ``start`` to ``stop`` of the last axis."""
        ...

    def label(self, a: T, name: str) -> T:
        """``a`` itself, known from here on by the ``name`` that its equation gives it."""
        ...


OP_NAMES = frozenset(
    {"matvec", "add", "sub", "mul", "scale", "sigmoid", "tanh", "relu", "split", "merge", "slice"}
)
"""What a :class:`~edgemem.ir.Node` may be; ``label`` leaves no node behind."""

QUANTIZE = "quantize"
"""An op that no cell writes: a pass puts it where integers will be rounded, for training."""


class FloatOps:
    """The reference meaning: NumPy, in the precision of its operands."""

    def matvec(self, weight: Array, x: Array) -> Array:
        return x @ weight.T

    def add(self, a: Array, b: Array) -> Array:
        return a + b

    def sub(self, a: Array, b: Array) -> Array:
        return a - b

    def mul(self, a: Array, b: Array) -> Array:
        return a * b

    def scale(self, a: Array, factor: float) -> Array:
        return a * factor

    def sigmoid(self, a: Array) -> Array:
        # exp of a non-positive number only, so that it cannot overflow
        e = np.exp(-np.abs(a))
        y: Array = np.where(a >= 0, 1.0, e) / (1.0 + e)
        return y

    def tanh(self, a: Array) -> Array:
        return np.tanh(a)

    def relu(self, a: Array) -> Array:
        return np.maximum(a, 0.0)

    def split(self, a: Array, rows: int) -> Array:
        return a.reshape(*a.shape[:-1], rows, a.shape[-1] // rows)

    def merge(self, a: Array) -> Array:
        return a.reshape(*a.shape[:-2], a.shape[-2] * a.shape[-1])

    def slice(self, a: Array, start: int, stop: int) -> Array:
        return a[..., start:stop]

    def label(self, a: Array, name: str) -> Array:
        return a

    def quantize(
        self, a: Array, scale: float, zero_point: float, lowest: float, highest: float
    ) -> Array:
        """The nearest of the reals that a format of integers holds."""
        steps = np.clip(np.rint(a / scale) + zero_point, lowest, highest)
        return np.asarray((steps - zero_point) * scale)
