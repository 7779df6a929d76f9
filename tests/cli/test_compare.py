"""``edgemem compare`` as a person uses it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgemem.cells import Dense
from edgemem.cli import main
from edgemem.frontend import FrontEnd
from edgemem.model import Model, save


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


@pytest.fixture
def fixed(tone_file: Path, tone_set: Path, tmp_path: Path) -> Path:
    """The integer form of the network that knows tones."""
    out = tmp_path / "tones.fixed"
    arguments = ["convert", tone_file, "--target", "fixed", "--calibrate", tone_set, "--out", out]
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return out


def test_text(tone_file: Path, fixed: Path, tone_set: Path) -> None:
    done = invoke(tone_file, fixed, "--data", tone_set)
    assert done.exit_code == 0, done.output
    for part in (
        f"A {tone_file} (numpy",
        "float64",
        f"B {fixed} (numpy",
        "integers",
        "12 clips",
        "0 of 12 decisions differ",
        "accuracy 100.00% of A, 100.00% of B",
        "first difference:",
        "gain",
    ):
        assert part in done.stdout


def test_fast_kernels_say_that_they_show_nothing_inside(fixed: Path, tone_file: Path) -> None:
    fast = tone_file.with_suffix(".tflite")
    data = ["--calibrate", str(tone_file.parent / "set"), "--out", str(fast)]
    done = CliRunner().invoke(main, ["convert", str(tone_file), *data])
    assert done.exit_code == 0, done.output
    assert "inner tensors do not exist" in invoke(fixed, fast).stdout
    assert "inner tensors do not exist" not in invoke(fixed, fast, "--reference-kernels").stdout


def test_itself(fixed: Path, tone_set: Path) -> None:
    done = invoke(fixed, fixed, "--data", tone_set, "--clips", 4)
    assert "4 clips" in done.stdout and "no difference anywhere" in done.stdout
    assert "100.00% of the outputs equal, at most 0 last places off, distance 0" in done.stdout
    golden = invoke(fixed, fixed)
    assert golden.exit_code == 0 and "2 clips" in golden.stdout


def test_json_and_picture(tone_file: Path, fixed: Path, tone_set: Path, tmp_path: Path) -> None:
    (tone_set / "low" / "ab0_nohash_0.wav").write_bytes(b"")
    picture = tmp_path / "p.png"
    done = invoke(tone_file, fixed, "--data", tone_set, "--json", "--plot", picture)
    found = json.loads(done.stdout)
    assert found["clips"] == 11 and found["differing"] == []
    assert found["a"]["accuracy"] == found["b"]["accuracy"] == 1.0
    assert [item["name"] for item in found["skipped"]] == ["low/ab0_nohash_0.wav"]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_bad_input_is_one_sentence(
    tone_model: Model, tone_file: Path, fixed: Path, tone_set: Path, tmp_path: Path
) -> None:
    save(replace(tone_model, labels=("_silence_", "_unknown_", "x", "y")), tmp_path / "o.model")
    wide = {"W": [[0.0] * 5] * 4, "b": [0.0] * 4}
    frontend = FrontEnd(n_mels=5, f_max=8000.0)
    save(
        replace(tone_model, frontend=frontend, cell=Dense(5, 4), params=wide), tmp_path / "w.model"
    )
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.wav").write_bytes(b"no sound")
    for arguments, message in (
        ((tone_file, tmp_path / "o.model"), "have other labels"),
        ((tone_file, tmp_path / "w.model"), "reads 4 features a vector"),
        ((tone_file, "nowhere.model"), "named 'nowhere.model'; known:"),
        ((fixed, fixed, "--data", tmp_path / "nowhere"), "no folder"),
        ((fixed, fixed, "--data", tmp_path / "empty"), "nothing to read"),
        ((fixed, fixed, "--data", tmp_path / "bad"), "no clip could be used"),
        ((tone_file, fixed), "holds no sequences to compare on"),
        ((fixed, fixed, "--plot", fixed / "p.png"), "cannot write"),
    ):
        done = invoke(*arguments)
        assert done.exit_code == 1, done.output
        assert message in done.stderr and "Traceback" not in done.stderr
    assert invoke(fixed, fixed, "--clips", 0).exit_code == 2
