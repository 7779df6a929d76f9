"""Long recordings with known times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data.stream import RATE, make_stream
from edgemem.errors import ConfigError, DataError

Samples = npt.NDArray[np.int16]


def test_words_are_where_the_times_say(tone_set: Path, tone: Callable[..., Samples]) -> None:
    samples, marked = make_stream(tone_set, protocol="folders", keywords=4, others=2, seed=1)
    assert Counter(mark.label for mark in marked) == {"low": 2, "high": 2, "_unknown_": 2}
    assert [mark.start for mark in marked] == sorted(mark.start for mark in marked)
    for mark in marked:
        assert mark.end - mark.start == pytest.approx(1.0)
        inside = samples[round(mark.start * RATE) + 400 : round(mark.end * RATE) - 400]
        pure = tone(mark.label)[400:-400].astype(float)
        assert np.corrcoef(inside, pure)[0, 1] > 0.99


def test_pauses_hold_background_only(tone_set: Path) -> None:
    samples, marked = make_stream(tone_set, protocol="folders", gap=(0.5, 0.7), seed=2)
    ends = [0.0, *(mark.end for mark in marked)]
    starts = [*(mark.start for mark in marked), len(samples) / RATE]
    for end, start in zip(ends, starts):
        assert 0.5 <= start - end <= 0.7001
        pause = samples[round(end * RATE) : round(start * RATE)]
        assert 0 < np.sqrt(np.mean(np.square(pause, dtype=float))) < 100


def test_the_same_seed_gives_the_same_recording(tone_set: Path) -> None:
    first, again = (make_stream(tone_set, protocol="folders", seed=5) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    other = make_stream(tone_set, protocol="folders", seed=6)
    assert [m.name for m in other[1]] != [m.name for m in first[1]]


def test_background_comes_from_recordings(commands: Path) -> None:
    samples, marked = make_stream(commands, split="train", keywords=3, others=0)
    assert len(marked) == 3
    assert samples.dtype == np.int16


@pytest.mark.parametrize(
    "options", [{"keywords": 0}, {"others": -1}, {"gap": (2.0, 1.0)}, {"gap": (-1.0, 1.0)}]
)
def test_senseless_options_are_refused(tone_set: Path, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected at least 1"):
        make_stream(tone_set, protocol="folders", **options)  # type: ignore[arg-type]


def test_a_split_without_keywords_is_refused(tone_set: Path) -> None:
    for word in ("low", "high"):
        for path in (tone_set / word).iterdir():
            path.unlink()
    (tone_set / "low" / "note.wav").mkdir()
    with pytest.raises(DataError, match=r"no folder is named|no keywords"):
        make_stream(tone_set, protocol="folders")
