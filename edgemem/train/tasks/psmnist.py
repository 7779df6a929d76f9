"""Permuted sequential MNIST: a digit, one pixel at a time, in one order drawn once for all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgemem.data.idx import load_mnist
from edgemem.errors import ConfigError, DataError
from edgemem.train.tasks import smnist
from edgemem.train.tasks.base import Task, TaskData


@dataclass(frozen=True)
class Options(smnist.Options):
    """Options of the task.

    Parameters
    ----------
    validation_size : int
        Training images that are held for validation.
    permutation_seed : int
        Seed of the generator whose second draw, after an order of the images, orders the pixels.
    """

    permutation_seed: int = field(
        default=smnist.NRU_SEED,
        metadata={"help": "Draws the order of the pixels; 50 is that of the NRU's and LMU's code."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.permutation_seed < 2**32:
            raise ConfigError(
                f"permutation_seed must lie in [0, 2^32) (got {self.permutation_seed})"
            )


def load(options: Options, root: Path | None, seed: int) -> TaskData:
    """The splits of the NRU's code, pixels in its order."""
    if root is None:
        raise DataError("--data must name the folder of the four MNIST files")
    mnist = load_mnist(root)
    n_pixels = mnist.train.images[0].size
    # another permutation leaves the splits as they are
    images = smnist.shuffling(len(mnist.train), n_pixels).images
    pixels = smnist.shuffling(len(mnist.train), n_pixels, options.permutation_seed).pixels
    known = options.permutation_seed == smnist.NRU_SEED
    facts = {
        "protocol": f"psMNIST, split of the NRU's code (seed {smnist.NRU_SEED})",
        "permutation": "of the NRU's and LMU's code" if known else "another",
        "permutation_seed": options.permutation_seed,
        "permutation_begins": [int(pixel) for pixel in pixels[:8]],
    }
    return smnist.make_data(mnist, images, pixels, options.validation_size, facts)


TASK = Task(
    name="psmnist",
    summary="name a handwritten digit, seen one pixel at a time in a shuffled order",
    source="Le et al. 2015; splits and permutation of Chandar et al. 2019, as Voelker et al. 2019",
    load=load,
    recipes=smnist.recipes(dt=0.31, learning_rate=7.3e-3, clip_norm=1.1),
    Options=Options,
    data=smnist.TASK.data,
)
