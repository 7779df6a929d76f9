"""The cache: same features, less work, and nothing believed that is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgemem.data.cache import FeatureCache, default_folder, gather, reason_of
from edgemem.errors import AudioError, DataError

Values = npt.NDArray[np.float32]


class Counting:
    """Features that say what the file holds; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, path: Path) -> Values:
        self.asked.append(path.name)
        text = path.read_text()
        if text.startswith("bad"):
            raise DataError(f"{path} is damaged: {text}; copy it again")
        return np.full((2, 3), float(text), np.float32)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Forty files: their numbers, number 7 twice, number 9 damaged."""
    made = []
    for number in range(40):
        path = tmp_path / "in" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("bad header" if number == 9 else str(7 if number == 11 else number))
        made.append(path)
    return made


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", "key", (2, 3), "float32")


EXPECTED = [0.0 if n == 9 else 7.0 if n == 11 else float(n) for n in range(40)]


def shards(cache: FeatureCache) -> list[Path]:
    return sorted((cache.folder / cache.key).iterdir())


def test_features_come_in_the_order_of_the_files(files: list[Path], cache: FeatureCache) -> None:
    features, bad = gather(files, Counting(), cache)
    assert features[:, 1, 2].tolist() == EXPECTED
    assert features.dtype == np.float32
    assert bad == {9: "damaged"}


def test_the_second_time_only_bad_files_are_read_again(
    files: list[Path], cache: FeatureCache
) -> None:
    first, second = Counting(), Counting()
    gather(files, first, cache)
    features, bad = gather(files, second, cache)
    assert len(first.asked) == 39  # file 11 holds what file 7 holds
    assert second.asked == ["9.txt"]
    assert features[:, 0, 0].tolist() == EXPECTED
    assert bad == {9: "damaged"}


def test_changed_and_new_files_are_made_anew(files: list[Path], cache: FeatureCache) -> None:
    gather(files[:30], Counting(), cache)
    files[3].write_text("300")
    compute = Counting()
    features, _ = gather(files, compute, cache)
    assert features[3, 0, 0] == 300
    assert sorted(compute.asked) == sorted(["3.txt", "9.txt"] + [f"{n}.txt" for n in range(30, 40)])


def test_another_key_shares_nothing(files: list[Path], cache: FeatureCache) -> None:
    gather(files, Counting(), cache)
    compute = Counting()
    gather(files, compute, FeatureCache(cache.folder, "other", (2, 3), "float32"))
    assert len(compute.asked) == 39


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_damaged_shard_is_made_anew(
    files: list[Path], cache: FeatureCache, data: st.DataObject
) -> None:
    gather(files, Counting(), cache)
    path = data.draw(st.sampled_from(shards(cache)))
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans(), label="truncate"):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    compute = Counting()
    features, _ = gather(files, compute, cache)
    assert features[:, 1, 1].tolist() == EXPECTED
    assert len(compute.asked) > 1
    again = Counting()
    gather(files, again, cache)
    assert again.asked == ["9.txt"]


def test_a_shard_of_another_shape_is_made_anew(files: list[Path], cache: FeatureCache) -> None:
    gather(files, Counting(), FeatureCache(cache.folder, cache.key, (2, 3), "float64"))
    features, _ = gather(files, Counting(), cache)
    assert features[:, 0, 0].tolist() == EXPECTED


def test_an_interrupted_run_goes_on(files: list[Path], cache: FeatureCache) -> None:
    compute = Counting()

    def interrupted(path: Path) -> Values:
        if len(compute.asked) == 25:
            raise KeyboardInterrupt
        return compute(path)

    with pytest.raises(KeyboardInterrupt):
        gather(files, interrupted, cache)
    assert all(path.suffix == ".shard" for path in shards(cache))
    again = Counting()
    features, _ = gather(files, again, cache)
    assert features[:, 0, 0].tolist() == EXPECTED
    assert len(again.asked) < 39


def test_a_cache_that_cannot_be_written_is_done_without(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = FeatureCache(tmp_path / "cache", "key", (2, 3), "float32")
    features, _ = gather(files, Counting(), cache)
    assert features[:, 0, 0].tolist() == EXPECTED


def test_a_file_that_goes_away_is_bad(files: list[Path], cache: FeatureCache) -> None:
    files[5].unlink()
    assert gather(files, Counting(), cache)[1][5] == "cannot be read: No such file or directory"


def test_progress_ends_at_all(files: list[Path], cache: FeatureCache) -> None:
    seen: list[tuple[int, int]] = []
    gather(files, Counting(), cache, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (40, 40)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{} is 8000 Hz, 2 channels, 16 bits; expected 16000 Hz", "8000 Hz, 2 channels, 16 bits"),
        ("{} is truncated: its header promises 5 samples", "truncated"),
        ("{} is not a PCM wav file (unknown format: 3); convert it", "not a PCM wav file"),
        ("cannot read {}: Permission denied", "cannot read"),
    ],
)
def test_a_reason_holds_no_name(message: str, reason: str) -> None:
    path = Path("some") / "clip.wav"
    assert reason_of(AudioError(message.format(path)), path) == reason


def test_the_cache_is_where_the_user_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "edgemem" / "features"
    monkeypatch.delenv("XDG_CACHE_HOME")
    home: Callable[[], Path] = lambda: tmp_path / "home"  # noqa: E731
    monkeypatch.setattr(Path, "home", home)
    assert default_folder() == tmp_path / "home" / ".cache" / "edgemem" / "features"
