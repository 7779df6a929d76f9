"""The adding problem, against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.errors import ConfigError
from edgemem.train.tasks import get
from edgemem.train.tasks.adding import ALWAYS_ONE, Options, as_long, draw, load


@settings(max_examples=40)
@given(st.integers(2, 300), st.integers(1, 20), st.integers(0, 2**32))
def test_each_half_has_one_marker_and_the_target_is_the_sum_of_both(
    length: int, n: int, seed: int
) -> None:
    made = draw(np.random.default_rng(seed), n, length)
    values, markers = made.x[..., 0].astype(np.float64), made.x[..., 1]
    assert made.x.shape == (n, length, 2) and made.x.dtype == np.float32
    assert (values >= 0).all() and (values < 1).all()
    assert set(np.unique(markers)) <= {0.0, 1.0}
    assert (markers[:, : length // 2].sum(axis=1) == 1).all()
    assert (markers[:, length // 2 :].sum(axis=1) == 1).all()
    for row in range(n):
        wanted = sum(values[row, step] for step in range(length) if markers[row, step])
        assert made.y[row, 0] == pytest.approx(wanted, abs=1e-6)


def test_every_place_of_a_half_is_marked_sometimes() -> None:
    markers = draw(np.random.default_rng(0), 4000, 9).x[..., 1].sum(axis=0)
    # 4,000 markers over 4 and over 5 places; five standard deviations of a binomial
    np.testing.assert_allclose(markers[:4], 1000, atol=140)
    np.testing.assert_allclose(markers[4:], 800, atol=130)


def test_who_always_says_one_is_wrong_by_a_sixth() -> None:
    made = draw(np.random.default_rng(1), 20_000, 20)
    assert np.mean((made.y - 1.0) ** 2) == pytest.approx(ALWAYS_ONE, rel=0.03)


def test_held_sets_are_the_same_in_every_run_and_batches_are_not() -> None:
    one, other = (load(Options(length=12), None, seed) for seed in (0, 1))
    assert np.array_equal(one.validation.x, other.validation.x)
    assert not np.array_equal(one.validation.x, one.test.x)
    batches = list(one.train.epoch(np.random.default_rng(0), 50))
    assert len(batches) == 100
    assert not np.array_equal(batches[0].x, batches[1].x)


def test_a_sequence_needs_two_halves() -> None:
    with pytest.raises(ConfigError, match=r"length must be 2 or more \(got 1\)"):
        Options(length=1)


def test_the_authors_network_has_their_number_of_parameters() -> None:
    # 4 n^2 + 4 n m + 4 n of the cell with one bias a gate, n + 1 of the readout
    stack = get("adding").recipes["lem"].stack(2, 1)
    assert sum(int(np.prod(shape)) for shape in stack.params.values()) == 67_201


def test_the_memory_that_sums_is_as_long_as_the_sequence() -> None:
    recipes = get("adding").recipes
    pick, total = as_long(recipes["lmu"], Options(length=500)).layers
    assert (pick["theta"], total["theta"]) == (1.0, 500.0)
    assert as_long(recipes["lem"], Options(length=500)) == recipes["lem"]
