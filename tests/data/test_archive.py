"""One .npz file of features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemem.data import load
from edgemem.data.check import check
from edgemem.errors import DataError
from edgemem.frontend import FrontEnd

SMALL = FrontEnd(n_mels=4, f_max=8000.0)
WORDS = np.array(["ja", "nein"] * 10)
SPLITS = np.array(["train"] * 12 + ["validation"] * 4 + ["test"] * 4)


def arrays(**more: Any) -> dict[str, Any]:
    values = np.random.default_rng(0).standard_normal((20, 30, 4)).astype(np.float32)
    return {"features": values, "labels": WORDS, **more}


def test_splits_as_given(tmp_path: Path) -> None:
    given = arrays(splits=SPLITS, names=np.array([f"n{i}" for i in range(20)]))
    np.savez(tmp_path / "set.npz", **given)
    data = load(tmp_path / "set.npz", frontend=SMALL, splits=("train", "validation", "test"))
    assert data.labels == ("ja", "nein")
    np.testing.assert_array_equal(data.train.features, given["features"][:12])
    np.testing.assert_array_equal(data.test.features, given["features"][16:])
    assert data.validation.names == ("n12", "n13", "n14", "n15")
    assert data.train.labels.tolist() == [0, 1] * 6


def test_the_sha1_rule_without_splits(tmp_path: Path, speakers: dict[str, list[str]]) -> None:
    who = np.array(speakers["train"][:15] + speakers["validation"][:5])
    np.savez(tmp_path / "set.npz", **arrays(speakers=who))
    data = load(tmp_path / "set.npz", frontend=SMALL)
    assert (len(data.train), len(data.validation)) == (15, 5)


def test_speakers_that_cross_are_remarked_on(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", **arrays(splits=SPLITS, speakers=np.array(["anna"] * 20)))
    report = load(tmp_path / "set.npz", frontend=SMALL).report
    assert "1 speakers are in more than one split of the lists: anna" in report.notes


def test_values_that_are_no_numbers_are_skipped(tmp_path: Path) -> None:
    given = arrays(splits=SPLITS)
    given["features"][3, 5, 1] = np.nan
    np.savez(tmp_path / "set.npz", **given)
    data = load(tmp_path / "set.npz", frontend=SMALL)
    assert len(data.train) == 11
    assert [item.name for item in data.report.skipped] == ["000003"]
    summary = check(tmp_path / "set.npz", frontend=SMALL)
    assert summary.splits["train"] == {"ja": 6, "nein": 5}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"labels": np.arange(20)}, "'labels' is int64"),
        ({"features": np.zeros((20, 4))}, r"'features' is float64 of shape \(20, 4\)"),
        ({"splits": np.array(["train"] * 19)}, r"expected text of shape \(20,\)"),
        ({"splits": np.array(["eval"] * 20)}, "no split named 'eval'"),
        ({"names": np.array(["n"] * 20)}, "two clips have the same name"),
        ({"labels": np.array([None] * 20)}, "damaged array file"),  # would need pickle
        ({"features": np.zeros((20, 30, 5))}, "holds 5 bands, its front end makes 4"),
    ],
)
def test_arrays_that_do_not_meet(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "set.npz", **arrays(**more))
    with pytest.raises(DataError, match=message):
        load(tmp_path / "set.npz", frontend=SMALL)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="no array 'features'; it has: x"):
        load(tmp_path / "set.npz", frontend=SMALL)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"nothing"])
def test_a_damaged_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "set.npz").write_bytes(data)
    with pytest.raises(DataError, match=r"set\.npz: damaged array file"):
        load(tmp_path / "set.npz", frontend=SMALL)


def test_an_archive_that_unpacks_to_much_more_than_itself_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "set.npz", **arrays(features=np.zeros((20, 250_000, 4))))
    assert (tmp_path / "set.npz").stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"its archive unpacks to 160,00\d,\d+ bytes, of"):
        load(tmp_path / "set.npz", frontend=SMALL)


def test_a_million_clips_of_nothing_are_refused(tmp_path: Path) -> None:
    count = 140_000
    labels = np.full(count, "a")
    np.savez(tmp_path / "set.npz", features=np.zeros((count, 1, 4), np.uint8), labels=labels)
    with pytest.raises(DataError, match="140,000 clips of next to nothing"):
        load(tmp_path / "set.npz", frontend=SMALL)


def test_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    codes = np.full(20, 0x7FFFFFFF, np.uint32)
    np.savez(tmp_path / "set.npz", **arrays(labels=codes.view("<U1")))
    with pytest.raises(DataError, match="numbers that are no characters"):
        load(tmp_path / "set.npz", frontend=SMALL)


def test_one_array_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros((2, 3)))
    (tmp_path / "one.npy").rename(tmp_path / "set.npz")
    with pytest.raises(DataError, match="one array, not an archive"):
        load(tmp_path / "set.npz", frontend=SMALL)
