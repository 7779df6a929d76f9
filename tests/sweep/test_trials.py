"""Which trials are good."""

from __future__ import annotations

import csv
import io
import math

from hypothesis import given
from hypothesis import strategies as st

from edgemem.sweep.space import Space, parse_param
from edgemem.sweep.table import as_csv, summary
from edgemem.sweep.trials import Result, Trial, best_of, front, result_of, seconds


def trial(
    number: int, value: float, size: int = 10, time: float = 1.0, better: str = "lower"
) -> Trial:
    metric = "mse" if better == "lower" else "accuracy"
    result = Result(metric, better, value, size, time, 3, 2)
    return Trial(number, "complete", {"x": number}, result)


LISTS = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 8)), max_size=12)


@given(LISTS, st.sampled_from(["lower", "higher"]))
def test_the_front_is_what_no_other_one_beats(pairs: list[tuple[int, int]], better: str) -> None:
    trials = [trial(i, v, s, better=better) for i, (v, s) in enumerate(pairs)]
    sign = 1 if better == "lower" else -1
    points = {(s, sign * v) for v, s in pairs}
    # by the definition: none is at most as large and at most as bad, other than the point itself
    expected = {
        p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)
    }
    found = front(trials)
    assert [(t.result.parameters, sign * t.result.validation) for t in found if t.result] == sorted(
        expected
    )


def test_the_front_against_seconds() -> None:
    trials = [trial(0, 0.3, 5, 9.0), trial(1, 0.2, 9, 3.0), trial(2, 0.4, 7, 2.0)]
    assert [t.number for t in front(trials)] == [0, 1]
    assert [t.number for t in front(trials, seconds)] == [2, 1]


def test_the_best_by_the_direction_of_the_metric() -> None:
    values = (0.4, 0.7, 0.2, 0.7)
    low = best_of([trial(i, v) for i, v in enumerate(values)])
    high = best_of([trial(i, v, better="higher") for i, v in enumerate(values)])
    assert low is not None and low.number == 2
    assert high is not None and high.number == 1  # the earlier among equals
    assert best_of([Trial(0, "failed", {})]) is None


def test_a_table_of_trials() -> None:
    trials = [
        trial(0, 0.25, 100, 2.5),
        Trial(1, "failed", {"x": 1, "y": "a,b"}, reason='it said "no"', retries=2),
    ]
    space = Space(tuple(map(parse_param, ("x=0:9", "y=c,d"))), lambda chosen, param: True)
    rows = list(csv.DictReader(io.StringIO(as_csv(trials, space).decode())))
    assert rows[0]["validation_mse"] == "0.25" and rows[0]["y"] == ""
    assert rows[0]["parameters"] == "100" and rows[0]["seconds"] == "2.5"
    assert (rows[1]["y"], rows[1]["reason"], rows[1]["retries"]) == ("a,b", 'it said "no"', "2")
    assert rows[1]["validation_mse"] == "" and rows[1]["state"] == "failed"


def test_a_summary_of_nothing_and_of_something() -> None:
    assert summary([])["best"] is None and summary([])["metric"] is None
    found = summary([trial(0, 0.5), trial(1, 0.4), Trial(2, "pruned", {"x": 2})])
    assert (found["complete"], found["pruned"], found["failed"]) == (2, 1, 0)
    assert found["best"]["number"] == 1 and found["front"] == [1]


def test_a_result_has_numbers_of_its_own_kinds() -> None:
    found = result_of(
        {
            "metric": "mse",
            "better": "lower",
            "validation": math.pi,
            "parameters": 3.0,
            "seconds": 1,
            "epochs": 2.0,
            "best_epoch": 1.0,
            "test": None,
        }
    )
    assert isinstance(found.parameters, int) and found.cost == math.pi
