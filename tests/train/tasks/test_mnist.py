"""sMNIST and psMNIST: splits and orders, against what the NRU's code draws."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from edgemem.errors import ConfigError, DataError
from edgemem.train.tasks import get, psmnist, smnist

N_TRAIN, N_TEST, SIDE = 30, 8, 4


def idx(array: np.ndarray) -> bytes:
    """The file of an array of bytes."""
    header = struct.pack(f">{array.ndim}I", *array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + header + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images whose first pixel is their number and whose second pixel their class."""
    for split, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        images = np.tile(np.arange(SIDE * SIDE, dtype=np.uint8) + 100, (n, 1))
        labels = np.arange(n, dtype=np.uint8) % 10
        images[:, 0], images[:, 1] = np.arange(n), labels
        (tmp_path / f"{split}-images-idx3-ubyte").write_bytes(idx(images.reshape(n, SIDE, SIDE)))
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


def test_rows_follow_each_other_and_labels_stay_with_their_images(folder: Path) -> None:
    data = smnist.load(smnist.Options(validation_size=6), folder, 0)
    order = np.random.RandomState(50).permutation(N_TRAIN)
    pixels = np.rint(data.validation.x[..., 0] * 255)
    assert pixels.shape == (6, SIDE * SIDE)
    np.testing.assert_array_equal(pixels[:, 0], order[-6:])
    np.testing.assert_array_equal(pixels[:, 1], data.validation.y)
    np.testing.assert_array_equal(pixels[0, 2:], np.arange(2, SIDE * SIDE) + 100)
    np.testing.assert_array_equal(data.train.sequences.y, order[:-6] % 10)
    assert data.facts["sizes"] == {"train": 24, "validation": 6, "test": N_TEST}
    assert data.facts["files"] == "other"


def test_the_permutation_is_the_second_draw_after_the_images(folder: Path) -> None:
    data = psmnist.load(psmnist.Options(validation_size=6), folder, 0)
    plain = smnist.load(smnist.Options(validation_size=6), folder, 0)
    rng = np.random.RandomState(50)
    rng.permutation(N_TRAIN)
    pixels = rng.permutation(SIDE * SIDE)
    for split in ("validation", "test"):
        shuffled, straight = getattr(data, split), getattr(plain, split)
        np.testing.assert_array_equal(shuffled.x, straight.x[:, pixels])
        np.testing.assert_array_equal(shuffled.y, straight.y)


def test_another_permutation_leaves_the_splits(folder: Path) -> None:
    one, other = (
        psmnist.load(psmnist.Options(validation_size=6, permutation_seed=seed), folder, 0)
        for seed in (50, 51)
    )
    np.testing.assert_array_equal(one.validation.y, other.validation.y)
    assert not np.array_equal(one.validation.x, other.validation.x)
    assert one.facts["permutation"] != other.facts["permutation"]


def test_the_permutation_of_the_lmu_authors() -> None:
    # 60,000 images and 784 pixels by seed 50, drawn with NumPy's legacy generator, which is frozen
    drawn = smnist.shuffling(60_000, 784)
    assert sorted(drawn.pixels) == list(range(784))
    rng = np.random.RandomState(50)
    rng.permutation(60_000)
    np.testing.assert_array_equal(drawn.pixels, rng.permutation(784))


def test_parameters_of_the_papers() -> None:
    def count(recipe: str) -> int:
        stack = get("psmnist").recipes[recipe].stack(1, 10)
        return sum(int(np.prod(shape)) for shape in stack.params.values())

    # Voelker et al. 2019: 102,027 trained; ours has a bias of 212 more
    assert count("lmu-paper") == 102_027 + 212
    # Chilkuri & Eliasmith 2021: 165,000
    assert count("lmu") == pytest.approx(165_000, rel=0.01)
    # Rusch et al. 2022, with one bias for each gate
    assert count("lem") == 67_850


def test_what_cannot_work(folder: Path) -> None:
    with pytest.raises(DataError, match="30 validation images of 30 leave none"):
        smnist.load(smnist.Options(validation_size=30), folder, 0)
    with pytest.raises(ConfigError, match="validation_size must be 1 or more"):
        smnist.Options(validation_size=0)
    with pytest.raises(ConfigError, match="permutation_seed"):
        psmnist.Options(permutation_seed=-1)
    with pytest.raises(DataError, match="--data must name"):
        smnist.load(smnist.Options(), None, 0)
