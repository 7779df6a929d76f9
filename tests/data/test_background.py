"""Background noise: no second of it in two splits, levels as said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data.background import LOUDEST, Recording, cuts, pieces, recordings_of, shares
from edgemem.data.readers import piece
from edgemem.data.scenes.noise import FADE, rings_of
from edgemem.data.scenes.schedule import GRID

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


SPLITS = ("train", "validation", "test")


def short_ones(count: int, seconds: float = 5.0) -> list[Recording]:
    size = round(seconds * SECOND)
    names = [f"esc/{number}.wav" for number in range(count)]
    return [Recording(Path(name), name, np.full(size, 7, np.int16)) for name in names]


@pytest.mark.parametrize("count", [3, 4, 10, 500])
def test_many_short_files_go_whole_to_one_split(count: int) -> None:
    recordings = short_ones(count)
    dealt = {split: shares(recordings, split) for split in SPLITS}
    names = [recording.name for found in dealt.values() for recording, _, _ in found]
    assert sorted(names) == sorted(recording.name for recording in recordings)
    assert all(dealt.values())  # every split has some
    for found in dealt.values():
        assert all((first, last) == (0, 5 * SECOND) for _, first, last in found)
    if count == 500:
        assert len(dealt["validation"]) / count == pytest.approx(0.1, abs=0.05)
        assert len(dealt["test"]) / count == pytest.approx(0.1, abs=0.05)


def test_a_ring_of_a_short_file_is_all_of_it() -> None:
    for split in SPLITS:
        for ring in rings_of(short_ones(10), split):
            assert len(ring) == (5 * SECOND - FADE) // GRID * GRID


def test_the_split_of_a_file_does_not_hang_on_the_others() -> None:
    few, many = short_ones(300), short_ones(500)
    for split in SPLITS:
        names = {recording.name for recording, _, _ in shares(few, split)}
        assert names <= {recording.name for recording, _, _ in shares(many, split)}


def test_long_ones_among_short_ones_are_cut_in_time(recordings: list[Recording]) -> None:
    mixed = [*recordings, *short_ones(4, 19.9)]
    for split in SPLITS:
        found = {recording.name: last - first for recording, first, last in shares(mixed, split)}
        for recording in recordings:
            share = 0.8 if split == "train" else 0.1
            assert found[recording.name] == pytest.approx(share * 20 * SECOND, abs=3)


def test_one_or_two_files_are_cut_in_time_however_short() -> None:
    for split, share in zip(SPLITS, (0.8, 0.1, 0.1)):
        found = shares(short_ones(2), split)
        assert [last - first for _, first, last in found] == [round(share * 5 * SECOND)] * 2


def test_pieces_are_dealt_out_once() -> None:
    paths = [Path(f"{number}_background.jpg") for number in range(2000)]
    dealt = {split: pieces(paths, split) for split in ("train", "validation", "test")}
    assert sorted(path for some in dealt.values() for path in some) == sorted(paths)
    assert len(dealt["validation"]) / 2000 == pytest.approx(0.35, abs=0.04)
    assert len(dealt["test"]) / 2000 == pytest.approx(0.1, abs=0.03)


def test_bad_recordings_are_named(
    bare: None, tmp_path: Path, noise: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    good = write_wav(tmp_path / "b" / "good.wav", noise(0))
    bad = write_wav(tmp_path / "b" / "bad.wav", noise(0), rate=8000)
    found, report = recordings_of([good, bad], 16000)
    assert [recording.name for recording in found] == ["b/good.wav"]
    assert [item.name for item in report.skipped] == ["b/bad.wav"]
    assert report.skipped[0].reason.startswith("8000 Hz")
