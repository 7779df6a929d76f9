"""Small data sets that look like the real ones."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

Samples = npt.NDArray[np.int16]
TEN = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


def _percent(speaker: str) -> float:
    """The rule of Speech Commands, from its README, apart from the code under test."""
    return int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % 2**27 * 100.0 / (2**27 - 1)


@pytest.fixture(scope="session")
def speakers() -> dict[str, list[str]]:
    """Twenty speakers of each split."""
    found: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for number in itertools.count():
        name = f"{number:08x}"
        percent = _percent(name)
        split = "validation" if percent < 10 else "test" if percent < 20 else "train"
        if len(found[split]) < 20:
            found[split].append(name)
        if all(len(names) == 20 for names in found.values()):
            return found
    raise AssertionError


@pytest.fixture
def noise() -> Callable[..., Samples]:
    """``noise(seed, n_samples=16000, level=1000)``."""

    def make(seed: int, n_samples: int = 16000, level: float = 1000.0) -> Samples:
        rng = np.random.default_rng(seed)
        return (level * rng.standard_normal(n_samples)).astype(np.int16)

    return make


@pytest.fixture
def commands(
    tmp_path: Path,
    speakers: dict[str, list[str]],
    write_wav: Callable[..., Path],
    noise: Callable[..., Samples],
) -> Path:
    """A Speech Commands directory: ten words and two more, background noise, no lists.

    Of each word: three speakers train, two validate, one tests.
    """
    root = tmp_path / "commands"
    seed = 0
    for word in (*TEN, "cat", "dog"):
        for split, count in (("train", 3), ("validation", 2), ("test", 1)):
            for speaker in speakers[split][:count]:
                seed += 1
                write_wav(root / word / f"{speaker}_nohash_0.wav", noise(seed))
    write_wav(root / "_background_noise_" / "tap.wav", noise(999, 16000 * 12, 100))
    (root / "_background_noise_" / "README.md").write_text("noise")
    (root / "README.md").write_text("commands")
    return root


@pytest.fixture
def pictures(tmp_path: Path, speakers: dict[str, list[str]]) -> Path:
    """Pictures named as those made of Speech Commands, with a word in the folder ``unknown``."""
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    root = tmp_path / "pictures"
    rng = np.random.default_rng(0)

    def write(name: str, low: int = 0, high: int = 255) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(low, high + 1, (98, 40)).astype(np.uint8)
        image.fromarray(pixels).save(path)

    for word in TEN:
        for split, count in (("train", 2), ("validation", 2), ("test", 1)):
            for speaker in speakers[split][:count]:
                write(f"{word}/{speaker}_nohash_0.{word}.jpg")
    for word, split in itertools.product(("bed", "cat", "one"), ("train", "validation", "test")):
        write(f"unknown/{speakers[split][0]}_nohash_1.{word}.jpg")
    for number in range(40):
        write(f"_background_noise_/{number}_background.jpg")
    write("_background_noise_/40_background.jpg", 7, 7)
    write("_background_noise_/41_background.jpg", 9, 9)
    write("_background_noise_/42_background.jpg", 0, 0)
    return root
