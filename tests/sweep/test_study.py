"""What is tried next, and what an interruption leaves."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

import optuna
import pytest

from edgemem.errors import DataError, MissingExtraError
from edgemem.evaluate.study import storage_at
from edgemem.sweep.space import Space, key_of, parse_param
from edgemem.sweep.study import Asked, Study, storage_errors, without_password
from edgemem.sweep.trials import Ended, Result

BOWL = ("x=0.0:1.0", "y=1e-3:1.0:log")


def study_of(path: Path, *params: str, seed: int = 0, prune: bool = False) -> Study:
    space = Space(tuple(map(parse_param, params)), lambda chosen, param: True)
    return Study(f"sqlite:///{path}", "study", space, seed, prune)


def result(value: float, better: str = "lower") -> Result:
    return Result("mse" if better == "lower" else "accuracy", better, value, 10, 1.0, 3, 3)


def bowl(asked: Asked) -> float:
    x, y = asked.params["x"], asked.params["y"]
    return (float(x) - 0.3) ** 2 + (float(y) - 0.1) ** 2


def go(study: Study, wanted: int) -> list[str]:
    keys = []
    for asked in study.ask(wanted):
        study.end(asked.number, Ended("complete", result(bowl(asked))))
        keys.append(key_of(asked.params))
    return keys


def test_an_interruption_anywhere_changes_nothing(tmp_path: Path) -> None:
    whole = go(study_of(tmp_path / "whole", *BOWL), 14)
    parts = []
    for wanted in (1, 5, 12):
        study = study_of(tmp_path / "parts", *BOWL)
        parts += go(study, wanted)
        # a trial is begun and never ends: the process dies
        next(study_of(tmp_path / "parts", *BOWL).ask(wanted + 1))
    parts += go(study_of(tmp_path / "parts", *BOWL), 14)
    assert parts == whole
    assert go(study_of(tmp_path / "parts", *BOWL), 14) == []


def test_another_seed_draws_others(tmp_path: Path) -> None:
    one = go(study_of(tmp_path / "one", *BOWL), 3)
    assert go(study_of(tmp_path / "other", *BOWL, seed=1), 3) != one


def test_draws_come_to_where_it_is_good(tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", *BOWL)
    go(study, 40)
    costs = [t.result.cost for t in study.trials if t.result]
    assert sum(costs[-10:]) < 0.5 * sum(costs[:10])


def test_a_trial_that_was_interrupted_keeps_its_number_and_its_values(tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", *BOWL)
    asked = list(islice(study.ask(9), 2))
    study.report(asked[1].number, {"epoch": 1.0, "validation_mse": 0.5})
    again = study_of(tmp_path / "a", *BOWL)
    running = again.ask(2)
    assert [next(running), next(running)] == asked
    # the epoch that was told of before the interruption may be told of again
    assert again.report(asked[1].number, {"epoch": 1.0, "validation_mse": 0.5})
    again.end(asked[0].number, Ended("failed", reason="why", retries=2))
    again.end(asked[1].number, Ended("complete", result(0.5)))
    found = study_of(tmp_path / "a", *BOWL).trials
    assert [(t.state, t.reason, t.retries) for t in found] == [
        ("failed", "why", 2),
        ("complete", "", 0),
    ]
    assert found[1].result == result(0.5)
    assert list(again.ask(2)) == []


def test_a_trial_of_which_only_the_values_were_written_down(tmp_path: Path) -> None:
    """A process may die between the writing of a trial and its begin."""
    study_of(tmp_path / "a", *BOWL)
    raw = optuna.load_study(study_name="study", storage=storage_at(f"sqlite:///{tmp_path / 'a'}"))
    raw.enqueue_trial({"x": 0.25, "y": 0.5})
    study = study_of(tmp_path / "a", *BOWL)
    assert study.trials[0].params == {"x": 0.25, "y": 0.5}
    assert list(study.ask(1)) == [Asked(0, {"x": 0.25, "y": 0.5})]


def test_no_combination_comes_twice_and_all_come(tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", "cell=lmu,lem,lstm,gru", "batch=1:3")
    keys = []
    for asked in study.ask(100):
        keys.append(key_of(asked.params))
        study.end(asked.number, Ended("complete", result(1.0)))
    assert len(keys) == len(set(keys)) == 12


def test_trials_that_run_at_once_differ(tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", "cell=lmu,lem,lstm,gru")
    assert len({key_of(asked.params) for asked in study.ask(4)}) == 4


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_direction_that_a_metric_has(better: str, tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", "x=0.0:1.0", prune=True)
    sign, metric = (1.0, "mse") if better == "lower" else (-1.0, "accuracy")
    for asked in islice(study.ask(9), 6):
        for epoch in (1.0, 2.0):
            assert study.report(asked.number, {"epoch": epoch, f"validation_{metric}": 0.5})
        study.end(asked.number, Ended("complete", result(0.5, better)))
    good, bad = islice(study.ask(9), 2)
    assert study.report(good.number, {"epoch": 1.0, f"validation_{metric}": 0.5 - 0.1 * sign})
    assert not study.report(bad.number, {"epoch": 1.0, f"validation_{metric}": 0.5 + 0.1 * sign})
    assert study.end(bad.number, Ended("pruned")).state == "pruned"


def test_without_prune_bad_ones_go_on(tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", "x=0.0:1.0")
    for asked in islice(study.ask(9), 6):
        assert study.report(asked.number, {"epoch": 1.0, "validation_mse": float(asked.number)})
        study.end(asked.number, Ended("complete", result(0.5)))


def test_rows_without_a_figure(tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", "x=0.0:1.0", prune=True)
    (asked,) = study.ask(1)
    for row in ({}, {"epoch": 1.0}, {"epoch": 1.0, "validation_mse": float("nan")}):
        assert study.report(asked.number, row)


def test_a_storage_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"something else " * 100)
    with pytest.raises(DataError, match="cannot be used, or holds something else"):
        study_of(tmp_path / "a", "x=0:1")


def test_a_storage_that_is_not_there() -> None:
    space = Space((parse_param("x=0:9"),), lambda chosen, param: True)
    with pytest.raises(DataError, match="is no address of a database"):
        Study("nonsense", "study", space, 0, False)
    with (
        pytest.raises(DataError, match=r"nobody:\*\*\*@.*cannot be used"),
        storage_errors("postgresql://nobody:secret@localhost/none"),
    ):
        raise ImportError("No module named 'psycopg2'")


def test_a_password_is_not_shown() -> None:
    assert "secret" not in without_password("postgresql://nobody:secret@localhost/none")


def test_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[sweep\]"):
        study_of(tmp_path / "a", "x=0:1")


ALTERED = (
    "UPDATE trial_params SET param_value = 1e9",
    "UPDATE trial_params SET distribution_json = '{}'",
    "UPDATE trial_params SET distribution_json = 'x'",
    "UPDATE trials SET state = 'ELSE'",
    "UPDATE trials SET datetime_start = 'yesterday'",
    "UPDATE trial_user_attributes SET value_json = '[1'",
    "UPDATE trial_user_attributes SET value_json = '{\"metric\": 1}' WHERE key = 'result'",
    "UPDATE trial_user_attributes SET value_json = '-1' WHERE key = 'retries'",
    "UPDATE trial_user_attributes SET value_json = '7' WHERE key = 'reason'",
    "UPDATE trial_user_attributes SET value_json = replace(value_json, 'mse', 'beauty')",
    "UPDATE trial_user_attributes SET value_json = replace(value_json, '0.5', 'NaN')",
    "UPDATE trial_intermediate_values SET intermediate_value_type = 'ELSE'",
    "UPDATE trial_values SET value_type = 'ELSE'",
    "UPDATE study_directions SET direction = 'ELSE'",
)


@pytest.mark.parametrize("change", ALTERED)
def test_a_database_with_altered_values_is_one_sentence(change: str, tmp_path: Path) -> None:
    study = study_of(tmp_path / "a", *BOWL)
    first, _ = islice(study.ask(9), 2)
    study.report(first.number, {"epoch": 1.0, "validation_mse": 0.5})
    study.end(first.number, Ended("complete", result(0.5)))
    del study
    with closing(sqlite3.connect(tmp_path / "a")) as database:
        database.execute(change)
        database.commit()
    with pytest.raises(DataError, match="cannot be used, or holds something else") as caught:
        again = study_of(tmp_path / "a", *BOWL)
        assert again.trials
        list(islice(again.ask(9), 2))
    assert len(str(caught.value)) < 500
