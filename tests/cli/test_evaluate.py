"""``edgemem evaluate`` and ``edgemem models``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgemem import pretrained
from edgemem.cli import main


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_json_has_accuracy_and_clips(tone_file: Path, tone_set: Path) -> None:
    (tone_set / "low" / "ab0_nohash_0.wav").write_bytes(b"")
    result = invoke("evaluate", tone_file, "--data", tone_set, "--json")
    found = json.loads(result.stdout)
    assert (found["accuracy"], found["clips"], found["skipped"]) == (1.0, 11, 1)
    assert found["labels"] == ["_silence_", "_unknown_", "low", "high"]


def test_text_says_how_the_state_was_treated(tone_file: Path, tone_set: Path) -> None:
    reset = invoke("evaluate", tone_file, "--data", tone_set).stdout
    assert "accuracy 100.00%: 12 of 12 clips, state reset before each clip" in reset
    assert "skipped 0" in reset
    assert "_unknown_     0     3     0     0" in reset
    carried = invoke("evaluate", tone_file, "--data", tone_set, "--carry", 1).stdout
    assert "state carried on from 1 s of background" in carried


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--data", "nowhere"], 1, "no folder nowhere"),
        (["--protocol", "13"], 1, "'13'; known:"),
        (["--split", "dev"], 2, "'dev' is not one of"),
        (["--carry", "-1"], 2, "-1"),
        (["--carry", "nan"], 1, "carry is nan; it must be a number of seconds"),
        (["--carry", "inf"], 1, "carry is inf; it must be a number of seconds"),
        (["--carry", "7"], 1, "no background of 7 s"),
    ],
)
def test_bad_options_are_one_sentence(
    tone_file: Path, tone_set: Path, arguments: list[str], status: int, message: str
) -> None:
    result = invoke("evaluate", tone_file, "--data", tone_set, *arguments)
    assert result.exit_code == status
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_models_lists_names_files_and_summaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.model").write_bytes(bytes(2000))
    (tmp_path / "tiny.tflite").write_bytes(bytes(1000))
    (tmp_path / "tiny.md").write_text("# tiny\n\nTwo words.\n")
    names, summary = pretrained.names, pretrained.summary
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "names", lambda: names(tmp_path))
    monkeypatch.setattr(pretrained, "summary", lambda name: summary(name, tmp_path))
    text = invoke("models").stdout
    assert text.split() == ["tiny", ".model", "2", "kB,", ".tflite", "1", "kB", "Two", "words."]
    assert json.loads(invoke("models", "--json").stdout) == [
        {"name": "tiny", "files": {".model": 2000, ".tflite": 1000}, "summary": "Two words."}
    ]
