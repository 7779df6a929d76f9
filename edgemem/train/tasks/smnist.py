"""Sequential MNIST: a digit, one pixel at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.data.idx import N_CLASSES, Digits, Mnist, load_mnist
from edgemem.errors import ConfigError, DataError
from edgemem.train.tasks.base import Goal, Sequences, Shuffled, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

NRU_SEED = 50
"""Seed of the code of the NRU (Chandar et al. 2019), whose split and permutation the LMU's authors
took."""


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    validation_size : int
        Training images that are held for validation: 10,000 for the LMU, 3,000 for the LEM.
    """

    validation_size: int = field(
        default=10_000,
        metadata={"help": "Training images held for validation; 3000 for the split of the LEM."},
    )

    def __post_init__(self) -> None:
        if self.validation_size < 1:
            raise ConfigError(f"validation_size must be 1 or more (got {self.validation_size})")


@dataclass(frozen=True)
class Shuffling:
    """The orders of images and of pixels.

    Parameters
    ----------
    images : (n,) int64 array
    pixels : (n_pixels,) int64 array
    """

    images: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]


def shuffling(n_images: int, n_pixels: int, seed: int = NRU_SEED) -> Shuffling:
    """What the NRU's code draws: one generator, first the images and then the pixels."""
    rng = np.random.RandomState(seed)
    images = rng.permutation(n_images)
    return Shuffling(images, rng.permutation(n_pixels))


def make_data(
    mnist: Mnist,
    images: npt.NDArray[np.int64],
    pixels: npt.NDArray[np.int64] | None,
    validation_size: int,
    facts: dict[str, Any],
) -> TaskData:
    """The splits, with the images in the order ``images`` and their pixels in that of ``pixels``.

    Raises
    ------
    DataError
        If validation would leave no images to train on.
    """
    if validation_size >= len(mnist.train):
        raise DataError(
            f"{validation_size} validation images of {len(mnist.train)} leave none to train on"
        )
    n_train = len(images) - validation_size
    train, validation, test = (
        _sequences(mnist.train, images[:n_train], pixels),
        _sequences(mnist.train, images[n_train:], pixels),
        _sequences(mnist.test, np.arange(len(mnist.test)), pixels),
    )
    return TaskData(
        Shuffled(train),
        validation,
        test,
        Goal("last", "classes", "accuracy"),
        n_in=1,
        labels=tuple(str(digit) for digit in range(N_CLASSES)),
        facts={
            **facts,
            "files": "official" if mnist.official else "other",
            "sizes": {"train": n_train, "validation": len(validation), "test": len(test)},
            "sha256": dict(mnist.digests),
        },
    )


def _sequences(
    digits: Digits, chosen: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64] | None
) -> Sequences:
    """Pixels in [0, 1], row by row or in another order."""
    x = digits.images[chosen].reshape(len(chosen), -1)
    x = x if pixels is None else x[:, pixels]
    return Sequences(x[:, :, None].astype(np.float32) / 255.0, digits.labels[chosen])


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """The splits of the NRU's code, pixels row by row."""
    mnist = load_mnist(_named(root))
    n_pixels = mnist.train.images[0].size
    images = shuffling(len(mnist.train), n_pixels).images
    facts = {"protocol": f"sMNIST, split of the NRU's code (seed {NRU_SEED})", "order": "rows"}
    return make_data(mnist, images, None, options.validation_size, facts)


def _named(root: Path | None) -> Path:
    if root is None:
        raise DataError("--data must name the folder of the four MNIST files")
    return root


PARALLEL: dict[str, Any] = {
    "n_units": 346,
    "order": 468,
    "theta": 784.0,
    "activation": "relu",
}
"""Sizes of Chilkuri & Eliasmith 2021: 468 coefficients, 346 units; no feedback."""


def recipes(**lem: float) -> dict[str, TaskRecipe]:
    """Recipes of both tasks, which differ in the LEM's ``dt``, ``learning_rate`` and clipping."""
    return {
        "lmu": TaskRecipe(
            "lmu",
            (PARALLEL,),
            epochs=40,
            batch=200,
            learning_rate=2e-3,
            schedule="cosine",
            dropout=0.3,
            start={"e_x": 1.0},
        ),
        # Voelker et al. 2019: 10 epochs of Adam as it comes
        "lmu-paper": TaskRecipe(
            "lmu",
            (
                {
                    "n_units": 212,
                    "order": 256,
                    "theta": 784.0,
                    "hidden_to_memory": True,
                    "memory_to_memory": True,
                    "input_to_hidden": True,
                    "hidden_to_hidden": True,
                },
            ),
            epochs=10,
            batch=100,
            start={"e_x": 1.0, "e_h": 0.0, "e_m": 0.0, "W_x": 0.0, "W_h": 0.0},
        ),
        # the LEM authors' scripts: a tenth of the rate after 100 of 120 epochs
        "lem": TaskRecipe(
            "lem",
            ({"n_units": 128, "dt": lem["dt"]},),
            epochs=120,
            batch=128,
            learning_rate=lem["learning_rate"],
            schedule="step",
            drop=100,
            clip_norm=lem["clip_norm"],
        ),
        "lstm": _gated("lstm"),
        "gru": _gated("gru"),
    }


def _gated(cell: str) -> TaskRecipe:
    return TaskRecipe(
        cell, ({"n_units": 128},), epochs=120, batch=128, schedule="step", drop=100, clip_norm=1.0
    )


TASK = Task(
    name="smnist",
    summary="name a handwritten digit, seen one pixel at a time",
    source="Le et al. 2015; splits of Chandar et al. 2019 (50,000 / 10,000 / 10,000)",
    load=load,
    recipes=recipes(dt=0.21, learning_rate=1.8e-3, clip_norm=1.0),
    Options=Options,
    data="folder of the four MNIST idx files",
)
