"""More other words: whose training split joins the data, under which label, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.errors import ConfigError, DataError
from edgemem.train.others import with_others

WORDS = (SILENCE, UNKNOWN, "yes", "no")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Five pictures of two words; three of them are for training."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 1), ("test", 1)):
        rows = ["file,class"]
        for number in range(count):
            word = ("na", "la")[number % 2]
            path = tmp_path / "other" / word / f"{split}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (98, 8), dtype=np.uint8)).save(path)
            rows.append(f"{word}/{path.name},{word}")
        (tmp_path / "other" / f"{split}.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "other"


def second(data, dtype="float32"):
    """The set with clips of a second."""
    features = np.random.default_rng(1).integers(0, 255, (len(data.train), 98, 8)).astype(dtype)
    return replace(data, train=replace(data.train, features=features))


def test_the_training_split_joins_as_other_words(made_set, pictures, tmp_path):
    data = second(made_set(WORDS, (0, 4, 5, 6), background=2), "uint8")
    more = with_others(data, pictures, tmp_path / "cache")
    assert len(more.train) == 15 + 3
    assert more.train.features.dtype == np.uint8
    np.testing.assert_array_equal(more.train.features[:15], data.train.features)
    np.testing.assert_array_equal(more.train.labels[15:], [1, 1, 1])
    assert sorted(more.train.names[15:]) == ["la/train1.png", "na/train0.png", "na/train2.png"]
    for frames, name in zip(more.train.features[15:], more.train.names[15:]):
        np.testing.assert_array_equal(frames, np.asarray(Image.open(pictures / name)))
    assert more.labels == data.labels
    assert len(more.validation) == len(data.validation)
    assert more.report.read == data.report.read + 3


def test_floats_stay_floats(made_set, pictures, tmp_path):
    data = second(made_set(WORDS, (0, 4, 5, 6), background=2))
    more = with_others(data, pictures, tmp_path / "cache")
    assert more.train.features.dtype == np.float32


def test_other_words_need_their_label(made_set, pictures, tmp_path):
    with pytest.raises(ConfigError, match=r"need the label _unknown_; the data have a, b, c, d"):
        with_others(made_set(), pictures, tmp_path / "cache")


def test_clips_of_another_length_are_refused(made_set, pictures, tmp_path):
    data = made_set(WORDS, (0, 4, 5, 6), background=2)
    message = "clips of 98 frames and 8 bands; those of the data have 12 and 8"
    with pytest.raises(DataError, match=message):
        with_others(data, pictures, tmp_path / "cache")
