"""The commands convert, verify and targets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgemem import artefact, target
from edgemem.cli import main
from edgemem.files import zip_bytes
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample, load, save
from edgemem.runtime.network import open_network
from edgemem.target import Tolerance


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def model_file(tone_model: Model, tone: Callable[..., np.ndarray], tmp_path: Path) -> Path:
    """The network that knows tones, with clips of them."""
    labels = [label for label in tone_model.labels for _ in range(3)]
    clips = np.stack(
        [tone_model.frontend.features(tone(label, 0.2, i)) for i, label in enumerate(labels)]
    )
    sample = Sample(clips, np.array([tone_model.labels.index(label) for label in labels]))
    save(replace(tone_model, calibration=sample, validation=sample), tmp_path / "t.model")
    return tmp_path / "t.model"


def test_convert_then_verify(model_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.tflite"
    done = run("convert", model_file, "--target", "tflite", "--quantize", "int8", "--out", out)
    assert done.exit_code == 0, done.output
    assert f"{out}: {out.stat().st_size} bytes" in done.output
    assert "100.00% converted" in done.output and "100.00% trained" in done.output
    assert "distance" in done.output and "agreement" in done.output
    checked = run("verify", out)
    assert checked.exit_code == 0 and "agree; distance 0 " in checked.output


@pytest.mark.parametrize("target_name", ["tflite", "reference"])
def test_a_dc_blocker_changes_nothing_but_the_front_end(
    target_name: str, model_file: Path, tmp_path: Path
) -> None:
    made = {}
    for name, more in (("without", ()), ("with", ("--dc-blocker",))):
        out = tmp_path / name
        done = run("convert", model_file, "--target", target_name, *more, "--out", out)
        assert done.exit_code == 0, done.output
        made[name] = artefact.read(out)
    without, blocked = made["without"], made["with"]
    assert blocked.payload == without.payload
    assert blocked.parts == without.parts
    assert blocked.manifest["frontend"] == {**without.manifest["frontend"], "dc_pole": 0.995}
    differ = {key for key in blocked.manifest if blocked.manifest[key] != without.manifest[key]}
    assert differ == {"frontend", "model"}  # the digest of the model holds its front end
    assert open_network(tmp_path / "with").frontend.dc_pole == 0.995
    np.testing.assert_array_equal(
        open_network(tmp_path / "with").listener().logits(np.full(16000, 6553, np.int16)),
        open_network(tmp_path / "without").listener().logits(np.zeros(16000, np.int16)),
    )


def test_a_dc_blocker_is_for_sound(model_file: Path, tmp_path: Path) -> None:
    model = load(model_file)
    values = replace(model, frontend=FrontEnd(kind="values", n_mels=model.frontend.n_features))
    save(values, tmp_path / "values.model")
    out = tmp_path / "t.tflite"
    done = run("convert", tmp_path / "values.model", "--dc-blocker", "--out", out)
    assert done.exit_code == 1
    assert "hears no sound to take an offset from" in done.output
    assert not out.exists()


def test_json(model_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.npz"
    done = run("convert", model_file, "--target=reference", "--out", out, "--json")
    figures = json.loads(done.output)
    assert figures["accuracy_trained"] == figures["accuracy_converted"] == 1.0
    assert (figures["target"], figures["size"]) == ("reference", out.stat().st_size)
    found = json.loads(run("verify", "--json", "--reference-kernels", out).output)
    assert (found["target"], found["distance"]) == ("reference", 0.0)
    assert found["steps"] >= 4 and found["clips"] == 2


def test_calibrate_on_recordings(model_file: Path, tone_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.tflite"
    done = run("convert", model_file, "--calibrate", tone_set, "--out", out)
    assert done.exit_code == 0, done.output
    own = tmp_path / "own.tflite"
    assert run("convert", model_file, "--out", own).exit_code == 0
    assert artefact.read(out).payload != artefact.read(own).payload


def test_calibrate_on_nothing(model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("convert", model_file, "--calibrate", tmp_path / "empty", "--out", tmp_path / "t")
    assert done.exit_code == 1 and "no recording to calibrate on" in done.output


def test_too_far_leaves_what_is_there(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = type(target.get("tflite"))
    monkeypatch.setattr(chosen, "tolerance", lambda *_: Tolerance(1e-9, 0.0, 1.0))
    out = tmp_path / "t.tflite"
    out.write_bytes(b"what was there")
    done = run("convert", model_file, "--out", out)
    assert done.exit_code == 1 and "nothing was written" in done.output
    assert out.read_bytes() == b"what was there"
    assert {path.name for path in tmp_path.iterdir()} == {"t.model", "t.tflite"}


def test_accept_is_said_wherever_the_file_is_looked_at(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = type(target.get("fixed"))
    monkeypatch.setattr(chosen, "tolerance", lambda *_: Tolerance(1e-9, 0.0, 0.0))
    out = tmp_path / "t.fixed"
    done = run("convert", model_file, "--target", "fixed", "--out", out, "--accept", "for a demo")
    assert done.exit_code == 0, done.output
    assert "further off than allowed: for a demo" in done.output
    shown = run("info", out).output
    assert "accepted\n" in shown and "reason           for a demo" in shown and "1e-09" in shown
    assert json.loads(run("info", out, "--json").output)["accepted"]["reason"] == "for a demo"
    checked = run("verify", out)
    assert checked.exit_code == 0 and "accepted when it was converted: for a demo" in checked.output
    assert run("convert", model_file, "--out", tmp_path / "u", "--accept", "").exit_code == 1


def test_a_folder_that_cannot_be_written(model_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = run("convert", model_file, "--out", tmp_path / "file" / "t.tflite")
    assert done.exit_code == 1 and "cannot write" in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--target", "abacus"], "no target named 'abacus'; known:"),
        (["--target", "reference", "--quantize", "int8"], "No such option"),
        (["--quantize", "int4"], "'int4' is not one of"),
        (["--bits", "4"], "No such option"),
        ([], "Missing option '--out'"),
    ],
)
def test_wrong_arguments(arguments: list[str], sentence: str, model_file: Path) -> None:
    out = ["--out", str(model_file.with_suffix(".out"))] if arguments else []
    done = run("convert", model_file, *arguments, *out)
    assert done.exit_code in (1, 2) and sentence in done.output
    assert not model_file.with_suffix(".out").exists()


def test_help_lists_the_options_of_the_target() -> None:
    assert "--quantize [int8|int16|none]" in run("convert", "--help").output
    other = run("convert", "--target", "reference", "--help").output
    assert "--quantize [" not in other


def test_a_model_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"bad")
    done = run("convert", tmp_path / "bad", "--out", tmp_path / "t")
    assert done.exit_code == 1 and "no edgemem model" in done.output
    assert run("convert", tmp_path / "none", "--out", tmp_path / "t").exit_code == 1


@pytest.fixture
def converted(model_file: Path, tmp_path: Path) -> Path:
    out = tmp_path / "t.tflite"
    assert run("convert", model_file, "--out", out).exit_code == 0
    return out


def test_verify_a_file_cut_short(converted: Path) -> None:
    converted.write_bytes(converted.read_bytes()[:-100])
    done = run("verify", converted)
    assert done.exit_code == 1 and "cut short" in done.output


def test_verify_an_altered_file(converted: Path) -> None:
    data = bytearray(converted.read_bytes())
    data[1000] ^= 0xFF
    converted.write_bytes(bytes(data))
    done = run("verify", converted)
    assert done.exit_code == 1 and "does not match its digest" in done.output


def test_verify_a_foreign_tflite(converted: Path) -> None:
    converted.write_bytes(artefact.read(converted).payload)
    done = run("verify", converted)
    assert done.exit_code == 1 and "no converted network of edgemem" in done.output


def test_verify_a_newer_format(converted: Path) -> None:
    opened = artefact.read(converted)
    manifest = json.dumps({**opened.manifest, "format": 99}).encode()
    entries = {"manifest.json": manifest, **opened.parts}
    converted.write_bytes(zip_bytes(entries, compress=False, prefix=opened.payload))
    done = run("verify", converted)
    assert done.exit_code == 1 and "upgrade edgemem" in done.output


def test_verify_other_golden_vectors(converted: Path) -> None:
    opened = artefact.read(converted)
    golden = replace(opened.golden, y=1.5 * opened.golden.y)
    made = artefact.build(opened.payload, opened.manifest, opened.labels, golden, {})
    converted.write_bytes(artefact.to_bytes(made))
    done = run("verify", converted)
    assert done.exit_code == 1 and "golden vectors come back" in done.output


def test_targets() -> None:
    output = run("targets").output
    assert "reference" in output and "--quantize (int8, int16, none), default int8" in output
    rows = {row["name"]: row for row in json.loads(run("targets", "--json").output)}
    assert rows["tflite"]["options"][0]["flag"] == "--quantize"
    assert rows["tflite"]["tolerance"]["distance"] > rows["reference"]["tolerance"]["distance"]
    assert "matvec" in rows["tflite"]["ops"]
