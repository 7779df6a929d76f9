"""Trials that outlive a process."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgemem.errors import ConfigError, DataError, MissingExtraError, OutputError
from edgemem.evaluate.study import Study
from edgemem.quantize.search import search
from edgemem.quantize.trials import CHOICES, Limits, Measure, Trial


@dataclass(frozen=True)
class Sums:
    """Bytes and clips that add up."""

    names: tuple[str, ...] = ("a", "b", "c", "d")
    clips: int = 100
    correct: int = 90
    digest: str = "sums"

    def size(self, widths: Mapping[str, int]) -> int:
        return sum((place + 1) * 8 * bits for place, bits in enumerate(widths.values()))

    def probe(self, widths: Mapping[str, int]) -> float:
        hurt = {8: 0.001, 4: 0.1, 2: 1.0}
        return sum(hurt[bits] / (place + 1) for place, bits in enumerate(widths.values()))

    def measure(self, widths: Mapping[str, int]) -> Measure:
        distance = self.probe(widths)
        return Measure(self.size(widths), int(10 * distance), 1, 0.875, distance)


PROBLEM = Sums()
LIMITS = Limits(400, 10.0)


def open_study(path: Path, resume: bool = False) -> Study:
    return Study(path, PROBLEM, LIMITS, 7, resume)


def test_a_search_that_was_cut_off_goes_on_to_the_same_trials(tmp_path: Path) -> None:
    whole = search(PROBLEM, LIMITS, open_study(tmp_path / "whole"), 20, 7)
    assert len(whole.trials) == 20

    def cut(stop: int) -> None:
        def tell(done: int, total: int, trials: Sequence[Trial]) -> None:
            if done == stop:
                raise KeyboardInterrupt

        study = open_study(tmp_path / "cut", resume=True)
        with pytest.raises(KeyboardInterrupt):
            search(PROBLEM, LIMITS, study, 20, 7, tell)

    # in the first ones, among the matrices one by one, on the path, among the draws
    for stop in (2, 6, 13, 25):
        cut(stop)
    study = open_study(tmp_path / "cut", resume=True)
    assert len(study.trials) + len(study.costs) == 25
    assert search(PROBLEM, LIMITS, study, 20, 7) == whole


def test_more_trials_later_are_those_of_a_longer_search(tmp_path: Path) -> None:
    search(PROBLEM, LIMITS, open_study(tmp_path / "a"), 12, 7)
    longer = search(PROBLEM, LIMITS, open_study(tmp_path / "a", resume=True), 18, 7)
    assert longer == search(PROBLEM, LIMITS, open_study(tmp_path / "b"), 18, 7)


def test_draws_follow_from_the_seed_and_the_trials(tmp_path: Path) -> None:
    studies = [open_study(tmp_path / name) for name in "ab"]
    drawn: list[list[dict[str, int]]] = []
    for study in studies:
        for bits in CHOICES:
            widths = dict.fromkeys(PROBLEM.names, bits)
            study.add(Trial(widths, PROBLEM.measure(widths)))
        drawn.append([study.draw((seed,)) for seed in range(8)])
    assert drawn[0] == drawn[1]
    assert len({tuple(widths.values()) for widths in drawn[0]}) > 1
    assert {bits for widths in drawn[0] for bits in widths.values()} <= set(CHOICES)


def test_draws_learn(tmp_path: Path) -> None:
    # where 8 bits are what is small and right, draws come to them
    study = open_study(tmp_path / "a")
    for number in range(40):
        bits = CHOICES[number % 3]
        widths = {**dict.fromkeys(PROBLEM.names, bits), "a": CHOICES[number % 2]}
        wrong = sum(value != 8 for value in widths.values())
        study.add(Trial(widths, Measure(10 + wrong, wrong, 0, 1.0, 0.0)))
    drawn = [study.draw((seed,)) for seed in range(20)]
    share = sum(bits == 8 for widths in drawn for bits in widths.values()) / 80
    # chance would give a third, give or take a twentieth
    assert share > 0.5


def test_an_earlier_search_is_not_gone_on_with_unasked(tmp_path: Path) -> None:
    search(PROBLEM, LIMITS, open_study(tmp_path / "a"), 4, 7)
    with pytest.raises(ConfigError, match="go on with --resume, or remove it"):
        open_study(tmp_path / "a")


@pytest.mark.parametrize(
    ("problem", "limits", "seed", "what"),
    [
        (Sums(digest="another"), LIMITS, 7, "network or clips changed"),
        (PROBLEM, Limits(401, 10.0), 7, "--budget changed"),
        (PROBLEM, Limits(400), 7, "--max-drop changed"),
        (PROBLEM, LIMITS, 8, "--seed changed"),
        (PROBLEM, Limits(drop=1.0), 8, "--budget, --max-drop, --seed changed"),
    ],
)
def test_another_search_is_refused(
    problem: Sums, limits: Limits, seed: int, what: str, tmp_path: Path
) -> None:
    search(PROBLEM, LIMITS, open_study(tmp_path / "a"), 4, 7)
    with pytest.raises(ConfigError, match=f"is of another search: {what}"):
        Study(tmp_path / "a", problem, limits, seed, resume=True)


def test_a_file_that_holds_no_search(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"something else " * 100)
    with pytest.raises(DataError, match="holds no search, or is damaged"):
        open_study(tmp_path / "a", resume=True)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        open_study(tmp_path / "file" / "a")


def test_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[quantize\]"):
        open_study(tmp_path / "a")
    assert not (tmp_path / "a").exists()


ALTERED = (
    "UPDATE trial_params SET param_value = 9",
    "UPDATE trial_params SET distribution_json = '{}'",
    "UPDATE trials SET state = 'ELSE'",
    "DELETE FROM trial_user_attributes",
    "UPDATE trial_user_attributes SET value_json = '[]' WHERE key = 'measure'",
    "UPDATE trial_user_attributes SET value_json = replace(value_json, '0.875', '\"x\"')",
    "UPDATE study_user_attributes SET value_json = '7' WHERE key = 'run'",
    "UPDATE study_user_attributes SET value_json = '[[1, 2]]' WHERE key = 'costs'",
    "UPDATE study_directions SET direction = 'ELSE'",
)


@pytest.mark.parametrize("change", ALTERED)
def test_altered_values_are_one_sentence(change: str, tmp_path: Path) -> None:
    study = open_study(tmp_path / "a")
    widths = dict.fromkeys(PROBLEM.names, 8)
    study.add(Trial(widths, PROBLEM.measure(widths)))
    study.add_cost("a", 4, 0.5)
    del study
    with closing(sqlite3.connect(tmp_path / "a")) as database:
        database.execute(change)
        database.commit()
    with pytest.raises(DataError, match="holds no search, or is damaged"):
        open_study(tmp_path / "a", resume=True)
