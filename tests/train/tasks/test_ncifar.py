"""Noisy CIFAR-10: what a step holds, and whose noise follows."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgemem.data.cifar import FILES, read_cifar
from edgemem.errors import ConfigError
from edgemem.train.tasks import get, ncifar
from edgemem.train.tasks.base import TaskData


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    for name in FILES:
        records = rng.integers(0, 256, (10, 3073), np.uint8)
        records[:, 0] %= 10
        (tmp_path / name).write_bytes(records.tobytes())
    monkeypatch.setattr(ncifar, "read_cifar", partial(read_cifar, images_a_file=10))
    return tmp_path


def loaded(root: Path, **options: bool | int) -> TaskData:
    return ncifar.load(ncifar.Options(**options), root, 0)  # type: ignore[arg-type]


def test_a_step_is_a_row_red_green_blue() -> None:
    planes = np.arange(2 * 3 * 32 * 32).reshape(2, 3, 32, 32).astype(np.uint8)
    got = ncifar.rows(planes)
    assert got.shape == (2, 32, 96)
    for colour in range(3):
        wanted = planes[1, colour, 20] / 255
        np.testing.assert_allclose(got[1, 20, 32 * colour : 32 * (colour + 1)], wanted, atol=1e-7)


def test_one_piece_of_noise_follows_all_images(small: Path) -> None:
    data = loaded(small, length=40)
    batch = next(iter(data.train.epoch(np.random.default_rng(0), 8)))
    assert batch.x.shape == (8, 40, 96) and data.validation.n_steps == 40
    held, test = data.validation.take(np.arange(2)), data.test.take(np.arange(10))
    noise = test.x[0, 32:]
    for part in (batch, held, test):
        assert (part.x[:, 32:] == noise).all()
    np.testing.assert_array_equal(test.x[:, :32], ncifar.rows(read_cifar(small, 10).test.planes))
    assert abs(noise.mean()) < 0.2 and noise.std() == pytest.approx(1.0, abs=0.1)


def test_fresh_noise_is_each_images_own_and_stays_with_it_in_the_held_sets(small: Path) -> None:
    data = loaded(small, length=40, fresh_noise=True)
    test = data.test.take(np.arange(10)).x[:, 32:]
    assert not np.isclose(test[0], test[1]).any()
    np.testing.assert_array_equal(data.test.take(np.array([3])).x[0, 32:], test[3])
    assert not np.isclose(data.validation.take(np.array([0])).x[0, 32:], test[0]).any()
    epochs = [next(iter(data.train.epoch(np.random.default_rng(s), 8))).x for s in (0, 1)]
    assert not np.isclose(epochs[0][:, 32:], epochs[1][:, 32:]).all()


def test_no_image_is_in_two_splits(small: Path) -> None:
    data = loaded(small, length=33)
    train = np.concatenate([b.x[:, :32] for b in data.train.epoch(np.random.default_rng(0), 1)])
    held = data.validation.take(np.arange(2)).x[:, :32]
    assert (len(train), len(held), len(data.test)) == (48, 2, 10)
    both = {image.tobytes() for image in np.concatenate((train, held))}
    assert both == {image.tobytes() for image in ncifar.rows(read_cifar(small, 10).train.planes)}


def test_an_image_must_fit() -> None:
    with pytest.raises(ConfigError, match=r"length must be 32 or more \(got 31\)"):
        ncifar.Options(length=31)


def test_the_authors_network_has_their_number_of_parameters() -> None:
    stack = get("ncifar").recipes["lem"].stack(96, 10)
    assert sum(int(np.prod(shape)) for shape in stack.params.values()) == 116_490
