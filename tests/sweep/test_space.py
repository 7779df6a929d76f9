"""The syntax of what is varied, and the space it spans."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError
from edgemem.sweep.space import (
    Choices,
    Range,
    Space,
    in_words,
    key_of,
    parse_param,
    parse_value,
)

WORDS = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(
    lambda word: word not in ("true", "false", "null", "nan", "inf")
)
SCALARS = st.one_of(
    WORDS,
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


class Middle:
    """Asked like an Optuna trial; answers the last choice, or the upper end, and notes it all."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def suggest_categorical(self, name: str, values: tuple[Any, ...]) -> Any:
        self.asked.append((name, values))
        return values[-1]

    def suggest_int(self, name: str, low: int, high: int, log: bool) -> int:
        self.asked.append((name, "int", low, high, log))
        return high

    def suggest_float(self, name: str, low: float, high: float, log: bool) -> float:
        self.asked.append((name, "float", low, high, log))
        return high


@given(WORDS, st.lists(SCALARS, min_size=1, max_size=5, unique_by=lambda v: (type(v), v)))
def test_choices_come_back_as_they_were_said(name: str, values: list[Any]) -> None:
    param = Choices(name, tuple(values))
    found = parse_param(param.text)
    assert found == param
    assert [type(value) for value in found.values] == [type(value) for value in values]


@given(WORDS, st.integers(1, 10**6), st.integers(1, 10**6), st.booleans())
def test_whole_ranges_come_back(name: str, low: int, width: int, log: bool) -> None:
    param = Range(name, low, low + width, log)
    assert parse_param(param.text) == param
    assert param.whole


@given(WORDS, st.floats(1e-9, 1e3), st.floats(1.001, 1e6), st.booleans())
def test_ranges_come_back(name: str, low: float, factor: float, log: bool) -> None:
    param = Range(name, low, low * factor, log)
    found = parse_param(param.text)
    assert found == param and not param.whole


def test_one_broken_end_makes_a_range_of_broken_numbers() -> None:
    param = parse_param("dropout=0:0.5")
    assert param == Range("dropout", 0.0, 0.5) and isinstance(param.low, float)


def test_numbers_truth_and_words_of_choices() -> None:
    param = parse_param(" cell = lmu, 3 ,0.5,true,1e-3 ")
    assert param == Choices("cell", ("lmu", 3, 0.5, True, 0.001))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("theta", "expected NAME="),
        ("=1,2", "expected NAME="),
        ("theta=", "expected NAME="),
        ("theta=1,,2", "a choice is empty"),
        ("theta=1,2,1", "comes twice"),
        ("theta=5:1", "from a lower to a higher"),
        ("theta=5:5", "from a lower to a higher"),
        ("theta=a:b", "ends of a range are numbers"),
        ("theta=true:2", "ends of a range are numbers"),
        ("theta=1:", "ends of a range are numbers"),
        ("theta=1:2:lin", "expected NAME="),
        ("theta=1:2:log:log", "expected NAME="),
        ("theta=0:2:log", "starts above 0"),
        ("theta=-1:2:log", "starts above 0"),
        ("theta=1:Infinity", "no finite number"),
        ("theta=NaN,1", "no finite number"),
        ("theta=1:1e999", "no finite number"),
    ],
)
def test_what_cannot_be_varied(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_param(text)


def test_values_that_are_set() -> None:
    assert parse_value("length=500") == ("length", 500)
    assert parse_value("form=parallel") == ("form", "parallel")
    for text in ("length", "=3", "length="):
        with pytest.raises(ConfigError, match="expected NAME=VALUE"):
            parse_value(text)


def lmu_has_theta(chosen: Any, param: Any) -> bool:
    return param.name != "theta" or chosen["cell"] == "lmu"


def space(*texts: str, applies: Callable[..., bool] = lmu_has_theta) -> Space:
    return Space(tuple(map(parse_param, texts)), applies)


def test_the_cell_is_asked_first_and_what_it_lacks_not_at_all() -> None:
    made = space("theta=10:90:log", "cell=lmu,lem", "dt=0.1:0.5")
    trial = Middle()
    assert made.suggest(trial) == {"cell": "lem", "dt": 0.5}
    assert trial.asked == [("cell", ("lmu", "lem")), ("dt", "float", 0.1, 0.5, False)]
    other = space("theta=10:90:log", "cell=lem,lmu")
    assert other.suggest(Middle()) == {"cell": "lmu", "theta": 90}


def test_points_are_every_combination_that_differs() -> None:
    made = space("cell=lmu,lem", "theta=1:3", "batch=10,20")
    expected = {
        key_of({"cell": c, **({"theta": t} if c == "lmu" else {}), "batch": b})
        for c, t, b in product(("lmu", "lem"), (1, 2, 3), (10, 20))
    }
    points = made.points()
    assert points is not None and len(points) == 3 * 2 + 2
    assert set(map(key_of, points)) == expected


def test_what_cannot_be_counted_is_not() -> None:
    assert space("cell=lmu,lem", "dt=0.1:0.5").points() is None
    assert space("cell=lmu,lem", "theta=1:9999", "batch=1:9").points() is None


def test_a_name_comes_once() -> None:
    with pytest.raises(ConfigError, match="theta comes twice"):
        space("theta=1:2", "theta=3:4")
    with pytest.raises(ConfigError, match="nothing to vary"):
        space()


def test_in_words() -> None:
    assert in_words({"cell": "lmu", "theta": 0.12345678, "deep": True}) == (
        "cell=lmu theta=0.1235 deep=true"
    )
