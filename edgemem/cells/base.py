"""What a recurrent memory cell is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from edgemem.errors import ConfigError, UnknownNameError
from edgemem.ops import Array, Ops

T = TypeVar("T")

Shape = tuple[int, ...]

ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh")


class Cell(ABC):
    """One time step of a recurrent memory, written once in :class:`~edgemem.ops.Ops`.

    A cell is a frozen dataclass of hyper-parameters. It holds no arrays: parameters and states
    are handed to :meth:`step`, whose values may be of any kind that the ops understand.
    """

    name: ClassVar[str]

    if TYPE_CHECKING:  # fields in one cell, properties in another

        @property
        def n_in(self) -> int:
            """Size of the input."""

        @property
        def n_out(self) -> int:
            """Size of the output."""

    @property
    @abstractmethod
    def params(self) -> Mapping[str, Shape]:
        """Shapes of the trained arrays by name."""

    @property
    def constants(self) -> Mapping[str, Array]:
        """Arrays fixed by the hyper-parameters, by name."""
        return {}

    @property
    def states(self) -> Mapping[str, Shape]:
        """Shapes of what is carried from step to step, by name; all start at zero."""
        return {}

    @abstractmethod
    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        """States after one step and the output.

        Parameters
        ----------
        ops : Ops
            The meaning of the operations.
        p : mapping
            Trained arrays and constants by name.
        s : mapping
            States before the step by name.
        x
            Input, shape (..., n_in).

        Returns
        -------
        states : dict
            States after the step, by name.
        y
            Output, shape (..., n_out).
        """

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Fresh parameters: matrices Glorot uniform, vectors zero."""
        return {name: glorot_uniform(rng, shape) for name, shape in self.params.items()}

    @property
    def n_params(self) -> int:
        """Number of trained numbers (constants such as an LMU's A and B are not counted)."""
        return sum(math.prod(shape) for shape in self.params.values())

    def zero_state(self, batch: Shape = ()) -> dict[str, Array]:
        """States before the first step, each of shape ``batch`` + its own."""
        return {name: np.zeros(batch + shape) for name, shape in self.states.items()}

    def to_dict(self) -> dict[str, Any]:
        """Hyper-parameters as JSON values, with the cell's name under ``"cell"``."""
        values = {field.name: getattr(self, field.name) for field in fields(cast(Any, self))}
        return {"cell": self.name, **values}


def glorot_uniform(rng: np.random.Generator, shape: Shape) -> Array:
    """Uniform within ``sqrt(6 / (fan_in + fan_out))`` (Glorot & Bengio 2010, eq. 16)."""
    if len(shape) < 2:
        return np.zeros(shape)
    limit = np.sqrt(6.0 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape)


def activate(ops: Ops[T], name: str, a: T) -> T:
    """``name`` applied to ``a``; one of :data:`ACTIVATIONS`."""
    if name == "linear":
        return a
    if name == "relu":
        return ops.relu(a)
    if name == "sigmoid":
        return ops.sigmoid(a)
    if name == "tanh":
        return ops.tanh(a)
    raise UnknownNameError("activation", name, ACTIVATIONS)


def check_positive(cell: str, **sizes: float) -> None:
    """Refuse sizes that are not greater than zero."""
    for name, value in sizes.items():
        if not value > 0:
            raise ConfigError(f"{cell}.{name}: must be greater than 0 (got {value})")
