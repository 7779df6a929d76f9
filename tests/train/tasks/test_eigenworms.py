"""EigenWorms, on small files in the format of the official ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemem.errors import DataError
from edgemem.train.tasks import get
from edgemem.train.tasks.base import NoOptions
from edgemem.train.tasks.eigenworms import cut, load

HEAD = """@problemName EigenWorms
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength true
@seriesLength 3
@classLabel true 1 2
@data
"""


def write(folder: Path, split: str, numbers: range) -> None:
    """Series whose values are their number."""
    rows = (f"{n},{n},{n}:{n},0,{n}:{1 + n % 2}" for n in numbers)
    (folder / f"EigenWorms_{split}.ts").write_text(HEAD + "\n".join(rows) + "\n")


def test_cuts_are_those_of_scikit_learn() -> None:
    # from the documentation of train_test_split: 10 rows, test_size=0.33, random_state=42
    X = np.arange(10).reshape(5, 2)
    train, test = cut(5, 0.33, 42)
    assert X[train].tolist() == [[4, 5], [0, 1], [6, 7]]
    assert X[test].tolist() == [[2, 3], [8, 9]]


def test_the_official_sizes() -> None:
    train, rest = cut(259, 0.3, 1234)
    validation, test = cut(len(rest), 0.5, 1234)
    # published: 38 of 39 test series right
    assert (len(train), len(validation), len(test)) == (181, 39, 39)


def test_series_of_both_files_are_cut_anew_and_stay_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "TRAIN", range(12))
    write(tmp_path, "TEST", range(12, 20))
    data = load(NoOptions(), tmp_path, 0)
    train = data.train.sequences
    assert (len(train), len(data.validation), len(data.test)) == (14, 3, 3)
    order = np.random.RandomState(1234).permutation(20)
    np.testing.assert_array_equal(train.x[:, 0, 0], order[6:])
    np.testing.assert_array_equal(train.y, order[6:] % 2)
    seen = np.concatenate([one.x[:, 0, 0] for one in (train, data.validation, data.test)])
    assert sorted(seen) == list(range(20))
    assert data.facts["files"] == "other" and data.n_in == 2 and not data.train.ragged


def test_a_missing_file_says_where_it_is_from(tmp_path: Path) -> None:
    write(tmp_path, "TRAIN", range(12))
    with pytest.raises(DataError, match=r"no EigenWorms_TRAIN\.ts .*get EigenWorms\.zip from"):
        load(NoOptions(), tmp_path, 0)
    write(tmp_path, "TEST", range(12, 20))
    path = tmp_path / "EigenWorms_TEST.ts"
    path.write_text(path.read_text()[:-8])
    with pytest.raises(DataError, match=r"series 8.*get EigenWorms\.zip"):
        load(NoOptions(), tmp_path, 0)


def test_the_network_of_the_paper() -> None:
    stack = get("eigenworms").recipes["lem"].stack(6, 5)
    assert sum(int(np.prod(shape)) for shape in stack.params.values()) == 5_157
