"""What of quantisation-aware training can be chosen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgemem.cells import Cell
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.quantize.scheme import WEIGHTS, Scheme
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
class Qat:
    """How a network goes on in rounded form.

    Parameters
    ----------
    weights : {8, 4, 2}
        Bits of the trained matrices.
    layers : mapping of int
        Bits of single matrices, by the names of the network before it is prepared.
    epochs : int
    learning_rate : float
        Peak of the schedule.

    Raises
    ------
    ConfigError
        If a number cannot work.
    """

    weights: int
    epochs: int
    learning_rate: float
    layers: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Scheme("int8", self.weights, self.layers)  # refuses widths that there are not
        if self.epochs < 1:
            raise ConfigError(f"qat: epochs must be 1 or more (got {self.epochs})")

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return {**asdict(self), "layers": dict(self.layers)}

    def recipe(self, recipe: Recipe) -> Recipe:
        """``recipe`` with the schedule of this part of the training."""
        warmup = min(WARMUP, self.epochs / 2.0)
        return replace(recipe, epochs=self.epochs, learning_rate=self.learning_rate, warmup=warmup)

    def check_layers(self, cell: Cell) -> None:
        """Refuse names that no matrix of ``cell`` has, before hours of training.

        Raises
        ------
        UnknownNameError
        """
        matrices = [name for name, shape in cell.params.items() if len(shape) == 2]
        for name in self.layers:
            if name not in matrices:
                raise UnknownNameError("trained matrix", name, matrices)


def read_layers(path: Path) -> dict[str, int]:
    """Widths of single matrices from a JSON file such as ``{"1.lmu.W_m": 4}``.

    They may also stand under ``"layers"``, as ``edgemem quantize`` writes what it found.

    Raises
    ------
    ConfigError
        If the file holds something else.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path}: no JSON file that can be read ({error})") from error
    if isinstance(found, dict):
        found = found.get("layers", found)
    if not isinstance(found, dict) or not all(type(bits) is int for bits in found.values()):
        raise ConfigError(
            f'{path}: expected a JSON object of names and bits, such as {{"1.lmu.W_m": 4}}; '
            f"known: {', '.join(map(str, WEIGHTS))} bits"
        )
    return found
