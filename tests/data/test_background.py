"""Background noise: no second of it in two splits, levels as said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data.background import LOUDEST, Recording, cuts, pieces, recordings_of
from edgemem.data.readers import piece

Samples = npt.NDArray[np.int16]
SECOND = 16000


@pytest.fixture
def recordings(noise: Callable[..., Samples]) -> list[Recording]:
    return [
        Recording(Path(f"{n}.wav"), f"{n}.wav", noise(n, 20 * SECOND + n, 100)) for n in range(3)
    ]


def test_splits_share_no_sample(recordings: list[Recording]) -> None:
    spans: dict[str, list[tuple[int, int]]] = {}
    for split in ("train", "validation", "test"):
        starts = [clip.cut.start for clip in cuts(recordings, split, 200, SECOND, 0) if clip.cut]
        spans[split] = [(min(starts), max(starts) + SECOND)]
    (train,), (validation,), (test,) = spans["train"], spans["validation"], spans["test"]
    assert train[1] <= validation[0]
    assert validation[1] <= test[0]
    assert test[1] <= 20 * SECOND + 2


def test_levels_are_drawn_and_nothing_clips(recordings: list[Recording]) -> None:
    samples = {recording.path: recording.samples for recording in recordings}
    made = [
        piece(samples[c.path], c.cut, SECOND) for c in cuts(recordings, "train", 600, SECOND, 0)
    ]
    levels = np.array([np.sqrt(np.mean(np.square(sound, dtype=np.float64))) for sound in made])
    peaks = np.array([np.abs(sound.astype(int)).max() for sound in made])
    assert peaks.max() <= 32767
    # One half is uniform and one half log-uniform in 1..10,000: an eighth of all lies below 10.
    assert (levels < 10).mean() == pytest.approx(0.125, abs=0.04)
    assert (levels > 5000).mean() == pytest.approx(0.5 * 0.5 + 0.5 * np.log10(2) / 4, abs=0.05)
    assert levels.max() < LOUDEST * 1.01


def test_the_same_seed_gives_the_same_cuts(recordings: list[Recording]) -> None:
    first = cuts(recordings, "test", 10, SECOND, 4)
    assert first == cuts(recordings, "test", 10, SECOND, 4)
    assert first != cuts(recordings, "test", 10, SECOND, 5)
    assert first == cuts(recordings, "test", 20, SECOND, 4)[:10]


def test_digital_silence_stays_silent() -> None:
    silent = Recording(Path("0.wav"), "0.wav", np.zeros(20 * SECOND, np.int16))
    assert {clip.cut.gain for clip in cuts([silent], "train", 5, SECOND, 0) if clip.cut} == {1.0}


def test_short_recordings_give_no_cuts(noise: Callable[..., Samples]) -> None:
    short = Recording(Path("s.wav"), "s.wav", noise(0, 2 * SECOND))
    assert cuts([short], "validation", 5, SECOND, 0) == []
    assert len(cuts([short], "train", 5, SECOND, 0)) == 5


def test_pieces_are_dealt_out_once() -> None:
    paths = [Path(f"{number}_background.jpg") for number in range(2000)]
    dealt = {split: pieces(paths, split) for split in ("train", "validation", "test")}
    assert sorted(path for some in dealt.values() for path in some) == sorted(paths)
    assert len(dealt["validation"]) / 2000 == pytest.approx(0.35, abs=0.04)
    assert len(dealt["test"]) / 2000 == pytest.approx(0.1, abs=0.03)


def test_bad_recordings_are_named(
    tmp_path: Path, noise: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    good = write_wav(tmp_path / "b" / "good.wav", noise(0))
    bad = write_wav(tmp_path / "b" / "bad.wav", noise(0), rate=8000)
    found, report = recordings_of([good, bad], 16000)
    assert [recording.name for recording in found] == ["b/good.wav"]
    assert [item.name for item in report.skipped] == ["b/bad.wav"]
    assert report.skipped[0].reason.startswith("8000 Hz")
