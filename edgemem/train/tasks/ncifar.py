"""Noisy CIFAR-10: an image row by row, and then noise for the rest of a thousand steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.data.cifar import CLASSES, SIDE, Images, read_cifar
from edgemem.errors import ConfigError, DataError
from edgemem.train.tasks.base import Goal, Sequences, Task, TaskData
from edgemem.train.tasks.recipe import TaskRecipe

Values = npt.NDArray[np.float32]

ROW = 3 * SIDE
"""Numbers in a step: the red, the green and the blue of a row."""

VALIDATION_SHARE = 0.04
"""2,000 of the 50,000 images to train on, as in the authors' code."""

SPLIT_SEED, NOISE_SEED = 5544, 968
"""Validation images and noise are the same for every run."""


@dataclass(frozen=True)
class Options:
    """Options of the task.

    Parameters
    ----------
    length : int
        Steps of a sequence; the first 32 are the image.
    fresh_noise : bool
        Noise of its own for every image, and in training for every reading of it. Without, one
        piece of noise follows every image of training and test, as in the authors' code.
    """

    length: int = field(default=1000, metadata={"help": "Steps of a sequence."})
    fresh_noise: bool = field(
        default=False, metadata={"help": "Noise of its own for each image, instead of one for all."}
    )

    def __post_init__(self) -> None:
        if self.length < SIDE:
            raise ConfigError(f"ncifar: length must be {SIDE} or more (got {self.length})")


@dataclass(frozen=True)
class Noise:
    """What follows an image.

    Parameters
    ----------
    n_steps : int
    fresh : bool
        See :class:`Options`.
    """

    n_steps: int
    fresh: bool

    def held(self, places: npt.NDArray[np.int64], split: int) -> Values:
        """Noise (n, n_steps, 96) behind the images at ``places``, every time the same."""
        if not self.fresh:
            return np.broadcast_to(self._drawn(0), (len(places), self.n_steps, ROW))
        each = [self._drawn(split, int(place)) for place in places]
        return np.stack(each) if each else np.zeros((0, self.n_steps, ROW), np.float32)

    def trained(self, n: int, rng: np.random.Generator) -> Values:
        """Noise behind the images of a batch."""
        if not self.fresh:
            return self.held(np.arange(n), 0)
        return rng.standard_normal((n, self.n_steps, ROW), np.float32)

    def _drawn(self, *seeds: int) -> Values:
        rng = np.random.default_rng([NOISE_SEED, *seeds])
        return rng.standard_normal((self.n_steps, ROW), np.float32)


def rows(planes: npt.NDArray[np.uint8]) -> Values:
    """Images as sequences of rows.

    Parameters
    ----------
    planes : (n, 3, 32, 32) uint8 array

    Returns
    -------
    (n, 32, 96) float32 array
        In [0, 1]; a step is the red, then the green, then the blue of a row.
    """
    in_rows = planes.transpose(0, 2, 1, 3).reshape(len(planes), SIDE, ROW)
    return in_rows.astype(np.float32) / np.float32(255.0)


@dataclass(frozen=True)
class NoisyImages(Sequences):
    """Images (n, 32, 96) that get their noise when they are taken: all at once fill no memory."""

    noise: Noise = Noise(0, fresh=False)
    split: int = 0

    @property
    def n_steps(self) -> int:
        return SIDE + self.noise.n_steps

    def take(self, chosen: npt.NDArray[np.int64]) -> Sequences:
        noise = self.noise.held(chosen, self.split)
        return Sequences(np.concatenate((self.x[chosen], noise), axis=1), self.y[chosen])


@dataclass(frozen=True)
class NoisyTraining:
    """Images in an order of its own in every epoch, each with its noise."""

    images: Images
    noise: Noise
    carried = False
    ragged = False

    @property
    def n(self) -> int:
        return len(self.images)

    @property
    def n_steps(self) -> int:
        return SIDE + self.noise.n_steps

    def epoch(self, rng: np.random.Generator, batch: int) -> Iterator[Sequences]:
        order = rng.permutation(self.n)
        for start in range(0, self.n - batch + 1, batch):
            chosen = order[start : start + batch]
            noise = self.noise.trained(batch, rng)
            x = np.concatenate((rows(self.images.planes[chosen]), noise), axis=1)
            yield Sequences(x, self.images.labels[chosen])


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """The official images, 48,000 / 2,000 / 10,000."""
    if root is None:
        raise DataError("ncifar: name the folder or archive of CIFAR-10 with --data")
    found = read_cifar(root)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(found.train))
    n_held = round(len(order) * VALIDATION_SHARE)
    held, train = (
        Images(found.train.planes[places], found.train.labels[places])
        for places in (np.sort(order[:n_held]), np.sort(order[n_held:]))
    )
    noise = Noise(options.length - SIDE, options.fresh_noise)
    return TaskData(
        train=NoisyTraining(train, noise),
        validation=NoisyImages(rows(held.planes), held.labels, noise=noise, split=1),
        test=NoisyImages(rows(found.test.planes), found.test.labels, noise=noise, split=2),
        goal=Goal("last", "classes", "accuracy"),
        n_in=ROW,
        labels=CLASSES,
        facts={
            "protocol": "noisy CIFAR-10: 32 rows of 96, then standard normal noise",
            "noise": "of each image its own" if options.fresh_noise else "one piece for all",
            "length": options.length,
            "sequences": {
                "train": len(train),
                "validation": len(held),
                "test": len(found.test),
            },
            "md5": found.digests,
        },
    )


def _recipe(cell: str, **values: Any) -> TaskRecipe:
    return TaskRecipe(
        cell,
        (values,),
        epochs=120,
        batch=100,
        learning_rate=3.22e-3,
        schedule="step",
        drop=100,
        clip_norm=0.0 if cell == "lem" else 1.0,
    )


TASK = Task(
    name="ncifar",
    summary="name an image that is followed by noise",
    source="Chang et al. 2019; protocol of the code of Rusch et al. 2022",
    load=load,
    recipes={
        "lem": _recipe("lem", n_units=128, dt=0.44),
        "lmu": _recipe("lmu", n_units=128, order=32, theta=1000.0, memory_d=16),
        "lstm": _recipe("lstm", n_units=128),
        "gru": _recipe("gru", n_units=128),
    },
    Options=Options,
    data="cifar-10-binary.tar.gz, or the folder unpacked from it",
)
