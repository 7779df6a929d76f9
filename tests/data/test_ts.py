"""The .ts format, against small files written by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgemem.data.ts import read_ts
from edgemem.errors import ConfigError, DataError

HEAD = """# a comment
@problemName Made
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength false
@classLabel true calm wild
@data
"""


@pytest.fixture
def made(tmp_path: Path):
    def write(rows: str, head: str = HEAD) -> Path:
        path = tmp_path / "Made_TRAIN.ts"
        path.write_text(head + rows)
        return path

    return write


def test_dimensions_lengths_and_classes(made) -> None:
    found = read_ts(made("1,2,3:4,5,6:wild\n\n-1.5,2e1:0,-0:calm\n"))
    assert found.name == "Made" and found.classes == ("calm", "wild")
    assert found.series[0].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert found.series[1].tolist() == [[-1.5, 0], [20, 0]]
    assert found.lengths.tolist() == [3, 2] and found.indices.tolist() == [1, 0]
    assert found.padded(3)[1].tolist() == [[-1.5, 0], [20, 0], [0, 0]]


def test_a_regression_set_has_values(made) -> None:
    head = "@problemName Rate\n@univariate true\n@targetlabel true\n@data\n"
    found = read_ts(made("1,2:70.5\n3,4:-1\n", head))
    assert found.values.tolist() == [70.5, -1.0] and found.classes == ()
    with pytest.raises(DataError, match=r"series 1: expected a finite target value \(got 'fast'\)"):
        read_ts(made("1,2:fast\n", head))


def test_missing_values_are_refused_by_name_or_interpolated(made) -> None:
    path = made("1,2:3,4:calm\n1,?,3,?:NaN,8,9,10:wild\n")
    with pytest.raises(DataError, match=r"series 2, dimension 2: step 1 is missing; --missing"):
        read_ts(path)
    found = read_ts(path, missing="interpolate")
    # the line between neighbours, and at an end the nearest value
    assert found.series[1].T.tolist() == [[1, 2, 3, 3], [8, 8, 9, 10]]
    assert found.filled == 3


def test_a_dimension_without_any_value(made) -> None:
    with pytest.raises(DataError, match="series 1, dimension 2: all steps are missing"):
        read_ts(made("1,2:?,?:calm\n"), missing="interpolate")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,2:3,4:5,6:calm\n", "series 1: 3 dimensions, expected 2"),
        ("1,2:3,4:calm\n1,2", "series 2: no ':' between values and label"),
        ("1,2:3,4,5:calm\n", "dimension 2 has 3 steps, the first has 2"),
        ("1,2:3,4:angry\n", "unknown class 'angry'; known: calm, wild"),
        ("1,2:3,x:calm\n", "dimension 2: could not convert string to float: 'x'"),
        ("1,2:3,:calm\n", "dimension 2: could not convert"),
        ("1,2:3,inf:calm\n", "dimension 2: step 2 is not finite"),
        ("(0,1),(1,2):(0,1),(1,3):calm\n", "values with timestamps"),
        ("", "holds no series"),
    ],
)
def test_what_is_wrong_with_a_series_is_said(made, rows: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_ts(made(rows))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@timeStamps false", "@timeStamps true", "line 3: series with timestamps"),
        ("@missing false", "@missing maybe", "line 4: expected true or false (got 'maybe')"),
        ("@missing false", "@colour blue", "line 4: unknown @colour; known: @problemName"),
        ("@missing false", "@timeStamps false", "line 4: @timestamps is said twice"),
        ("@missing false", "@missing", "line 4: @missing says nothing"),
        ("@dimensions 2", "@dimensions none", "line 6: expected a number of 1 or more"),
        ("calm wild", "calm calm", "line 8: expected classes, each once"),
        ("@classLabel true calm wild", "@classLabel false", "no class labels and no target"),
        ("@data", "", "no @data"),
        ("@missing false", "1,2:3,4:calm", "line 4: expected a line that begins with @"),
        ("@equalLength false", "@equalLength true", "series 2: 3 steps, expected 2"),
        (
            "@equalLength false",
            "@equalLength true\n@seriesLength 9",
            "series 1: 2 steps, expected 9",
        ),
    ],
)
def test_what_is_wrong_with_a_header_is_said(made, old: str, new: str, message: str) -> None:
    rows = "1,2:3,4:calm\n1,2,3:4,5,6:wild\n"
    with pytest.raises(DataError) as caught:
        read_ts(made("" if old == "@data" else rows, HEAD.replace(old, new)))
    assert message in str(caught.value)


def test_files_that_are_no_text_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_ts(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text"):
        read_ts(path)


def test_an_unknown_way_with_missing_values(made) -> None:
    with pytest.raises(ConfigError, match="missing must be one of refuse, interpolate"):
        read_ts(made("1,2:3,4:calm\n"), missing="guess")


@pytest.mark.skipif("EDGEMEM_DATA" not in os.environ, reason="EDGEMEM_DATA names no folder")
@pytest.mark.parametrize(
    ("name", "n_train", "n_test", "steps", "dimensions", "classes"),
    [
        # sizes as the archive's own table has them
        ("JapaneseVowels", 270, 370, (7, 29), 12, 9),
        ("BasicMotions", 40, 40, (100, 100), 6, 4),
        ("PLAID", 537, 537, (100, 1344), 1, 11),
        ("GunPoint", 50, 150, (150, 150), 1, 2),
    ],
)
def test_sets_of_the_archive(name, n_train, n_test, steps, dimensions, classes) -> None:
    folder = Path(os.environ["EDGEMEM_DATA"]) / "sktime_ts" / name
    train, test = (read_ts(folder / f"{name}_{split}.ts") for split in ("TRAIN", "TEST"))
    assert (len(train), len(test)) == (n_train, n_test)
    lengths = np.concatenate((train.lengths, test.lengths))
    assert (lengths.min(), lengths.max()) == steps
    assert (train.n_dimensions, len(train.classes)) == (dimensions, classes)


def test_a_number_of_many_digits_is_one_short_sentence(made) -> None:
    with pytest.raises(DataError, match=r"line 2: expected a number of 1 or more") as caught:
        read_ts(made("1:a\n", f"@problemName x\n@dimensions {'9' * 5000}\n@data\n"))
    assert len(str(caught.value)) < 300
    with pytest.raises(DataError, match="step 1 is not finite"):
        read_ts(made(f"{'9' * 5000}:1:calm\n"))
    with pytest.raises(DataError, match="could not convert string to float") as caught:
        read_ts(made(f"{'x' * 100_000}:1:calm\n"))
    assert len(str(caught.value)) < 300


def test_one_long_series_among_many_does_not_take_all_memory(made) -> None:
    head = "@problemName x\n@univariate true\n@classLabel true a\n@data\n"
    found = read_ts(made("1:a\n" * 5000 + ",".join(["1"] * 100_000) + ":a\n", head))
    with pytest.raises(DataError, match="at the length of the longest, 100000 steps"):
        found.padded(100_000)


def test_values_longer_than_a_block_are_all_read(made) -> None:
    steps = np.arange(70_000, dtype=np.float32)
    text = ",".join(f"{value:.1f}" for value in steps)
    found = read_ts(made(f"{text}:{text}:calm\n"))
    np.testing.assert_array_equal(found.series[0], np.stack([steps, steps], axis=1))
