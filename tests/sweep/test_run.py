"""Whole sweeps in one process."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgemem.errors import ConfigError, DataError, OutputError
from edgemem.sweep.attempt import Runner
from edgemem.sweep.folder import opened
from edgemem.sweep.local import Here

X = "x=0.0:1.0"
SIX = "x=0.1,0.2,0.3,0.4,0.5,0.6"


def log_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def best_of_table(path: Path) -> dict[str, str]:
    with (path / "trials.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "complete"]
    return min(rows, key=lambda row: float(row["validation_mse"]))


def test_a_sweep_keeps_the_best_model_alone(sweep: Any, runner: Runner) -> None:
    told = []
    with sweep(X) as found:
        trials = found.run(Here(runner), 8, lambda trial, trials: told.append(trial.number))
    assert told == list(range(8)) and len(trials) == 8
    best = min(trials, key=lambda t: t.result.validation)
    assert json.loads((sweep.path / "best.model").read_bytes()) == {"model of": best.params["x"]}
    row = best_of_table(sweep.path)
    assert int(row["number"]) == best.number and float(row["x"]) == best.params["x"]
    assert list((sweep.path / "trials").iterdir()) == []


def test_where_more_is_better(sweep: Any, runner: Runner) -> None:
    with sweep(SIX, better="higher") as found:
        found.run(Here(runner), 6)
    assert json.loads((sweep.path / "best.model").read_bytes()) == {"model of": 0.3}


def test_all_models_are_kept_if_asked_for(sweep: Any, runner: Runner) -> None:
    with sweep(SIX, keep_all=True) as found:
        found.run(Here(runner), 6)
    for number in range(6):
        assert (sweep.path / "trials" / str(number) / f"standin-{number}.model").exists()


def test_more_trials_later(sweep: Any, runner: Runner) -> None:
    with sweep(X) as found:
        first = found.run(Here(runner), 3)
    with sweep(X) as found:
        assert found.run(Here(runner), 5)[:3] == first


@pytest.mark.parametrize("epoch", [1, 3])
def test_an_interrupted_sweep_comes_to_the_same(
    epoch: int, sweep: Any, runner: Runner, tmp_path: Path
) -> None:
    """Stopped in trial 2, after an epoch; then gone on with."""
    log = tmp_path / "log"

    def stops(job: Any, out: Path, resume: bool, watch: Callable[..., None]) -> Any:
        def told(row: Any) -> None:
            watch(row)
            if out.stem == "standin-2" and row["epoch"] == epoch:
                raise KeyboardInterrupt

        return runner(job, out, resume, told)

    with pytest.raises(KeyboardInterrupt), sweep(X, log=str(log)) as found:
        found.run(Here(stops), 5)
    with sweep(X, log=str(log)) as found:
        trials = found.run(Here(runner), 5)
    assert [t.state for t in trials] == ["complete"] * 5
    # the third was begun twice, and the second time from its checkpoint
    assert [line["from"] for line in log_of(log)] == [0, 0, 0, epoch, 0, 0]
    xs = [line["x"] for line in log_of(log)]
    assert xs[2] == xs[3] and [t.params["x"] for t in trials] == xs[:3] + xs[4:]


def test_a_result_is_not_trained_for_twice(sweep: Any, runner: Runner, tmp_path: Path) -> None:
    """Stopped after a trial's end and before the study knew of it."""
    log = tmp_path / "log"

    def stops(trial: Any, trials: Any) -> None:
        raise AssertionError

    with sweep(X, log=str(log)) as found:
        end = found.study.end
        found.study.end = lambda *_: stops(*_)
        with pytest.raises(AssertionError):
            found.run(Here(runner), 2)
        found.study.end = end
    model = (sweep.path / "best.model").read_bytes()
    with sweep(X, log=str(log)) as found:
        trials = found.run(Here(runner), 1)
    assert len(log_of(log)) == 1 and trials[0].state == "complete"
    assert (sweep.path / "best.model").read_bytes() == model


def test_a_model_without_its_result_is_trained_anew(
    sweep: Any, runner: Runner, tmp_path: Path
) -> None:
    out = sweep.path / "trials" / "0" / "standin-0.model"
    out.parent.mkdir(parents=True)
    out.write_bytes(b"half")
    with sweep(X) as found:
        found.run(Here(runner), 1)
    assert json.loads((sweep.path / "best.model").read_bytes())["model of"] >= 0


def test_a_trial_that_fails_is_no_end(sweep: Any, runner: Runner) -> None:
    with sweep(SIX, fails=0.3) as found:
        trials = found.run(Here(runner), 6)
    states = {t.params["x"]: t.state for t in trials}
    assert states.pop(0.3) == "failed" and set(states.values()) == {"complete"}
    reason = next(t.reason for t in trials if t.state == "failed")
    assert reason == "the loss became nan"
    assert json.loads((sweep.path / "best.model").read_bytes())["model of"] in (0.2, 0.4)


def test_a_figure_that_is_no_number_is_a_failure(sweep: Any, runner: Runner) -> None:
    def nan(*arguments: Any) -> Any:
        return {**runner(*arguments), "validation": float("nan")}

    with sweep(X) as found:
        (trial,) = found.run(Here(nan), 1)
    assert trial.state == "failed" and trial.reason == "validation mse is nan"
    assert not (sweep.path / "best.model").exists()


def test_what_is_wrong_with_all_trials_ends_the_sweep(sweep: Any, runner: Runner) -> None:
    with pytest.raises(DataError, match="no data"), sweep("x=0.3", breaks=0.3) as found:
        found.run(Here(runner), 6)
    with sweep("x=0.3") as found:
        assert [t.state for t in found.run(Here(runner), 6)] == ["complete"]


def test_bad_ones_are_pruned(sweep: Any, runner: Runner) -> None:
    """Five that are told of as they are; a sixth that is told to be worse than all of them."""
    told: list[float] = []

    def worse(job: Any, out: Path, resume: bool, watch: Callable[..., None]) -> Any:
        def tell(row: Any) -> None:
            if out.stem == "standin-5":
                told.append(row["epoch"])
                row = {**row, "validation_mse": 9.0}
            watch(row)

        return runner(job, out, resume, tell)

    with sweep(X, prune=True) as found:
        trials = found.run(Here(worse), 6)
    assert [t.state for t in trials] == ["complete"] * 5 + ["pruned"] and told == [1.0]


def test_another_sweep_is_refused(sweep: Any, runner: Runner) -> None:
    with sweep(X) as found:
        found.run(Here(runner), 1)
    before = (sweep.path / "sweep.json").read_bytes()
    with (
        pytest.raises(ConfigError, match=r"params was x=0.0:1.0, now x=0.0:2.0") as raised,
        sweep("x=0.0:2.0"),
    ):
        pass
    assert "choose another --out" in str(raised.value)
    assert (sweep.path / "sweep.json").read_bytes() == before


def test_a_damaged_plan_and_one_that_is_gone(sweep: Any, runner: Runner) -> None:
    with sweep(X) as found:
        found.run(Here(runner), 1)
    plan = sweep.path / "sweep.json"
    plan.write_text("{")
    with pytest.raises(ConfigError, match="is damaged"), sweep(X):
        pass
    plan.unlink()
    with pytest.raises(ConfigError, match=r"holds a study\.sqlite but no"), sweep(X):
        pass


def test_one_process_at_a_time(sweep: Any) -> None:
    code = (
        "import sys; from pathlib import Path; from edgemem.sweep.folder import opened\n"
        "from edgemem.errors import OutputError\n"
        "try:\n"
        "    with opened(Path(sys.argv[1]), {}): pass\n"
        "except OutputError as error: print(error)\n"
    )
    with sweep(X):
        done = subprocess.run(
            [sys.executable, "-c", code, str(sweep.path)],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "another process does" in done.stdout


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(OutputError, match="choose a folder with write access"),
        opened(tmp_path / "file" / "sweep", {}),
    ):
        pass
