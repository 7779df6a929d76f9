"""Where training sequences come from, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.cells import LMU
from edgemem.errors import ConfigError, DataError
from edgemem.train import tasks
from edgemem.train.tasks.base import Drawn, Goal, Sequences, Shuffled, Stream
from edgemem.train.tasks.recipe import FORMS


def numbered(n: int) -> Sequences:
    return Sequences(np.arange(n, dtype=np.float32).reshape(n, 1, 1), np.arange(n))


def test_an_epoch_has_every_sequence_once_in_an_order_of_its_own():
    source = Shuffled(numbered(12))
    epochs = [
        np.concatenate([part.y for part in source.epoch(np.random.default_rng(seed), 4)])
        for seed in (0, 1)
    ]
    assert all(sorted(found) == list(range(12)) for found in epochs)
    assert list(epochs[0]) != list(epochs[1])


def test_what_fills_no_batch_waits():
    parts = list(Shuffled(numbered(11)).epoch(np.random.default_rng(0), 4))
    assert [len(part) for part in parts] == [4, 4]


def test_fresh_sequences_differ_from_batch_to_batch_and_follow_the_seed():
    def make(rng: np.random.Generator, n: int) -> Sequences:
        return Sequences(rng.normal(size=(n, 2, 1)), np.zeros(n, np.int64))

    source = Drawn(make, 6, 2)
    one = [part.x for part in source.epoch(np.random.default_rng(0), 3)]
    again = [part.x for part in source.epoch(np.random.default_rng(0), 3)]
    assert len(one) == 2
    assert not np.array_equal(one[0], one[1])
    np.testing.assert_array_equal(one, again)


@given(st.integers(2, 400), st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_a_stream_goes_on_row_by_row(length, n_steps, batch, seed):
    symbols = np.arange(length)
    source = Stream(symbols, n_steps)
    parts = list(source.epoch(np.random.default_rng(seed), batch))
    assert len(parts) == source.n // batch
    for part in parts:
        assert part.x.shape == part.y.shape == (batch, n_steps)
        np.testing.assert_array_equal(part.y, part.x + 1)
    for before, after in zip(parts, parts[1:]):
        np.testing.assert_array_equal(after.x[:, 0], before.x[:, -1] + 1)
    if parts:  # no two rows read the same symbol
        read = np.concatenate([part.x.ravel() for part in parts])
        assert len(set(read)) == len(read)


@pytest.mark.parametrize(
    ("y", "lengths", "message"),
    [
        (np.zeros(3), None, "2 sequences with 3 targets"),
        (np.zeros(2), np.array([1]), "2 sequences with 1 lengths"),
        (np.zeros(2), np.array([0, 4]), "sequences of 0 to 4 steps, padded to 4"),
        (np.zeros(2), np.array([1, 5]), "sequences of 1 to 5 steps, padded to 4"),
    ],
)
def test_sequences_that_do_not_fit_are_refused(y, lengths, message):
    with pytest.raises(DataError, match=message):
        Sequences(np.zeros((2, 4, 1)), y, lengths)


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (("middle", "values", "mse"), "cannot read 'values' at 'middle'"),
        (("last", "words", "mse"), "cannot read 'words' at 'last'"),
        (("last", "values", "auc"), "unknown metric 'auc'; known: accuracy, mse"),
    ],
)
def test_goals_that_make_no_sense_are_refused(goal, message):
    with pytest.raises(ConfigError, match=message):
        Goal(*goal)


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_has_a_recipe_for_every_cell(name):
    task = tasks.get(name)
    assert task.name == name
    assert {"lmu", "lem", "lstm", "gru"} <= set(task.recipes)
    for cell in ("lmu", "lem", "lstm", "gru"):
        assert task.recipes[cell].cell == cell
    assert not task.summary.endswith(".")
    assert task.source


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", tasks.names())
def test_every_task_has_its_lmu_in_every_form(name, form):
    cells = tasks.get(name).recipes["lmu"].in_form(form).stack(2, 3).cells
    lmus = [cell for cell in cells if isinstance(cell, LMU)]
    assert lmus
    for cell in lmus:
        assert all(getattr(cell, flag) == value for flag, value in FORMS[form].items())
