"""``edgemem simulate`` and ``edgemem place`` as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgemem.cells import LEM, Dense, Stack
from edgemem.cli import main
from edgemem.model import Model, Sample, save


def invoke(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, [command, *map(str, arguments)])


def told(*arguments: object) -> dict:
    done = invoke("simulate", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def lem_file(tone_model: Model, tmp_path: Path) -> Path:
    """A small LEM with random weights and some clips of noise."""
    rng = np.random.default_rng(1)
    cell = Stack((LEM(4, 6), Dense(6, 4)))
    x = rng.normal(size=(5, 20, 4)).astype(np.float32)
    sample = Sample(x, np.array([0, 1, 2, 3, 0]))
    frontend = replace(tone_model.frontend, low=-4.0, high=4.0)
    model = replace(
        tone_model,
        name="lem",
        frontend=frontend,
        cell=cell,
        params=cell.init(rng),
        calibration=Sample(x, np.zeros(0, np.int64)),
        validation=sample,
    )
    save(model, tmp_path / "lem.model")
    return tmp_path / "lem.model"


def test_text(lem_file: Path) -> None:
    done = invoke("simulate", lem_file, "--spiking", "--steps-per-frame", 64)
    assert done.exit_code == 0, done.output
    for part in (
        "5 clips (validation clips in the model)",
        "accuracy",
        "trained",
        "the same decision on",
        "per inference: 20 frames",
        "synaptic operations",
        "lem.y_new",
        "mean Hz",
        "silent",
        "energy on loihi: modelled",
    ):
        assert part in done.stdout


def test_more_steps_come_nearer(lem_file: Path, tmp_path: Path) -> None:
    curve = tmp_path / "curve.png"
    found = told(lem_file, "--spiking", "--sweep", "steps-per-frame=16,64,1024", "--curve", curve)
    assert [run["name"] for run in found["runs"]] == [
        f"steps-per-frame={k}" for k in (16, 64, 1024)
    ]
    distances = [run["distance"] for run in found["runs"]]
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.05
    spikes = [run["per_clip"]["messages"] for run in found["runs"]]
    assert spikes[0] < spikes[1] < spikes[2]
    assert all(energy["modelled"] for run in found["runs"] for energy in run["energy"])
    assert curve.read_bytes().startswith(b"\x89PNG")


def test_a_sweep_ends_with_a_table(lem_file: Path) -> None:
    done = invoke("simulate", lem_file, "--spiking", "--sweep", "steps-per-frame=16,64")
    head, *rows = done.stdout.splitlines()[-3:]
    assert " ".join(head.split()) == (
        "per inference accuracy distance messages synaptic operations"
    )
    assert [row.split()[0] for row in rows] == ["steps-per-frame=16", "steps-per-frame=64"]
    assert all(len(row.split()) == 5 for row in rows)


def test_a_step_in_seconds(lem_file: Path, tone_model: Model) -> None:
    period = tone_model.frontend.frame_period
    by_time = told(lem_file, "--spiking", "--dt", period / 32)
    by_number = told(lem_file, "--spiking", "--steps-per-frame", 32)
    assert by_time["runs"] == by_number["runs"]


def test_graded_messages_at_threshold_zero_are_the_integers(lem_file: Path, tmp_path: Path) -> None:
    fixed = tmp_path / "lem.fixed"
    done = invoke("convert", lem_file, "--target", "fixed", "--out", fixed, "--json")
    assert done.exit_code == 0, done.output
    (run,) = told(lem_file, "--target", "loihi")["runs"]
    assert run["distance"] == pytest.approx(json.loads(done.stdout)["distance"])
    assert run["energy"][0]["device"] == "loihi2" and run["energy"][0]["joules"] is None
    louder = told(lem_file, "--target", "loihi", "--threshold", 0.5)["runs"][0]
    assert louder["per_clip"]["messages"] < run["per_clip"]["messages"]


def test_a_converted_file(lem_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "lem.loihi"
    done = invoke("convert", lem_file, "--target", "loihi", "--out", out)
    assert done.exit_code == 0, done.output
    alone = told(out)
    assert alone["clips"] == "golden inputs"
    assert alone["runs"][0]["distance"] is None
    beside = told(out, "--against", lem_file)
    assert 0.0 < beside["runs"][0]["distance"] < 0.2
    assert "leave --spiking and --target out" in invoke("simulate", out, "--spiking").output
    for arguments in (("--dt", 0.001), ("--sweep", "threshold=0,1")):
        done = invoke("simulate", out, *arguments)
        assert done.exit_code == 1 and "a converted file has one setting" in done.output
    placed = invoke("place", out, "--json")
    assert json.loads(placed.stdout)["cores"]


def test_a_recording_and_its_picture(
    lem_file: Path, tone: Callable, write_wav: Callable, tmp_path: Path
) -> None:
    clip, picture = write_wav(tmp_path / "clip.wav", tone("low")), tmp_path / "clip.png"
    done = invoke("simulate", lem_file, clip, "--spiking", "--plot", picture)
    assert done.exit_code == 0, done.output
    assert "1 clips" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_chip_map(lem_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "chip.png"
    done = invoke("place", lem_file, "--target", "loihi", "--map", picture)
    assert done.exit_code == 0, done.output
    assert "1 of 128 cores" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "is a trained model: say --spiking, or --target loihi"),
        (("--spiking", "--steps-per-frame", 0), "steps"),
        (("--spiking", "--steps-per-frame", 1), "steps"),
        (("--spiking", "--scale", 0), "scale"),
        (("--spiking", "--dt", 0), "--dt is 0.0"),
        (("--spiking", "--sweep", "pace=1,2"), "unknown field 'pace'"),
        (("--spiking", "--probe", "w_new", "--plot", "x.png"), "no probe named 'w_new'; known: "),
        (("--target", "loihi", "--threshold", -1), "threshold"),
        (("--target", "loihi", "--dt", 0.001), "'loihi' has no option 'steps_per_frame'"),
        (("--target", "nengo-loihi"), "cannot lower mul, sigmoid, tanh"),
        (("--target", "loihi", "--backend", "nengo"), "nengo"),
        (("--target", "fixed"), "counts nothing; simulated are spiking and loihi"),
        (("--target", "chip"), "no target named 'chip'"),
    ],
)
def test_one_sentence(
    lem_file: Path, arguments: tuple[object, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lem_file.parent)
    done = invoke("simulate", lem_file, *arguments)
    assert done.exit_code == 1, done.output
    assert done.output.startswith("Error: ") and done.output.count("\n") == 1
    assert message in done.output
    assert not (lem_file.parent / "x.png").exists()


def test_no_cores(lem_file: Path) -> None:
    done = invoke("place", lem_file, "--target", "spiking")
    assert done.exit_code == 1
    assert "has no cores" in done.output
