"""One command on a fresh machine: which Python is taken, what is refused, and what is locked."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from edgemem.errors import NENGO_DL

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script, in an empty HOME."""
    kept = {key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ}
    return subprocess.run(
        [str(ROOT / "scripts" / name), *arguments],
        env={**kept, "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def fake(folder: Path, name: str, version: str) -> Path:
    """A Python that says it is of a version; all else it leaves to this one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\ncase $2 in *"%d.%d"*) echo {version};; *) echo "$0";; esac\n')
    path.chmod(0o755)
    return path


def test_the_first_that_is_here_is_taken(tmp_path: Path) -> None:
    old = fake(tmp_path / "bin", "python3", "3.10")
    new = fake(tmp_path / "pyenv/versions/3.12.4/bin", "python3", "3.12")
    fake(tmp_path / "pyenv/versions/3.12.10/bin", "python3", "2.7")  # broken
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    found = script("find-python", "3.12", "3.10", PATH=path, PYENV_ROOT=f"{tmp_path}/pyenv")
    assert found.stdout.strip() == str(new)
    found = script("find-python", "3.10", PATH=path, PYENV_ROOT=f"{tmp_path}/pyenv")
    assert found.stdout.strip() == str(old)


def test_no_python_fits() -> None:
    found = script("find-python", "3.97", "3.96")
    assert found.returncode == 1 and found.stdout == ""
    assert "none of Python 3.97 3.96 is here with venv and pip; install one" in found.stderr
    assert "apt install python3 python3-venv" in found.stderr


def test_a_python_that_is_named_and_does_not_fit(tmp_path: Path) -> None:
    old = fake(tmp_path, "python3", "3.9")
    done = script("install", "train", str(tmp_path / "new"), PYTHON=str(old))
    assert done.returncode == 1 and not (tmp_path / "new").exists()
    assert f"PYTHON is {old}, which is none of Python 3.13 3.12 3.11 3.10" in done.stderr
    assert "TensorFlow has wheels for Python 3.10 to 3.13" in done.stderr


def test_an_environment_of_another_python_is_left_alone(tmp_path: Path) -> None:
    fake(tmp_path / "old/bin", "python", "3.9")
    done = script("install", "train", str(tmp_path / "old"))
    assert done.returncode == 1
    assert f"{tmp_path}/old has no working Python from 3.10 to 3.13; move it away" in done.stderr


def test_usage() -> None:
    done = script("install")
    assert done.returncode == 2 and "scripts/install train|test [FOLDER]" in done.stderr


def pins(lock: Path) -> dict[str, set[str]]:
    """Versions of each package, which may differ between Pythons."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_file_is_checked_against_a_hash(lock: Path) -> None:
    text = lock.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
    assert "://" not in text


def test_what_users_get_is_what_was_tested() -> None:
    tested = pins(ROOT / "requirements/test.txt")
    for name, versions in pins(ROOT / "requirements/train.txt").items():
        assert versions <= tested[name], name
    assert tested["nengo-dl"] == {NENGO_DL.rpartition("==")[2]}
