"""The command sweep: what it refuses before anything is trained."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgemem.cli import main

# of TensorFlow and NengoDL, which training imports
pytestmark = pytest.mark.training


def run(out: Path, *arguments: object) -> Result:
    given = ["sweep", "adding", "--trials", "2", "--out", str(out), *map(str, arguments)]
    return CliRunner().invoke(main, given)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to vary; say --param NAME=A,B,C"),
        (["--param", "theta"], "expected NAME=A,B,C, NAME=LOW:HIGH or"),
        (["--param", "theta=1:2", "--param", "theta=3:4"], "theta is said more than once"),
        (["--param", "theta=1:2", "--set", "theta=3"], "theta is said more than once"),
        (["--param", "epochs=1:2", "--epochs", 3], "epochs is said more than once"),
        (["--param", "cell=lmu,lem", "--recipe", "lmu"], "--recipe names a network of one cell"),
        (["--param", "theta=1:2", "--set", "length"], "expected NAME=VALUE"),
        (["--param", "theta=1:2", "--jobs", 2], "--jobs is of --scheduler"),
        (["--param", "theta=1:2", "--storage", "nonsense"], "is no address of a database"),
        (["--param", "theta=1:2", "--scheduler", "here"], "is no address of a scheduler"),
        (["--param", "batch=10,20", "--set", "theta=0"], "theta"),
    ],
)
def test_what_is_refused(arguments: list[object], says: str, tmp_path: Path) -> None:
    done = run(tmp_path / "out", *arguments)
    assert done.exit_code == 1, done.output
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "best.model").exists()


def test_a_scheduler_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    done = run(tmp_path / "out", "--param", "theta=1:2", "--scheduler", nowhere)
    assert done.exit_code == 1
    assert f"no Dask scheduler answers at {nowhere}" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["optuna", "distributed"])
def test_without_a_package(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = run(tmp_path / "out", "--param", "theta=1:2", "--scheduler", "tcp://127.0.0.1:9")
    assert done.exit_code == 1
    assert f"needs the package {package}" in done.stderr and "edgemem-toolkit[sweep]" in done.stderr
