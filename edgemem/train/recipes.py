"""Recipes: which network, and how it is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgemem.cells import CELLS, Cell, Dense, Norm, Stack
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.train.augment import Augmentation
from edgemem.train.stacks import layer as make_layer


@dataclass(frozen=True)
class Recipe:
    """A keyword spotter and its training.

    Parameters
    ----------
    cell : str
        Name of the cell of every layer.
    layers : tuple of mapping
        Hyper-parameters of each layer, from the input on; sizes of inputs are filled in.
    norm : str
        Activation of the :class:`~edgemem.cells.Norm` after each layer; empty for no norm.
    frames : int
        Consecutive frames that make one input vector.
    window : float
        Length of the sound at the end of a clip over which logits are averaged, in seconds.
    epochs, batch : int
    learning_rate : float
        Peak of a cosine schedule.
    warmup : float
        Epochs of linear rise before it.
    weight_decay : float
        Decoupled (Loshchilov & Hutter 2019), relative to the learning rate.
    clip_norm : float
        Largest norm of the gradient of an array.
    smoothing : float
        Label smoothing.
    carry : float
        Share of the sequences that start from the states another sequence ended with.
    unknown, silence : float
        Clips of other words and of background in an epoch, in mean numbers of clips a word.
    parts : float
        Clips of parts of words in an epoch, which are made for where there are other words, in
        mean numbers of clips a word.
    hard : int
        How many times more a trained network that goes on in floats hears the tenth of the other
        words that it takes for keywords most readily.
    adjustment : float
        Share of the logarithm of how often each label comes in an epoch that the loss adds to its
        logit (Menon et al. 2021), so that frequent labels are not decided for more readily.
    augmentation : Augmentation
    """

    cell: str
    layers: tuple[Mapping[str, Any], ...]
    norm: str = ""
    frames: int = 2
    window: float = 0.58
    epochs: int = 40
    batch: int = 128
    learning_rate: float = 4e-3
    warmup: float = 1.0
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    smoothing: float = 0.1
    carry: float = 0.5
    unknown: float = 2.0
    silence: float = 1.0
    parts: float = 0.0
    hard: int = 0
    adjustment: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise UnknownNameError("cell", self.cell, CELLS)
        for name in ("epochs", "batch", "learning_rate", "window", "frames", "clip_norm"):
            self._check(name, getattr(self, name) > 0, "must be greater than 0")
        for name in ("warmup", "weight_decay", "unknown", "silence", "parts", "hard", "adjustment"):
            self._check(name, getattr(self, name) >= 0, "must not be negative")
        for name in ("carry", "smoothing"):
            self._check(name, 0 <= getattr(self, name) < 1, "must lie in [0, 1)")
        self.stack(1, 1)  # refuses layers that cannot work, before any data is read

    def _check(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ConfigError(f"recipe: {name} {rule} (got {getattr(self, name)})")

    def stack(self, n_in: int, n_out: int) -> Stack:
        """The network for ``n_in`` features and ``n_out`` labels."""
        cells: list[Cell] = [Norm(n_in)]
        size = n_in
        for layer in self.layers:
            cell = make_layer(self.cell, size, layer)
            size = cell.n_out
            cells.append(cell)
            if self.norm:
                cells.append(Norm(size, self.norm))
        cells.append(Dense(size, n_out))
        return Stack(tuple(cells))

    def trained_as(self, name: str) -> Recipe:
        """The recipe called ``name``, which must be of the same network.

        Raises
        ------
        ConfigError
            If it is of another one.
        UnknownNameError
            If there is none.
        """
        other = recipe(name)
        for part in ("cell", "layers", "norm", "frames"):
            here, there = (getattr(r, part) for r in (self, other))
            if here != there:
                raise ConfigError(
                    f"--recipe {name} is of another network than MODEL: "
                    f"{part} {_plain(there)}, not {_plain(here)}"
                )
        return other

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return {**asdict(self), "layers": [dict(layer) for layer in self.layers]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe that :meth:`to_dict` described.

        Raises
        ------
        ConfigError
            If a field is unknown or missing.
        """
        try:
            augmentation: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in dict(values["augmentation"]).items()
            }
            layers = tuple(dict(layer) for layer in values["layers"])
            given = {**values, "layers": layers, "augmentation": Augmentation(**augmentation)}
            return cls(**given)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"damaged description of a recipe: {error}") from error


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def _lmu(n_units: int, *memories: tuple[float, int, int]) -> tuple[Mapping[str, Any], ...]:
    """Feed-forward LMU layers of (theta, order, memory_d), linear: the norm holds the ReLU."""
    return tuple(
        {
            "n_units": n_units,
            "theta": theta,
            "order": order,
            "memory_d": memory_d,
            "input_to_hidden": True,
            "activation": "linear",
        }
        for theta, order, memory_d in memories
    )


LIGHT = Augmentation(
    level=(-6.0, 4.0), noise=0.2, floor=0.1, time_masks=1, band_masks=1, stretch=0.08
)
"""For small networks, which heavier variation keeps from learning the words."""

ROOMS = Augmentation(
    level=(-20.0, 8.0),
    noise=0.5,
    floor=0.2,
    made=0.3,
    babble=0.2,
    reverberation=0.2,
    t60=(0.1, 0.5),
    direct=(2.0, 15.0),
    microphone=(-6.0, 6.0),
)
"""Noise of all kinds, rooms, distances and microphones."""

QUIET_ROOMS = replace(
    LIGHT,
    level=(-15.0, 6.0),
    noise=0.4,
    made=0.3,
    babble=0.1,
    reverberation=0.1,
    t60=(0.1, 0.4),
    direct=(5.0, 15.0),
    microphone=(-4.0, 4.0),
)
"""The same, less of it: for the smallest networks."""

CLEAN: dict[str, Recipe] = {
    "lmu": Recipe(
        "lmu",
        _lmu(128, (6.0, 6, 28), (12.0, 8, 24), (24.0, 10, 20), (24.0, 10, 20)),
        norm="relu",
    ),
    "lmu-small": Recipe(
        "lmu",
        _lmu(56, (6.0, 6, 14), (12.0, 8, 12), (24.0, 10, 10), (24.0, 10, 10)),
        norm="relu",
        epochs=32,
        augmentation=LIGHT,
    ),
    "lmu-tiny": Recipe(
        "lmu",
        _lmu(24, (6.0, 6, 7), (12.0, 8, 6), (24.0, 10, 5), (24.0, 10, 5)),
        norm="relu",
        epochs=40,
        learning_rate=6e-3,
        weight_decay=0.005,
        smoothing=0.05,
        augmentation=LIGHT,
    ),
    "lem": Recipe(
        "lem",
        ({"n_units": 128}, {"n_units": 88}),
        norm="linear",
        learning_rate=3e-3,
        epochs=30,
    ),
}
"""For clips heard near the microphone; by these the pretrained networks begin."""


def _in_rooms(name: str, **changes: Any) -> Recipe:
    """The recipe for continuous sound in noise: more other words, and parts of words."""
    return replace(CLEAN[name], **{**_CONTINUOUS, **changes})


_CONTINUOUS: dict[str, Any] = {
    # smoothed targets bring the posteriors of all that is accepted to one value, which leaves a
    # threshold nothing to go by
    "smoothing": 0.0,
    "unknown": 3.5,
    "parts": 0.5,
    "adjustment": 1.0,
    "augmentation": ROOMS,
}


RECIPES: dict[str, Recipe] = {
    "lmu": _in_rooms("lmu"),
    "lmu-small": _in_rooms(
        "lmu-small",
        unknown=3.0,
        augmentation=replace(ROOMS, time_masks=1, band_masks=1, silence_level=(-35.0, 15.0)),
    ),
    "lmu-tiny": _in_rooms("lmu-tiny", augmentation=QUIET_ROOMS),
    "lem": _in_rooms("lem"),
    **{f"{name}-clean": clean for name, clean in CLEAN.items()},
    "lem-small": Recipe("lem", ({"n_units": 64},), norm="linear", learning_rate=3e-3),
    "lstm": Recipe("lstm", ({"n_units": 128},), norm="linear", learning_rate=3e-3),
    "gru": Recipe("gru", ({"n_units": 128},), norm="linear", learning_rate=3e-3),
}
"""By name; the recipe of a cell is called like the cell."""


def recipe(name: str) -> Recipe:
    """The recipe called ``name``."""
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]


def recipe_of(name: str, card: Mapping[str, Any]) -> Recipe:
    """The recipe in the card of the model called ``name``.

    Raises
    ------
    ConfigError
        If it has none.
    """
    values = card.get("recipe")
    if not isinstance(values, dict):
        raise ConfigError(f"model {name!r}: its card has no recipe to go on with")
    return Recipe.from_dict(values)
