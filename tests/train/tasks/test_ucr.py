"""Sets of the archives as a task, on small sets written here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError, DataError, UnknownNameError
from edgemem.train.tasks.ucr import Options, load, stratified


def write(folder: Path, name: str, split: str, rows: list[str], classes: str = "a b") -> None:
    folder.mkdir(exist_ok=True)
    head = f"@problemName {name}\n@equalLength false\n@classLabel true {classes}\n@data\n"
    (folder / f"{name}_{split}.ts").write_text(head + "\n".join(rows) + "\n")


def rows(n: int, seed: int) -> list[str]:
    """Two dimensions, the second never moving; 3 to 6 steps."""
    rng = np.random.default_rng(seed)
    made = []
    for place in range(n):
        values = rng.normal(5.0, 2.0, 3 + place % 4)
        still = ",".join("7" for _ in values)
        made.append(f"{','.join(map(str, values))}:{still}:{'ab'[place % 2]}")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "Made", "Made", "TRAIN", rows(20, 0))
    write(tmp_path / "Made", "Made", "TEST", rows(8, 1))
    return tmp_path


def test_lengths_classes_and_scale(folder: Path) -> None:
    data = load(Options(problem="Made"), folder, 0)
    train = data.train.sequences
    assert (len(train), len(data.validation), len(data.test)) == (16, 4, 8)
    assert train.n_steps == data.test.n_steps == 6
    there = np.arange(6) < train.lengths[:, None]
    np.testing.assert_allclose(train.x[there].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(train.x[there].std(axis=0), [1, 0], atol=1e-5)
    assert not train.x[~there].any()
    # the scale is that of the training series, also for the others
    first = np.array([float(word) for word in rows(8, 1)[0].split(":")[0].split(",")])
    mean, deviation = data.facts["mean"][0], data.facts["deviation"][0]
    np.testing.assert_allclose(data.test.x[0, :3, 0], (first - mean) / deviation, rtol=1e-5)
    assert data.labels == ("a", "b") and data.test.y.tolist() == [0, 1] * 4


def test_equal_lengths_need_no_padding(tmp_path: Path) -> None:
    same = ["1,2,3:a", "3,2,1:b"] * 4
    write(tmp_path, "Flat", "TRAIN", same)
    write(tmp_path, "Flat", "TEST", same)
    data = load(Options(problem="Flat"), tmp_path, 0)
    assert not data.train.ragged and data.validation.lengths is None


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=6),
    st.floats(0.01, 0.99),
    st.integers(0, 99),
)
def test_every_class_is_kept_and_held(sizes: list[int], share: float, seed: int) -> None:
    classes = np.repeat(np.arange(len(sizes)), sizes)
    kept, held = stratified(classes, share, np.random.default_rng(seed))
    assert sorted([*kept, *held]) == list(range(len(classes)))
    in_held = Counter(classes[held].tolist())
    for label, size in enumerate(sizes):
        assert 1 <= in_held[label] <= size - 1
        assert abs(in_held[label] - share * size) <= 1


def test_what_cannot_work(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no Other_TRAIN\.ts and Other_TEST\.ts; sets there: Made"):
        load(Options(problem="Other"), folder, 0)
    write(folder / "Made", "Made", "TEST", rows(8, 1), classes="a b c")
    with pytest.raises(DataError, match="2 and 3 classes"):
        load(Options(problem="Made"), folder, 0)
    write(tmp_path, "One", "TRAIN", ["1,2:a", "2,1:a", "1,1:b"])
    write(tmp_path, "One", "TEST", ["1,2:a"])
    with pytest.raises(DataError, match="class 1 has one training series"):
        load(Options(problem="One"), tmp_path, 0)
    with pytest.raises(DataError, match="--data must name"):
        load(Options(), None, 0)


def test_missing_values_say_how_to_mend_it(tmp_path: Path) -> None:
    write(tmp_path, "Gaps", "TRAIN", ["1,?,3:a", "1,2,3:b", "3,2,1:a", "2,2,2:b"])
    write(tmp_path, "Gaps", "TEST", ["1,2,3:a"])
    with pytest.raises(DataError, match="series 1, dimension 1: step 2 is missing"):
        load(Options(problem="Gaps"), tmp_path, 0)
    data = load(Options(problem="Gaps", missing="interpolate"), tmp_path, 0)
    assert data.facts["missing_values_filled"] == 1


def test_target_values_are_no_classes(tmp_path: Path) -> None:
    for split in ("TRAIN", "TEST"):
        (tmp_path / f"Rate_{split}.ts").write_text("@targetlabel true\n@data\n1,2:3\n")
    with pytest.raises(DataError, match="has target values; the task needs classes"):
        load(Options(problem="Rate"), tmp_path, 0)


def test_options() -> None:
    with pytest.raises(ConfigError, match=r"validation_share must lie in \(0, 1\)"):
        Options(validation_share=1.0)
    with pytest.raises(ConfigError, match="split_seed"):
        Options(split_seed=-1)
    with pytest.raises(UnknownNameError, match="refuse"):
        Options(missing="guess")  # type: ignore[arg-type]
