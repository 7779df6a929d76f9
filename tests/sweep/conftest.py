"""A training that takes no time, which workers of a cluster can import as well."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgemem.sweep.attempt import Runner, runner_named
from edgemem.sweep.folder import opened
from edgemem.sweep.run import Sweep
from edgemem.sweep.space import Space, parse_param
from edgemem.sweep.study import Study

STANDIN = '''
"""Trains nothing: the error is (x - 0.3)^2 + 1 / epoch. What it is told to do wrong, it does."""
import json, os, signal, time
from pathlib import Path

from edgemem.errors import DataError, TrainingError

def train(job, out, resume, watch):
    x, fixed = job["params"]["x"], job["fixed"]
    checkpoint = out.with_name(out.name + ".checkpoint")
    done = json.loads(checkpoint.read_text())["epoch"] if resume else 0
    if "log" in fixed:
        with open(fixed["log"], "a") as log:
            log.write(json.dumps({"x": x, "from": done, "pid": os.getpid()}) + "\\n")
    if x == fixed.get("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    higher = fixed.get("better") == "higher"
    metric = "accuracy" if higher else "mse"
    for epoch in range(1, 4):
        error = (x - 0.3) ** 2 + 1 / epoch
        value = 1 / (1 + error) if higher else error
        if epoch <= done:
            continue
        checkpoint.write_text(json.dumps({"epoch": epoch}))
        watch({"epoch": float(epoch), f"validation_{metric}": value})
        if fixed.get("fails") == x:
            raise TrainingError("the loss became nan")
        if fixed.get("breaks") == x:
            raise DataError("no data")
        if x == fixed.get("dies_once") and epoch == 2 and not os.path.exists(fixed["marker"]):
            Path(fixed["marker"]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(fixed.get("sleep", 0))
    out.write_bytes(json.dumps({"model of": x}).encode())
    checkpoint.unlink()
    return {"metric": metric, "better": "higher" if higher else "lower", "validation": value,
            "parameters": int(1000 * (1 + x)), "seconds": 2.0, "epochs": 3, "best_epoch": 3,
            "test": None, "model": str(out)}
'''

RUNNER = "standin_of_sweeps:train"


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of the runner; its module can be imported here and in processes started from here."""
    folder = tmp_path_factory.mktemp("standin")
    (folder / "standin_of_sweeps.py").write_text(STANDIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder))
        yield RUNNER
    sys.modules.pop("standin_of_sweeps", None)


class Opener:
    """Opens sweeps of the stand-in, as the command opens those of tasks."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def __call__(
        self, *params: str, prune: bool = False, keep_all: bool = False, **fixed: Any
    ) -> Iterator[Sweep]:
        space = Space(tuple(map(parse_param, params)), lambda chosen, param: True)
        job = {"task": "standin", "recipe": None, "data": None, "seed": 0, "fixed": fixed}
        with opened(self.path, {"params": list(params), "prune": prune}) as folder:
            study = Study(f"sqlite:///{folder.database}", "study", space, 0, prune)
            yield Sweep(folder, study, space, job, keep_all)


@pytest.fixture
def sweep(tmp_path: Path) -> Opener:
    """``with sweep("x=0.0:1.0", ...) as found``: a sweep in ``tmp_path / "sweep"``."""
    return Opener(tmp_path / "sweep")


@pytest.fixture
def runner(standin: str) -> Runner:
    """The stand-in."""
    return runner_named(standin)
