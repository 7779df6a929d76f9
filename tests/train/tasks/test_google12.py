"""The LEM authors' keyword protocol on a small data set of the same layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.errors import DataError
from edgemem.train.tasks import get
from edgemem.train.tasks.base import NoOptions
from edgemem.train.tasks.google12 import LABELS, load

Samples = npt.NDArray[np.int16]

# of the official lists: the same speaker is in the same split everywhere
TRAIN, VALIDATION, TEST = "00176480", "validated", "0c40e715"


@pytest.fixture(autouse=True)
def no_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def commands(tmp_path: Path, write_wav: Callable[..., Path]) -> Path:
    root = tmp_path / "commands"
    rng = np.random.default_rng(0)
    for word in ("yes", "go", "cat", "dog"):
        for speaker in (TRAIN, VALIDATION, TEST):
            samples = (1000 * rng.standard_normal(16000)).astype(np.int16)
            write_wav(root / word / f"{speaker}_nohash_0.wav", samples)
    for name in ("tap", "bike"):
        noise = (100 * rng.standard_normal(48000)).astype(np.int16)
        write_wav(root / "_background_noise_" / f"{name}.wav", noise)
    words = ("yes", "go", "cat", "dog")
    for name, speaker in (("validation_list.txt", VALIDATION), ("testing_list.txt", TEST)):
        lines = [f"{word}/{speaker}_nohash_0.wav\n" for word in words]
        (root / name).write_text("".join(lines))
    return root


def test_every_other_word_is_unknown_and_silence_is_only_trained(commands: Path) -> None:
    data = load(NoOptions(), commands, 0)
    names = {
        split: sorted(LABELS[label] for label in part.y)
        for split, part in (("validation", data.validation), ("test", data.test))
    }
    assert names["test"] == names["validation"] == ["go", "unknown", "unknown", "yes"]
    assert data.facts["clips"]["train"]["silence"] == 2
    assert data.train.n == 6
    assert data.facts["share_of_unknown_in_test"] == 0.5
    assert "canonical" in data.facts["not_comparable"]
    assert "loudest" in data.facts["cannot_stream"]


def test_sequences_are_126_frames_of_80_bands(commands: Path) -> None:
    data = load(NoOptions(), commands, 0)
    batch = next(iter(data.train.epoch(np.random.default_rng(0), 6)))
    assert batch.x.shape == (6, 126, 80) and batch.x.dtype == np.float32
    np.testing.assert_allclose(batch.x.mean(axis=(1, 2)), 0.0, atol=1e-3)
    np.testing.assert_allclose(batch.x.std(axis=(1, 2)), 1.0, atol=1e-3)


def test_a_damaged_clip_is_left_out_and_counted(commands: Path) -> None:
    path = commands / "cat" / f"{TEST}_nohash_0.wav"
    path.write_bytes(path.read_bytes()[:100])
    data = load(NoOptions(), commands, 0)
    assert len(data.test) == 3 and data.facts["skipped"] == 1


def test_a_set_without_training_clips_is_refused(commands: Path) -> None:
    for path in commands.glob(f"*/{TRAIN}_*"):
        path.unlink()
    for path in (commands / "_background_noise_").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"no recording for train; expected a folder of Speech"):
        load(NoOptions(), commands, 0)


def test_the_authors_network_has_their_number_of_parameters() -> None:
    stack = get("google12").recipes["lem"].stack(80, 12)
    assert sum(int(np.prod(shape)) for shape in stack.params.values()) == 108_556
