"""Character and word models: windows that count each symbol once, and the stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError, DataError
from edgemem.train.language import windows
from edgemem.train.tasks import char, word
from edgemem.train.tasks.base import TaskData


@given(st.integers(2, 200), st.integers(1, 30), st.integers(0, 30))
def test_every_symbol_but_the_first_is_counted_once(n: int, counted: int, context: int) -> None:
    x, y = windows(np.arange(n), counted, context)
    assert sorted(y[y >= 0]) == list(range(1, n))
    for row in range(len(x)):
        there = np.flatnonzero(y[row] >= 0)
        np.testing.assert_array_equal(x[row], np.arange(x[row, 0], x[row, 0] + x.shape[1]))
        np.testing.assert_array_equal(y[row, there], x[row, there] + 1)
        # unless the window begins where the text does, its context has been seen
        assert x[row, 0] == 0 or there[0] >= context


def texts(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(text)
    return path


def made(tmp_path: Path) -> TaskData:
    path = texts(tmp_path, "the quick brown fox jumps over the lazy dog\n" * 100)
    return char.load(char.Options(n_steps=10, context=5), path, 0)


def test_symbols_of_the_splits_are_counted(tmp_path: Path) -> None:
    data = made(tmp_path)
    assert data.symbols and data.goal.metric == "bpc"
    assert data.n_in == data.n_out == 29  # 26 letters, space, line end, <unk>
    assert data.facts["symbols"] == {"train": 3740, "validation": 220, "test": 440}
    assert (data.validation.y >= 0).sum() == 219
    assert (data.test.y >= 0).sum() == 439


def test_rows_of_the_stream_go_on(tmp_path: Path) -> None:
    data = made(tmp_path)
    batches = list(data.train.epoch(np.random.default_rng(0), 4))
    assert len(batches) == 3739 // 40
    for before, after in zip(batches, batches[1:]):
        np.testing.assert_array_equal(before.y[:, -1], after.x[:, 0])
        np.testing.assert_array_equal(before.x[:, 1:], before.y[:, :-1])


def test_unknown_words_share_one_symbol(tmp_path: Path) -> None:
    path = texts(tmp_path, "a b a c a b\n" * 200)
    data = word.load(word.Options(vocabulary=4, n_steps=5, context=5), path, 0)
    assert data.labels == ("<eos>", "a", "b", "<unk>")
    assert data.facts["unknown"]["test"] == pytest.approx(1 / 7, abs=0.01)


def test_a_text_shorter_than_a_row_is_refused(tmp_path: Path) -> None:
    path = texts(tmp_path, "ab" * 30)
    with pytest.raises(
        DataError, match="51 symbols for training, but each row of a batch reads 64"
    ):
        char.load(char.Options(), path, 0)


@pytest.mark.parametrize("task", [char, word])
def test_sizes_that_cannot_work_are_refused(task: object) -> None:
    options = task.Options  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"n_steps must be 1 or more \(got 0\)"):
        options(n_steps=0)
    with pytest.raises(ConfigError, match=r"context must not be negative \(got -1\)"):
        options(context=-1)
    with pytest.raises(ConfigError, match=r"vocabulary must be 2 or more \(got 1\)"):
        word.Options(vocabulary=1)
