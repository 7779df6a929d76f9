"""Workflows for GitHub: they call what is here, on the Pythons that there are, and may read."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EVERY = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
SCRIPT = re.compile(r"(?:^|[\s;&|])(scripts/[\w-]+|\.ci/\w+)")


def pythons() -> list[str]:
    """Those that train; read, not imported: TensorFlow would come with it."""
    module = ROOT / "edgemem" / "frameworks.py"
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PYTHONS":
            (_, oldest), (_, newest) = ast.literal_eval(node.value)
            return [f"3.{minor}" for minor in range(oldest, newest + 1)]
    raise AssertionError("frameworks.py says no PYTHONS")


TRAINING = pythons()


def read(file: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in FILES:
        for name, job in read(file)["jobs"].items():
            yield f"{file.stem}.{name}", job


JOBS = dict(jobs())
EACH = pytest.mark.parametrize("name", JOBS)


def scripts(job: dict[str, Any]) -> list[str]:
    """Scripts of the checkout that a job calls, in its order."""
    return [word for step in job["steps"] for word in SCRIPT.findall(step.get("run", ""))]


def test_there_are_workflows() -> None:
    assert [file.name for file in FILES] == ["package.yml", "tests.yml"]


@EVERY
def test_a_workflow_may_read_and_nothing_else(file: Path) -> None:
    flow = read(file)
    assert flow["permissions"] == {"contents": "read"}
    assert [job for job in flow["jobs"].values() if "permissions" in job] == []
    assert "concurrency" in flow
    # YAML 1.1 reads the word `on` as true
    assert set(flow[True]) == {"push", "pull_request", "workflow_dispatch"}
    assert "secrets." not in file.read_text(encoding="utf-8")


@EVERY
def test_actions_are_pinned_by_commit_and_say_their_version(file: Path) -> None:
    used = re.findall(r"uses: *(.*)", file.read_text(encoding="utf-8"))
    assert used
    pinned = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in used if not pinned.fullmatch(line)] == []


@EACH
def test_a_job_ends_and_keeps_no_token(name: str) -> None:
    job = JOBS[name]
    assert 0 < job["timeout-minutes"] <= 120
    (checkout,) = (s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@"))
    assert checkout["with"]["persist-credentials"] is False


@EACH
def test_nothing_from_outside_is_pasted_into_a_command(name: str) -> None:
    assert [step["run"] for step in JOBS[name]["steps"] if "${{" in step.get("run", "")] == []


@EACH
def test_scripts_that_a_job_calls_are_there(name: str) -> None:
    missing = [s for s in scripts(JOBS[name]) if not os.access(ROOT / s, os.X_OK)]
    assert missing == []


def test_the_gate_has_the_steps_of_ours() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    named = {word for line in lines if not line.startswith("#") for word in SCRIPT.findall(line)}
    # what only makes ready: runners have steps of their own for it
    ours = named - {"scripts/install", "scripts/install-tools", "scripts/recordings"}
    assert sorted(scripts(JOBS["tests.gate"])) == sorted(ours)


def test_every_python_that_trains_is_tested() -> None:
    assert JOBS["tests.pythons"]["strategy"]["matrix"]["python"] == TRAINING
    assert JOBS["tests.gate"]["container"].startswith(f"python:{TRAINING[-1]}-")


def test_classifiers_name_every_python() -> None:
    command = [sys.executable, "setup.py", "--classifiers"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", done.stdout, re.M)
    device = JOBS["tests.device"]["strategy"]["matrix"]["python"]
    assert {*TRAINING, *device} <= set(found)
