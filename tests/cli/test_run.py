"""``edgemem run``: events as JSON lines from clips and from a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from click.testing import CliRunner, Result

from edgemem.cli import main
from edgemem.model import Model, save

Samples = npt.NDArray[np.int16]


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["run", *map(str, arguments)], input=stdin)


def events(result: Result) -> list[dict]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def sound(tone: Callable[..., Samples]) -> Samples:
    """Half a second each of silence, low, silence, unknown, high, silence."""
    order = ("_silence_", "low", "_silence_", "_unknown_", "high", "_silence_")
    return np.concatenate([tone(label, 0.5) for label in order])


def test_a_clip_gives_its_keywords_in_time(
    tone_file: Path, sound: Samples, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    found = events(run(tone_file, write_wav(tmp_path / "a.wav", sound)))
    assert [event["label"] for event in found] == ["low", "high"]
    assert set(found[0]) == {"time", "label", "score"}
    assert 0.5 < found[0]["time"] < 0.6
    assert 2.0 < found[1]["time"] < 2.1
    assert 0.9 <= found[0]["score"] <= 1.0


def test_a_rule_file_holds_as_it_does_for_listen(
    tone_file: Path, sound: Samples, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    config = tmp_path / "kws.toml"
    config.write_text('ignore = ["low"]\n')
    clip = write_wav(tmp_path / "a.wav", sound)
    found = events(run(tone_file, clip, "--config", config))
    assert [event["label"] for event in found if event["label"] in ("low", "high")] == ["high"]
    config.write_text("threshold = 7\n")
    refused = run(tone_file, clip, "--config", config)
    assert refused.exit_code == 1
    assert f"{config}, line 1: threshold is 7" in refused.stderr


def test_raw_sound_on_a_pipe_gives_the_same_events(
    tone_file: Path, sound: Samples, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    from_file = events(run(tone_file, write_wav(tmp_path / "a.wav", sound)))
    assert events(run(tone_file, "-", stdin=sound.astype("<i2").tobytes())) == from_file


def test_several_clips_are_named_and_independent(
    tone_file: Path, sound: Samples, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    first = write_wav(tmp_path / "a.wav", sound)
    second = write_wav(tmp_path / "b.wav", sound)
    found = events(run(tone_file, first, second))
    alone = events(run(tone_file, first))
    assert found == [{"file": str(clip), **event} for clip in (first, second) for event in alone]


def test_a_bad_clip_does_not_silence_the_others(
    bare: None, tone_file: Path, sound: Samples, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    bad = write_wav(tmp_path / "bad.wav", sound, rate=44100)
    good = write_wav(tmp_path / "good.wav", sound)
    flac = tmp_path / "bad.flac"
    flac.write_bytes(b"fLaC")
    result = run(tone_file, bad, flac, good)
    assert result.exit_code == 1
    assert [json.loads(line)["file"] for line in result.stdout.splitlines()] == [str(good)] * 2
    assert result.stderr.startswith(f"Error: {bad} is 44100 Hz, 1 channel(s), 16 bits; expected")
    assert result.stderr.count("\n") == 2
    assert f"reading {flac} needs the package soundfile" in result.stderr


def test_sound_of_any_kind_gives_the_same_events_and_one_note(
    tone_file: Path, sound: Samples, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    plain = events(run(tone_file, write_wav(tmp_path / "a.wav", sound)))
    assert plain
    both = np.repeat(np.repeat(sound / 32768.0, 3)[:, None], 2, axis=1)  # 48 kHz, stereo
    paths = [tmp_path / f"{name}.flac" for name in "bc"]
    for path in paths:
        soundfile.write(path, both, 48000, "PCM_24")
    result = run(tone_file, *paths)
    assert result.exit_code == 0
    heard = [json.loads(line) for line in result.stdout.splitlines()]
    for path in paths:
        found = [(event["label"], event["time"]) for event in heard if event["file"] == str(path)]
        assert found == [(event["label"], event["time"]) for event in plain]
    assert result.stderr == (
        "note: converted from 48000 Hz, 2 channel(s), 24 bits to 16000 Hz, 1 channel: "
        f"{paths[0]} and 1 more\n"
    )


@pytest.mark.parametrize(
    ("stdin", "message"),
    [(b"", "raw sound is empty"), (b"RIFF" + bytes(90), "starts like a wav file")],
)
def test_bad_raw_sound_is_one_sentence(tone_file: Path, stdin: bytes, message: str) -> None:
    result = run(tone_file, "-", stdin=stdin)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_closed_standard_input_is_one_sentence(tone_file: Path) -> None:
    # as a shell's <&- leaves it
    code = "import os, sys\nos.close(0)\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", code, "-m", "edgemem.cli", "run", str(tone_file), "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: standard input is closed; expected raw 16-bit PCM")
    assert done.stderr.count("\n") == 1


def test_an_unknown_network_lists_the_known_ones(tmp_path: Path) -> None:
    result = run("kws99", tmp_path / "a.wav")
    assert result.exit_code == 1
    assert "named 'kws99'; known: " in result.stderr


def test_a_damaged_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.model").write_bytes(b"PK\x03\x04 nothing")
    result = run(tmp_path / "bad.model", tmp_path / "a.wav")
    assert result.exit_code == 1
    assert "is no edgemem model, or damaged" in result.stderr


def test_no_clip_is_a_usage_error(tone_file: Path) -> None:
    result = run(tone_file)
    assert result.exit_code == 2
    assert "Missing argument" in result.stderr


def test_info_and_model_agree(tone_file: Path, tone_model: Model, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["info", str(tone_file), "--json"])
    about = json.loads(result.stdout)
    assert about["frontend"] == tone_model.frontend.to_dict()
    assert about["detector"] == tone_model.detector.to_dict()
    assert (about["digest"], about["bytes"]) == (tone_model.digest, tone_file.stat().st_size)
    text = CliRunner().invoke(main, ["info", str(tone_file)]).stdout
    assert "_silence_, _unknown_, low, high" in text
    assert "  threshold        0.9" in text
    save(tone_model, tmp_path / "again.model")
    assert (tmp_path / "again.model").read_bytes() == tone_file.read_bytes()
