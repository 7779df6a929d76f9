"""Sweeps on workers of Dask: processes of this machine, some of which die."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster, versions

from edgemem.errors import ClusterError
from edgemem.sweep import cluster as clusters
from edgemem.sweep.cluster import Cluster

SIX = "x=0.1,0.2,0.3,0.4,0.5,0.6"


@pytest.fixture(scope="module")
def address(standin: str) -> Iterator[str]:
    """A scheduler on the loopback interface, with two workers that are processes."""
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
        silence_logs=50,
    ) as local:
        yield local.scheduler_address


def log_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_trials_run_on_the_workers_at_once(
    address: str, sweep: Any, standin: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with Cluster(address, standin) as place, sweep(SIX, log=str(log), sleep=0.05) as found:
        assert place.check(None) == 2
        trials = found.run(place, 6)
    assert [t.state for t in trials] == ["complete"] * 6
    assert {t.params["x"] for t in trials} == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}
    assert len({line["pid"] for line in log_of(log)}) == 2
    assert json.loads((sweep.path / "best.model").read_bytes()) == {"model of": 0.3}
    assert list((sweep.path / "trials").iterdir()) == []


def test_a_worker_that_is_killed_mid_trial(
    address: str, sweep: Any, standin: str, tmp_path: Path
) -> None:
    """SIGKILL after the second of three epochs, once: retried from there, nothing is lost."""
    log, notes = tmp_path / "log", []
    settings = {"log": str(log), "dies_once": 0.4, "marker": str(tmp_path / "dead"), "sleep": 0.02}
    with Cluster(address, standin) as place, sweep(SIX, **settings) as found:
        trials = found.run(place, 6, note=notes.append)
    assert (tmp_path / "dead").exists()
    assert [t.state for t in trials] == ["complete"] * 6
    (killed,) = (t for t in trials if t.params["x"] == 0.4)
    assert killed.retries == 1 and killed.result.epochs == 3
    begun = [line for line in log_of(log) if line["x"] == 0.4]
    assert [line["from"] for line in begun] == [0, 2]
    assert begun[0]["pid"] != begun[1]["pid"]
    assert f"trial {killed.number}: its worker died; begun anew" in notes


def test_a_trial_that_kills_every_worker_is_given_up(
    address: str, sweep: Any, standin: str, tmp_path: Path
) -> None:
    settings = {"dies": 0.1, "log": str(tmp_path / "log")}
    with Cluster(address, standin) as place, sweep("x=0.1,0.2", **settings) as found:
        trials = found.run(place, 2)
    bad, good = sorted(trials, key=lambda t: t.params["x"])
    assert bad.state == "failed" and bad.retries == 3
    assert "4 workers died while they ran it" in bad.reason
    assert len([line for line in log_of(tmp_path / "log") if line["x"] == 0.1]) == 4
    assert good.state == "complete"


def test_a_worker_that_does_not_see_the_folder(
    address: str, sweep: Any, standin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the trial is kept in a folder of the worker's own and comes back as bytes."""
    with Cluster(address, standin) as place, sweep(SIX, keep_all=True) as found:
        elsewhere = type(found.folder)(found.folder.path, "another sweep")
        place.run(found.study.ask(2), found.job_of, elsewhere, _Keeping(found))
    for number in range(2):
        kept = sorted((sweep.path / "trials" / str(number)).iterdir())
        assert [path.name for path in kept] == [f"standin-{number}.model"]


def test_trials_wait_for_workers_that_are_not_back_yet(
    address: str, sweep: Any, standin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cluster(address, standin) as place, sweep(SIX) as found:
        monkeypatch.setattr(place._client, "nthreads", dict)
        trials = found.run(place, 2)
    assert [t.state for t in trials] == ["complete"] * 2


class _Keeping:
    def __init__(self, sweep: Any) -> None:
        self.sweep = sweep

    def row(self, number: int, row: Any) -> bool:
        return True

    def ended(self, asked: Any, ended: Any) -> None:
        self.sweep.end(asked, ended)

    def note(self, text: str) -> None:
        pass


def test_one_that_is_not_worth_it_is_told_to_stop(
    address: str, sweep: Any, standin: str, tmp_path: Path
) -> None:
    with Cluster(address, standin, jobs=1) as place, sweep("x=0.1,0.2", sleep=0.3) as found:
        found.study.report = lambda number, row: number != 1
        trials = found.run(place, 2)
    assert [t.state for t in trials] == ["complete", "pruned"]


def test_an_interrupted_sweep_goes_on(
    address: str, sweep: Any, standin: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def stops(trial: Any, trials: Any) -> None:
        raise KeyboardInterrupt

    with Cluster(address, standin) as place, sweep(SIX, log=str(log), sleep=0.2) as found:
        with pytest.raises(KeyboardInterrupt):
            found.run(place, 6, stops)
        assert [t.state for t in found.study.trials].count("running") == 1
    with Cluster(address, standin) as place, sweep(SIX, log=str(log)) as found:
        trials = found.run(place, 6)
    assert [t.state for t in trials] == ["complete"] * 6
    assert {line["x"] for line in log_of(log)} == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}


@pytest.mark.parametrize(
    ("function", "says"),
    [("train", "trial 0: no data"), ("nothing", "trial 0: AttributeError on its worker")],
)
def test_an_error_of_all_trials_is_one_sentence(
    function: str, says: str, address: str, sweep: Any, standin: str
) -> None:
    runner = f"{standin.partition(':')[0]}:{function}"
    with (
        Cluster(address, runner) as place,
        sweep("x=0.1", breaks=0.1) as found,
        pytest.raises(ClusterError, match=says),
    ):
        found.run(place, 1)
    assert [t.state for t in found.study.trials] == ["running"]


def test_a_worker_without_the_data(address: str, standin: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    with (
        Cluster(address, standin) as place,
        pytest.raises(
            ClusterError,
            match=r"worker tcp://.* cannot train: .*nowhere is not there; copy the data",
        ),
    ):
        place.check(missing)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ModuleNotFoundError("No module named 'edgemem'"), r"needs pip .*'edgemem-toolkit\[sweep,"),
        ({"version": "0.0.1", "missing": [], "data": True}, "it has edgemem 0.0.1, this process"),
        (
            {"version": clusters.__version__, "missing": ["tensorflow"], "data": True},
            r"lacks tensorflow; it needs pip .* 'edgemem-toolkit\[sweep,train\]'",
        ),
    ],
)
def test_a_worker_that_lacks_something(
    answer: Any, says: str, address: str, standin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cluster(address, standin) as place:
        monkeypatch.setattr(place._client, "run", lambda *_, **__: {"tcp://a:1": answer})
        with pytest.raises(ClusterError, match=f"worker tcp://a:1 cannot train: .*{says}"):
            place.check(None)


def test_no_scheduler(standin: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ClusterError, match=f"no Dask scheduler answers at {nowhere}"):
        Cluster(nowhere, standin, patience=0.5)


@pytest.mark.parametrize("text", ["here", "127.0.0.1:8786", "http://a:1", "tcp://a", "tcp://:1"])
def test_what_is_no_address(text: str, standin: str) -> None:
    with pytest.raises(ClusterError, match="is no address of a scheduler; expected tcp://"):
        Cluster(text, standin)


def test_something_else_that_listens(standin: str) -> None:
    """A port that accepts and says nothing: given up in time."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(ClusterError, match="no Dask scheduler answers"):
            Cluster(f"tcp://127.0.0.1:{mute.getsockname()[1]}", standin, patience=0.5)


def test_no_workers_and_then_no_scheduler(sweep: Any, standin: str) -> None:
    local = LocalCluster(
        n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50
    )
    place = Cluster(local.scheduler_address, standin, jobs=1, patience=0.5)
    with pytest.raises(ClusterError, match="has no workers; start some with: dask worker tcp://"):
        place.check(None)
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        local.close()

    with place, sweep("x=0.1") as found, pytest.raises(ClusterError, match="went away; the trials"):
        found.run(place, 1, note=note)
    assert notes == ["no workers are left; waiting for one"]
    assert [t.state for t in found.study.trials] == ["running"]


def test_versions_that_differ_are_told_of(
    address: str, standin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler, which is in this process, finds another version on a worker."""
    found = {"warning": "python: 3.9 and 3.11", "error": ""}
    monkeypatch.setattr(versions, "error_message", lambda *_: found)
    with pytest.warns(versions.VersionMismatchWarning, match=r"3\.9 and 3\.11"):
        Cluster(address, standin).__exit__()
