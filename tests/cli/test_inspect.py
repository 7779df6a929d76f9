"""The command inspect."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgemem.cells import LEM, LMU, Dense, Stack
from edgemem.cli import main
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample, save


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *(str(argument) for argument in arguments)])


@pytest.fixture
def deep(tone_model: Model) -> Model:
    """A network with both memories, and eight clips."""
    cell = Stack((LMU(4, 5, 3, 6.0, 2), LEM(5, 3), Dense(3, 4)))
    x = np.random.default_rng(0).normal(size=(8, 20, 4)).astype(np.float32)
    params = {**cell.init(np.random.default_rng(1)), **cell.constants}
    sample = Sample(x, np.zeros(8, np.int64))
    return replace(
        tone_model, name="deep", cell=cell, params=params, calibration=sample, validation=sample
    )


@pytest.fixture
def deep_file(deep: Model, tmp_path: Path) -> Path:
    save(deep, tmp_path / "deep.model")
    return tmp_path / "deep.model"


def test_counts_scales_and_windows(deep_file: Path) -> None:
    done = run(deep_file)
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.output.splitlines()]
    # 4 n^2 + 4 n m + 4 n numbers, 4 n^2 + 4 n m products, a hundred steps a second
    assert ["1.lem", "5", "3", "108", "0", "6", "96", "9,600"] in rows
    assert "8 validation clips in the model, 20 steps each" in done.output
    assert "dt_bar of y" in done.output and "untrained" in done.output
    assert any(row[:4] == ["0.lmu", "2", "3", "6"] for row in rows)


def test_json(deep_file: Path) -> None:
    told = json.loads(run(deep_file, "--clips", "5", "--json").output)
    assert (told["model"], told["sequences"], told["steps"]) == ("deep", 5, 20)
    assert [layer["name"] for layer in told["layers"]] == ["0.lmu", "1.lem", "2.dense"]
    assert [scale["gate"] for scale in told["time_scales"]] == ["dt", "dt_bar"]
    assert len(told["windows"][0]["nrmse"]) == 2


def test_plot(deep_file: Path, tmp_path: Path) -> None:
    done = run(deep_file, "--plot", tmp_path / "p.png", "--show", "7")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_recordings(deep_file: Path, tone_set: Path) -> None:
    done = run(deep_file, "--data", tone_set, "--split", "test", "--clips", "4", "--json")
    told = json.loads(done.output)
    assert (told["sequences"], told["steps"]) == (4, 98)
    assert told["along"].endswith("split test")


def test_a_pretrained_name() -> None:
    told = json.loads(run("kws12-lmu-tiny", "--clips", "2", "--json").output)
    assert told["model"] == "kws12-lmu-tiny" and len(told["windows"]) == 4


def test_a_network_of_values_has_no_seconds(deep: Model, tmp_path: Path, tone_set: Path) -> None:
    values = replace(deep, frontend=FrontEnd(kind="values", n_mels=4))
    save(values, tmp_path / "v.model")
    done = run(tmp_path / "v.model")
    assert done.exit_code == 0 and "MACs/s " not in done.output and " ms" not in done.output
    refused = run(tmp_path / "v.model", "--data", tone_set)
    assert refused.exit_code == 1 and "reads 4 values a step, no sound" in refused.output


def test_layers_without_memory(tone_file: Path, tmp_path: Path) -> None:
    done = run(tone_file)
    assert done.exit_code == 0 and "there is nothing more to look at" in done.output
    drawn = run(tone_file, "--plot", tmp_path / "p.png")
    assert drawn.exit_code == 1 and "there is nothing to draw" in drawn.output
    assert not (tmp_path / "p.png").exists()


def test_a_converted_file(deep_file: Path) -> None:
    out = deep_file.with_suffix(".reference")
    made = ["convert", str(deep_file), "--target", "reference", "--out", str(out)]
    assert CliRunner().invoke(main, made).exit_code == 0
    done = run(out)
    assert done.exit_code == 1
    assert "it is a converted network; give the .model file" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--clips", "0"], "0 is not in the range"),
        (["--show", "8"], "there is no sequence 8; known: 0 to 7"),
        (["--data", "nowhere"], "nowhere"),
        (["--plot", "."], "is a folder"),
    ],
)
def test_what_cannot_be(deep_file: Path, arguments: list[str], what: str) -> None:
    done = run(deep_file, *arguments)
    assert done.exit_code != 0 and what in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_files_that_are_no_models(tmp_path: Path, deep: Model) -> None:
    assert "no .model file or pretrained network named 'none'" in run("none").output
    (tmp_path / "n.model").write_text("no zip", encoding="utf-8")
    done = run(tmp_path / "n.model")
    assert done.exit_code == 1 and "is no edgemem model" in done.output
    none = Sample(np.zeros((0, 1, 4), np.float32), np.zeros(0, np.int64))
    save(replace(deep, calibration=none, validation=none), tmp_path / "e.model")
    empty = run(tmp_path / "e.model")
    assert empty.exit_code == 1 and "name recordings with --data" in empty.output
