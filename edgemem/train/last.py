"""The last part of a training: on in floats, or in the form in which the network will run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from edgemem.cells import Cell
from edgemem.errors import ConfigError
from edgemem.train.recipes import Recipe

EPOCHS = 10
"""Of a trained network that goes on."""

SHARE = 0.25
"""Of the epochs of a run from scratch."""

RATE = 0.25
"""Peak of the learning rate, relative to that of the training in floats."""

WARMUP = 0.5
"""Epochs of linear rise before it."""


@dataclass(frozen=True)
class LastPart:
    """How a trained network goes on: in floats, rounded, or on spikes.

    Parameters
    ----------
    epochs : int
    learning_rate : float
        Peak of the schedule.

    Raises
    ------
    ConfigError
        If a number cannot work.
    """

    name: ClassVar[str]
    """Under which :meth:`to_dict` stands in a model's card."""

    form: ClassVar[str]
    """What the form is called in a sentence."""

    option: ClassVar[str]
    """Of the command line, for ``epochs``."""

    epochs: int
    learning_rate: float

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"{self.name}: epochs must be 1 or more (got {self.epochs})")

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)

    def recipe(self, recipe: Recipe) -> Recipe:
        """``recipe`` with the schedule of this part of the training."""
        warmup = min(WARMUP, self.epochs / 2.0)
        return replace(recipe, epochs=self.epochs, learning_rate=self.learning_rate, warmup=warmup)

    def check(self, cell: Cell, params: Mapping[str, Any]) -> None:
        """Refuse what cannot work on a network, before hours of training.

        Parameters
        ----------
        cell : Cell
        params : mapping of array
            Arrays of the shapes that it has.
        """
