"""Sharing false accepts among keywords: tables whose best answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.errors import ConfigError
from edgemem.evaluate.streaming.shares import apart, common, expected, tail
from edgemem.evaluate.streaming.tables import Table
from edgemem.evaluate.streaming.tuning import check_rate

ODDS = np.arange(0.0, 9.0, 0.1)


def table(accepts: np.ndarray, misses: np.ndarray, hours: float = 10.0) -> Table:
    """A table of one fold out of counts (n, n_keywords)."""
    said = np.full((1, accepts.shape[1]), 400.0)
    return Table(ODDS, accepts[:, None], misses[:, None], np.array([hours]), said)


def falling(start: float, slope: float) -> np.ndarray:
    """Counts that fall exponentially in log-odds."""
    return np.floor(start * np.exp(-slope * ODDS))


def test_the_tail_of_an_exponential_goes_on() -> None:
    counts = falling(2000, 1.0)[:, None]
    found = tail(table(counts, counts))
    many = counts[:, 0] >= 20
    np.testing.assert_array_equal(found[many], counts[many, 0])
    exact = 2000 * np.exp(-ODDS)
    few = ~many
    assert np.abs(np.log(found[few] / exact[few])).max() < 0.6
    assert (found > 0).all() and (np.diff(found) <= 0).all()


def test_one_threshold_meets_the_budget() -> None:
    counts = np.stack([falling(1000, 1.0), falling(1000, 1.0)], axis=1)
    places = common(table(counts, counts), np.array([10.0, 2.0]))
    assert (places[:, 0] == places[:, 1]).all()
    # 2000 exp(-odds) = 100 at 3.0, 20 at 4.6
    assert ODDS[places[:, 0]] == pytest.approx([3.0, 4.6], abs=0.21)


def test_a_confused_keyword_gets_a_higher_threshold() -> None:
    accepts = np.stack([falling(4000, 1.0), falling(100, 1.0)], axis=1)
    misses = np.stack([20 * ODDS, 20 * ODDS], axis=1)
    found = table(accepts, misses)
    for rate in (0.5, 2.0, 10.0):
        places = apart(found, np.array([rate]))[0]
        one = common(found, np.array([rate]))[0]
        assert ODDS[places[0]] > ODDS[places[1]]
        columns = np.arange(2)
        assert expected(found)[places, columns].sum() <= 10 * rate
        assert misses[places, columns].sum() <= misses[one, columns].sum()


def test_no_false_accept_so_far_is_no_promise() -> None:
    # the second keyword had only two at the lowest thresholds, the first plenty
    accepts = np.stack([falling(3000, 1.0), np.where(ODDS < 0.3, 2.0, 0.0)], axis=1)
    misses = np.stack([ODDS, 100 * ODDS], axis=1)
    believed = expected(table(accepts, misses))
    assert (believed[:, 1] > 0).all()
    assert believed[5, 1] > believed[60, 1]
    places = apart(table(accepts, misses), np.array([0.01]))[0]
    assert ODDS[places[1]] > 0.0


def test_a_budget_that_nothing_meets_takes_the_highest() -> None:
    accepts = np.full((len(ODDS), 2), 50.0)
    found = table(accepts, accepts)
    for share in (common, apart):
        assert share(found, np.array([0.1])).tolist() == [[len(ODDS) - 1] * 2]


@pytest.mark.parametrize(
    ("rate", "hours", "message"),
    [
        (0.0, 10.0, "greater than 0"),
        (-1.0, 10.0, "greater than 0"),
        (float("nan"), 10.0, "greater than 0"),
        (float("inf"), 10.0, "greater than 0"),
        (0.5, 1.0, "ask for --hours 4 or more"),
    ],
)
def test_rates_that_cannot_be_set(rate: float, hours: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_rate(rate, hours)
