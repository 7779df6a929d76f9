"""Real data sets, where the environment variable EDGEMEM_DATA names the folder that holds them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from edgemem.data import list_clips, load
from edgemem.data.check import check
from edgemem.frontend import PICTURES

pytestmark = pytest.mark.skipif(
    "EDGEMEM_DATA" not in os.environ, reason="EDGEMEM_DATA names no folder of recordings"
)


@pytest.fixture
def folder() -> Path:
    return Path(os.environ["EDGEMEM_DATA"])


def test_official_split_of_the_pictures(folder: Path) -> None:
    summary = check(folder / "speech_commands_v0.02_logmel40", frontend=PICTURES)
    sizes = [summary.splits[split]["yes"] for split in ("train", "validation", "test")]
    assert sizes == [3228, 397, 419]
    assert summary.report.reasons == {"constant": 113}
    # The published lists of v0.02 hold as many test clips of each word.
    assert summary.splits["test"]["up"] == 425


def test_pictures_load(folder: Path, tmp_path: Path) -> None:
    noise = folder / "speech_commands_noise"
    root = folder / "speech_commands_v0.02_logmel40"
    data = load(root, frontend=PICTURES, cache=tmp_path, background=noise)
    assert data.train.features.shape == (41473, 98, 40)
    held_out = Counter(data.labels[label] for label in data.validation.labels)
    wanted = sum(held_out[word] for word in data.labels[2:])
    assert held_out["_silence_"] == held_out["_unknown_"] == -(-wanted // 10)
    assert len(data.test) == 0


def test_pictures_and_recordings_meet(folder: Path) -> None:
    from edgemem.data.readers import PictureReader, SoundReader

    word = "yes/022cd682_nohash_0"
    sound = SoundReader(PICTURES, 16000).read(folder / "speech_commands_v0.02_test" / f"{word}.wav")
    pixels = PictureReader(PICTURES, 98).read(
        folder / "speech_commands_v0.02_logmel40" / f"{word}.yes.jpg"
    )
    assert sound.shape == pixels.shape
    assert abs(sound - pixels).mean() < 6


def test_the_official_test_archive(folder: Path) -> None:
    clips, report = list_clips(folder / "speech_commands_v0.02_test", "12")
    assert len(clips) == 4890
    counts = Counter(clip.label for clip in clips)
    assert (counts["_silence_"], counts["_unknown_"], counts["yes"]) == (408, 408, 419)
    assert report.skipped == ()


def test_arabic_words(folder: Path) -> None:
    summary = check(folder / "arabic_12words")
    assert summary.layout == "lists"
    sizes = [sum(summary.splits[split].values()) for split in ("train", "validation", "test")]
    assert sizes == [2160, 720, 720]
    missing = "train.csv names 5040 files that are not there: "
    assert any(note.startswith(missing) for note in summary.report.notes)
    assert not any("more than one split" in note for note in summary.report.notes)
