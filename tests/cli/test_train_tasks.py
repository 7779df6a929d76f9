"""Tasks of the papers from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgemem.cli import main
from edgemem.model import load
from edgemem.train import tasks

pytestmark = pytest.mark.training

SMALL = ("--layer", "n_units=4", "--length", "20", "--epochs", "1", "--batch", "50", "--quiet")


def run(*args: str):
    return CliRunner().invoke(main, ["train", *args])


def test_the_help_lists_every_task_and_its_options():
    shown = run("--help").output
    for name in tasks.names():
        assert f"\n  {name} " in shown
        of_task = run(name, "--help")
        assert of_task.exit_code == 0
        assert "--cell" in of_task.output
        assert "Source: " in of_task.output
    assert "--length" in run("adding", "--help").output


def test_a_task_trains_to_a_model_file(tmp_path: Path):
    out = tmp_path / "add.model"
    args = ("adding", "--cell", "lem", *SMALL, "--bidirectional", "--conv-channels", "3")
    result = run(*args, "--stack", "2", "--test", "--json", "--out", str(out))
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    made = load(out)
    assert [cell["cell"] for cell in made.cell.to_dict()["cells"]] == [
        "conv",
        "bidirectional",
        "bidirectional",
        "dense",
    ]
    assert made.card["test"] == found["test"] > 0.0
    told = run(*args, "--out", str(out))
    assert told.exit_code == 1
    assert "is there already, and its run is over; choose another --out" in told.output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("addition",), "no task named 'addition'; known: adding"),
        (("adding", "--cell", "rnn"), "no recipe for adding named 'rnn'; known:"),
        (
            ("adding", "--form", "plain", "--cell", "lem"),
            "--form is of LMUs; recipe 'lem' has none",
        ),
        (("adding", "--form", "quick"), "no form of an LMU named 'quick'; known: feedback"),
        (("adding", "--layer", "theta"), "'theta' is not NAME=VALUE"),
        (("adding", "--layer", "n_units=4,order=0,theta=9"), "order: must be greater than 0"),
        (("adding", "--layer", "n_units=4,order=3,theta=0"), "theta: must be greater than 0"),
        (
            ("adding", "--cell", "lem", "--batch", "100000", "--length", "20"),
            "do not fill one batch",
        ),
        (("char", "--data", "/nowhere.txt"), "/nowhere.txt: no such file or folder"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(args, message, tmp_path):
    result = run(*args, "--out", str(tmp_path / "x.model"))
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())
