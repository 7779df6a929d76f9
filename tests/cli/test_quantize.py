"""The command quantize."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgemem import artefact
from edgemem.cells import Dense, Stack
from edgemem.cli import main
from edgemem.model import Model, Sample, load, save
from edgemem.quantize import Scheme, build
from edgemem.quantize.size import parameter_bytes
from edgemem.quantize.stored import read_program

WEIGHTS = {"0.dense.W", "1.dense.W"}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["quantize", *(str(argument) for argument in arguments)])


@pytest.fixture
def model(tone_model: Model, tone: Callable[..., np.ndarray]) -> Model:
    """Two layers that know tones: a mixture of bands and what undoes it; clips of every tone."""
    labels = [label for label in tone_model.labels for _ in range(8)]
    clips = np.stack(
        [tone_model.frontend.features(tone(label, 0.2, i)) for i, label in enumerate(labels)]
    )
    sample = Sample(clips, np.array([tone_model.labels.index(label) for label in labels]))
    W, b = tone_model.params["W"], tone_model.params["b"]
    mixed = np.random.default_rng(0).normal(size=(6, 4))
    params = {
        "0.dense.W": mixed,
        "0.dense.b": np.zeros(6),
        "1.dense.W": W @ np.linalg.pinv(mixed),
        "1.dense.b": b,
    }
    cell = Stack((Dense(4, 6), Dense(6, 4)))
    return replace(tone_model, cell=cell, params=params, calibration=sample, validation=sample)


@pytest.fixture
def model_file(model: Model, tmp_path: Path) -> Path:
    save(model, tmp_path / "tones.model")
    return tmp_path / "tones.model"


def test_a_report_names_every_value_and_every_matrix(model: Model, model_file: Path) -> None:
    done = run(model_file, "--weights", "4")
    assert done.exit_code == 0, done.output
    program = build(model.graph(), Scheme(weights=4), model.calibration.features).program
    assert f"{parameter_bytes(program):,} bytes of parameters" in done.output
    rows = [line.split() for line in done.output.splitlines()]
    first = [row[0] for row in rows if row]
    assert set(program.tensors) <= set(first)
    assert {row[1] for row in rows if len(row) == 9 and row[4] == "4"} == WEIGHTS
    # columns lie under their heads
    table = done.output.split("\n\n")[1].splitlines()
    assert {line.index(line.split()[1]) for line in table} == {table[0].index("kind")}


def test_a_report_as_json(model: Model, model_file: Path, tmp_path: Path) -> None:
    png = tmp_path / "report.png"
    done = run(model_file, "--activations", "int16", "--json", "--plot", png)
    values = json.loads(done.output)
    assert values["activations"] == "int16" and values["digest"] == model.digest
    assert {tensor["bits"] for tensor in values["tensors"]} == {16}
    assert {weight["source"] for weight in values["weights"]} == WEIGHTS
    low = min(float(part.min()) for part in (model.calibration.features,))
    assert values["tensors"][0]["low"] == pytest.approx(low, rel=0.05)
    assert png.read_bytes().startswith(b"\x89PNG")


def test_calibrated_on_recordings(model_file: Path, tone_set: Path) -> None:
    own, other = (
        json.loads(run(model_file, "--json", *arguments).output)
        for arguments in ([], ["--calibrate", tone_set])
    )
    assert own["steps"] != other["steps"]
    assert own["tensors"][0]["high"] != other["tensors"][0]["high"]


def test_a_search_writes_a_model_that_conversions_follow(
    model: Model, model_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "narrow.model"
    # 8, 4 and 2 bits for two matrices: all nine are tried
    done = run(model_file, "--budget", "0.14kB", "--out", out, "--json", "--trials", 50)
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    assert len(values["trials"]) == 9 and values["size"] <= 140
    fitting = [trial for trial in values["trials"] if trial["size"] <= 140]
    best = min(fitting, key=lambda t: (t["lost"] - t["gained"], t["distance"]))
    assert values["layers"] == best["layers"] and set(best["layers"]) == WEIGHTS
    assert json.loads((tmp_path / "narrow.model.json").read_text()) == values
    assert (tmp_path / "narrow.model.png").read_bytes().startswith(b"\x89PNG")
    written = load(out)
    assert written.scheme is not None and written.scheme.layers == best["layers"]
    assert written.digest != model.digest
    for name in model.params:
        np.testing.assert_array_equal(written.stored(name), model.stored(name))
    # a report of that model is of these widths
    report = json.loads(run(out, "--json").output)
    assert report["size"] == values["size"]
    assert {w["source"]: w["bits"] for w in report["weights"]} == best["layers"]
    fixed, clips = tmp_path / "narrow.fixed", written.calibration.features
    converted = CliRunner().invoke(
        main, ["convert", str(out), "--target", "fixed", "--out", str(fixed)]
    )
    assert converted.exit_code == 0, converted.output
    program = read_program(artefact.read(fixed))
    assert program.to_dict() == build(written.graph(), written.scheme, clips).program.to_dict()
    assert {form.bits for form in program.weights.values()} == set(best["layers"].values())


def test_widths_alone_for_a_training(model_file: Path, tmp_path: Path) -> None:
    from edgemem.train.qat import read_layers

    out = tmp_path / "search.json"
    done = run(model_file, "--max-drop", "100", "--out", out, "--trials", 9)
    assert done.exit_code == 0, done.output
    assert read_layers(out) == dict.fromkeys(WEIGHTS, 2)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("tones.model", "search.json", "search.json.png", "search.json.sqlite"),
    }
    assert "points (95 % interval" in done.output
    assert "one clip of 32 is 3.12 points; name a data set with --data" in done.output


def test_an_interrupted_search_goes_on(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgemem.quantize.narrowing import Narrowing

    def search(name: str, *more: object) -> Result:
        budget = ("--budget", "150", "--trials", 7, "--seed", 3)
        return run(model_file, *budget, "--out", tmp_path / name, *more)

    assert search("whole.json").exit_code == 0
    measure, left = Narrowing.measure, [4]

    def stops(problem: Narrowing, widths: dict[str, int]) -> object:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return measure(problem, widths)

    monkeypatch.setattr(Narrowing, "measure", stops)
    stopped = search("cut.json")
    assert stopped.exit_code == 130 and "--resume goes on" in stopped.output
    assert not (tmp_path / "cut.json").exists()
    left[0] = -1
    refused = search("cut.json")
    assert refused.exit_code == 1 and "--resume" in refused.output
    gone_on = search("cut.json", "--resume")
    assert gone_on.exit_code == 0, gone_on.output
    assert (tmp_path / "cut.json").read_text() == (tmp_path / "whole.json").read_text()


def test_clips_of_a_data_set(
    model_file: Path,
    tmp_path: Path,
    tone: Callable[..., np.ndarray],
    write_wav: Callable[..., Path],
) -> None:
    for label in ("low", "high"):
        for number in range(40):
            write_wav(
                tmp_path / "set" / label / f"s{number:02}_nohash_0.wav", tone(label, 1.0, number)
            )
    data = ["--data", tmp_path / "set", "--cache", tmp_path / "cache", "--clips", 5]
    done = run(model_file, "--budget", 150, *data, "--out", tmp_path / "a.json", "--trials", 4)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "a.json").read_text())["clips"] == 5
    assert "take more clips" in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--budget", "60B"], "a budget of 60 bytes cannot be met: with 2 bits everywhere"),
        (["--budget", "45 parsecs"], "'45 parsecs' is no number of bytes"),
        (["--budget", "0"], "less than 1 byte"),
        (["--max-drop", "-1"], "a drop of -1.0 points; expected 0 to 100"),
        (["--max-drop", "nan"], "expected 0 to 100"),
        ([], "a search needs --budget, --max-drop or both"),
        (["--budget", "1kB", "--plot", "x.png"], "no --plot"),
        (["--budget", "1kB", "--data", ".", "--frontend", "none"], "none"),
    ],
)
def test_what_cannot_work_is_refused(
    arguments: list[str], sentence: str, model_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new.model"
    done = run(model_file, *arguments, "--out", out)
    assert done.exit_code == 1 and sentence in done.output
    assert not out.exists() and not list(tmp_path.glob("*.sqlite"))


def test_a_search_without_out(model_file: Path) -> None:
    assert "name that" in run(model_file, "--budget", "1kB").output


def test_what_is_there_stays(model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "a.model").write_bytes(b"what was there")
    done = run(model_file, "--budget", "1kB", "--out", tmp_path / "a.model")
    assert done.exit_code == 1 and "is there already" in done.output
    assert (tmp_path / "a.model").read_bytes() == b"what was there"


def test_a_drop_that_nothing_keeps(model: Model, tmp_path: Path) -> None:
    # labels that floats get right and two bits do not
    save(model, tmp_path / "t.model")
    done = run(tmp_path / "t.model", "--budget", "104", "--max-drop", 0, "--out", tmp_path / "o")
    assert done.exit_code == 1
    assert "the best found has" in done.output and "and loses" in done.output
    assert not (tmp_path / "o").exists()


def test_a_search_for_outputs_that_are_values(model: Model, tmp_path: Path) -> None:
    card = {"goal": {"read": "steps", "kind": "values"}}
    save(replace(model, card=card), tmp_path / "v.model")
    done = run(tmp_path / "v.model", "--max-drop", 1, "--out", tmp_path / "n.model")
    assert done.exit_code == 1 and "gives values, and the search counts decisions" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["v.model"]


def test_a_model_without_clips_or_calibration(model: Model, tmp_path: Path) -> None:
    none = Sample(np.zeros((0, 1, 4), np.float32), np.zeros(0, np.int64))
    save(replace(model, validation=none), tmp_path / "a.model")
    done = run(tmp_path / "a.model", "--budget", "1kB", "--out", tmp_path / "o")
    assert done.exit_code == 1 and "name a data set with --data" in done.output
    save(replace(model, calibration=none), tmp_path / "b.model")
    done = run(tmp_path / "b.model")
    assert done.exit_code == 1 and "with --calibrate" in done.output


@pytest.mark.parametrize("command", ["quantize", "convert"])
def test_calibration_that_never_leaves_silence(
    command: str, model: Model, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    silence = Sample(np.full((2, 9, 4), -90.0, np.float32), np.zeros(0, np.int64))
    save(replace(model, calibration=silence), tmp_path / "a.model")
    save(model, tmp_path / "b.model")
    write_wav(tmp_path / "quiet" / "a.wav", np.zeros(16000, np.int16))
    out = [] if command == "quantize" else ["--out", str(tmp_path / "o.tflite")]
    for arguments, sentence in [
        ([tmp_path / "a.model"], "is the same, as in silence"),
        ([tmp_path / "b.model", "--calibrate", tmp_path / "quiet"], "never leave silence"),
    ]:
        done = CliRunner().invoke(main, [command, *map(str, arguments), *out])
        assert done.exit_code == 1 and sentence in done.output
    assert not (tmp_path / "o.tflite").exists()


@pytest.mark.parametrize("command", ["quantize", "convert"])
def test_weights_that_are_no_numbers(command: str, model: Model, tmp_path: Path) -> None:
    wild = {**model.params, "1.dense.W": np.full((4, 6), np.nan)}
    save(replace(model, params=wild), tmp_path / "a.model")
    out = [] if command == "quantize" else ["--out", str(tmp_path / "o.tflite")]
    done = CliRunner().invoke(main, [command, str(tmp_path / "a.model"), *out])
    assert done.exit_code == 1 and "holds NaN or infinity; train it again" in done.output


def test_without_optuna(model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = run(model_file, "--budget", "1kB", "--out", tmp_path / "o")
    assert done.exit_code == 1 and "edgemem-toolkit[quantize]" in done.output
    assert run(model_file).exit_code == 0
