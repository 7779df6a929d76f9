"""Sweeps of real tasks: which hyper-parameters a network has, and one that is really trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgemem.cli import main
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.model import load
from edgemem.sweep.space import Space, parse_param
from edgemem.sweep.training import applies, check, request

# of TensorFlow and NengoDL, which training imports
pytestmark = pytest.mark.training

WORK = ("cell=lmu,lem", "theta=10:20", "dt=0.1:0.5", "batch=10,20")


def job_of(task: str = "adding", recipe: str | None = None, **fixed: Any) -> dict[str, Any]:
    return {
        "task": task,
        "recipe": recipe,
        "data": None,
        "seed": 3,
        "fixed": fixed,
        "params": {},
    }


def space_of(job: dict[str, Any], *texts: str) -> Space:
    return Space(tuple(map(parse_param, texts)), applies(job))


def test_a_job_is_a_request() -> None:
    job = {**job_of(length=50, epochs=2), "params": {"n_units": 8, "cell": "lem", "dt": 0.5}}
    made = request(job)
    recipe = made.chosen()
    assert (made.task, made.seed, recipe.cell, recipe.epochs) == ("adding", 3, "lem", 2)
    assert {layer["n_units"] for layer in recipe.layers} == {8}
    assert made.made_options().length == 50


@pytest.mark.parametrize(
    ("cell", "name", "has"),
    [
        ("lmu", "theta=10:20", True),
        ("lem", "theta=10:20", False),
        ("lem", "dt=0.1:0.5", True),
        ("lmu", "dt=0.1:0.5", False),
        ("lstm", "n_units=8:16", True),
        ("lem", "length=50:100", True),
        ("lem", "learning_rate=1e-4:1e-2:log", True),
        ("lem", "form=parallel,plain", True),
    ],
)
def test_which_hyper_parameters_a_network_has(cell: str, name: str, has: bool) -> None:
    assert applies(job_of())({"cell": cell}, parse_param(name)) is has


def test_a_recipe_says_the_cell_where_none_is_varied() -> None:
    assert not applies(job_of(recipe="lem"))({}, parse_param("theta=10:20"))
    assert applies(job_of(recipe="lmu"))({}, parse_param("theta=10:20"))
    assert not applies(job_of(cell="lem"))({}, parse_param("theta=10:20"))


def test_what_works() -> None:
    job = job_of(length=50)
    check(job, space_of(job, *WORK))


@pytest.mark.parametrize(
    ("job", "texts", "kind", "says"),
    [
        (job_of("kws"), ["cell=lmu,lem"], ConfigError, "kws is trained by recipes of its own"),
        (
            job_of("nothing"),
            ["cell=lmu"],
            UnknownNameError,
            "'nothing'; known: .*add",
        ),
        (job_of(), ["cell=lmu,rnn"], UnknownNameError, "'rnn'; known: .*lem"),
        (job_of(), ["thetta=1:2"], UnknownNameError, "'thetta'; known: .*theta"),
        (job_of(), ["cell=lem,gru", "theta=1:2"], ConfigError, "no network .* has a theta"),
        (job_of(), ["batch=few,many"], ConfigError, "batch=few: expected a whole number"),
        (job_of(), ["batch=10:20.5"], ConfigError, "batch=10.0: expected a whole number"),
        (job_of(), ["order=4,many"], ConfigError, "order=many: expected a whole number"),
        (job_of(), ["bidirectional=1,0"], ConfigError, "bidirectional=1: expected true or false"),
        (job_of(), ["schedule=1,2"], ConfigError, "schedule=1: expected a word"),
        (job_of(length="long"), ["batch=10,20"], ConfigError, "length=long: expected a whole"),
        (job_of(length=1), ["batch=10,20"], ConfigError, "length must be 2 or more"),
        (job_of(size=1), ["batch=10,20"], UnknownNameError, "no parameter named 'size'"),
    ],
)
def test_what_could_work_in_no_trial(
    job: dict[str, Any], texts: Sequence[str], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        check(job, space_of(job, *texts))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


@dataclass(frozen=True)
class Swept:
    """A sweep of two cells that ran to its end."""

    out: Path
    arguments: tuple[object, ...]
    result: Result


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    out = tmp_path_factory.mktemp("swept") / "sweep"
    fixed = ("--set", "length=10", "--set", "n_units=4", "--set", "batch=500", "--epochs", 1)
    varied = ("--param", "cell=lem,gru", "--param", "dt=0.1,0.5")
    arguments = ("adding", "--trials", 2, *varied, *fixed, "--out", out)
    return Swept(out, arguments, run(*arguments, "--json"))


def test_a_real_sweep(swept: Swept) -> None:
    assert swept.result.exit_code == 0, swept.result.output
    found = json.loads(swept.result.stdout)
    assert (found["metric"], found["better"], found["complete"]) == ("mse", "lower", 2)
    card = load(swept.out / "best.model").card
    assert card["validation"] == found["best"]["validation"]
    assert card["recipe"]["cell"] == found["best"]["params"]["cell"]
    assert {path.name for path in swept.out.iterdir()} == {
        *("best.model", "lock", "parallel.png", "pareto.png", "study.sqlite", "sweep.json"),
        *("trials", "trials.csv"),
    }


def test_the_same_command_has_nothing_left_to_do(swept: Swept) -> None:
    done = run(*swept.arguments)
    assert done.exit_code == 0, done.output
    assert "the best of 2" in done.stdout and "2 complete" in done.stdout
    assert done.stderr == ""


def test_another_command_over_it(swept: Swept) -> None:
    done = run(*swept.arguments, "--param", "weight_decay=0,0.1")
    assert done.exit_code == 1 and "holds another sweep: params was" in done.stderr
    done = run(*swept.arguments, "--seed", 5)
    assert done.exit_code == 1 and "seed was 0, now 5" in done.stderr
