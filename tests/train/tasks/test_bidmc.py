"""Heart rates from small files of the archive's format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemem.errors import DataError
from edgemem.train.tasks import get
from edgemem.train.tasks.base import NoOptions
from edgemem.train.tasks.bidmc import FILES, load

HEADER = """# a comment
@problemName BIDMC32HR
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength true
@seriesLength 6
@targetlabel true
@data
"""


def line(number: int, steps: int = 6) -> str:
    """Two signals that tell which series they are of, and a heart rate that does too."""
    one = ",".join(str(number + step / 10) for step in range(steps))
    other = ",".join(str(-number - step / 10) for step in range(steps))
    return f"{one}:{other}:{60 + number / 4}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / FILES[0]).write_text(HEADER + "".join(line(n) for n in range(14)))
    (tmp_path / FILES[1]).write_text(HEADER + "".join(line(n) for n in range(14, 20)))
    return tmp_path


def test_every_series_is_in_one_part_with_its_heart_rate(folder: Path) -> None:
    data = load(NoOptions(), folder, 0)
    parts = [data.train.sequences, data.validation, data.test]  # type: ignore[attr-defined]
    assert [len(part) for part in parts] == [14, 3, 3]
    x, y = (np.concatenate([getattr(part, name) for part in parts]) for name in "xy")
    assert sorted(x[:, 0, 0]) == list(range(20))
    np.testing.assert_allclose(y[:, 0], 60 + x[:, 0, 0] / 4)
    np.testing.assert_allclose(x[:, :, 0], -x[:, :, 1])
    np.testing.assert_allclose(x[:, 3, 0], x[:, 0, 0] + 0.3, rtol=1e-6)


def test_the_parts_are_the_same_for_every_run(folder: Path) -> None:
    one, other = (load(NoOptions(), folder, seed) for seed in (0, 1))
    np.testing.assert_array_equal(one.test.x, other.test.x)


def test_the_shares_are_the_authors() -> None:
    assert (int(7949 * 0.15), 7949 - 2 * int(7949 * 0.15)) == (1192, 5565)


def test_too_few_series_for_three_parts_are_refused(folder: Path) -> None:
    for name in FILES:
        (folder / name).write_text(HEADER + line(0))
    with pytest.raises(DataError, match="2 sequences do not fill three parts"):
        load(NoOptions(), folder, 0)


def test_a_missing_file_is_named_with_where_it_is_published(folder: Path) -> None:
    (folder / FILES[1]).unlink()
    with pytest.raises(DataError, match=r"has no BIDMC32HR_TEST\.ts; get .*zenodo"):
        load(NoOptions(), folder, 0)


def test_a_file_cut_short_is_refused(folder: Path) -> None:
    path = folder / FILES[0]
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DataError, match=r"BIDMC32HR_TRAIN\.ts, series 14"):
        load(NoOptions(), folder, 0)


def test_series_of_unequal_length_are_refused(folder: Path) -> None:
    path = folder / FILES[1]
    lines = path.read_text().replace("@seriesLength 6\n", "").replace("@equalLength true\n", "")
    path.write_text(lines + line(20, steps=4))
    with pytest.raises(DataError, match="sequences of 4 to 6 steps"):
        load(NoOptions(), folder, 0)


def test_classes_are_no_heart_rates(folder: Path) -> None:
    header = HEADER.replace("@targetlabel true", "@classLabel true 60.0 60.25")
    (folder / FILES[0]).write_text(header + line(0) + line(1))
    with pytest.raises(DataError, match="classes, not heart rates"):
        load(NoOptions(), folder, 0)


def test_the_authors_network_has_their_number_of_parameters() -> None:
    stack = get("bidmc").recipes["lem"].stack(2, 1)
    assert sum(int(np.prod(shape)) for shape in stack.params.values()) == 67_201
