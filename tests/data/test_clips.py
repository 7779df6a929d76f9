"""Lists of recordings for evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data import list_clips, read_samples
from edgemem.data.types import Clip, Cut
from edgemem.errors import AudioError, DataError, UnknownNameError

Samples = npt.NDArray[np.int16]


def test_the_test_archive_is_listed_as_it_is(tone_set: Path) -> None:
    clips, report = list_clips(tone_set, "folders")
    assert Counter(clip.label for clip in clips) == dict.fromkeys(
        ("_silence_", "_unknown_", "low", "high"), 3
    )
    assert all(clip.path == tone_set / clip.name and clip.cut is None for clip in clips)
    assert report.skipped == ()


def test_a_directory_gives_silence_from_its_noise(commands: Path) -> None:
    clips, _ = list_clips(commands, "12", "validation")
    assert Counter(clip.label for clip in clips)["_silence_"] == 2
    silence = [clip for clip in clips if clip.cut is not None]
    assert {clip.path.name for clip in silence} == {"tap.wav"}
    assert all(len(read_samples(clip)) == 16000 for clip in silence)


def test_labels_of_a_model_decide(commands: Path) -> None:
    clips, report = list_clips(commands, "folders", labels=("_unknown_", "cat"))
    assert Counter(clip.label for clip in clips) == {"cat": 1, "_unknown_": 1}
    clips, report = list_clips(commands, "folders", labels=("cat", "dog"))
    assert [clip.label for clip in clips] == ["cat", "dog"]
    assert any("10 files of words without a label" in note for note in report.notes)


def test_labels_that_are_not_there_are_refused(commands: Path) -> None:
    with pytest.raises(DataError, match="has no clip with a label of wolf"):
        list_clips(commands, "folders", labels=("wolf",))


def test_features_cannot_be_streamed(pictures: Path) -> None:
    (pictures / "frontend.json").write_text("{}")
    with pytest.raises(DataError, match="holds picture features; recordings are needed"):
        list_clips(pictures)


def test_unknown_splits_are_refused(commands: Path) -> None:
    with pytest.raises(UnknownNameError, match="known: test, train, validation"):
        list_clips(commands, split="dev")


def test_samples_are_fitted_or_left(
    tmp_path: Path, noise: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    samples = noise(0, 20000)
    path = write_wav(tmp_path / "a.wav", samples)
    clip = Clip(path, "a", "a.wav")
    np.testing.assert_array_equal(read_samples(clip), samples[:16000])
    np.testing.assert_array_equal(read_samples(clip, seconds=None), samples)
    cut = Clip(path, "a", "a.wav", Cut(100, 0.5))
    np.testing.assert_array_equal(read_samples(cut), np.rint(samples[100:16100] * 0.5))


def test_bad_recordings_show_when_they_are_read(
    bare: None, tmp_path: Path, noise: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    clip = Clip(write_wav(tmp_path / "a.wav", noise(0), rate=8000), "a", "a.wav")
    with pytest.raises(AudioError):
        read_samples(clip)
