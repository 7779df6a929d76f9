"""``edgemem data``: make, check, lay out."""

from __future__ import annotations

import importlib.util
import json
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgemem.cli import main


def edgemem(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


def test_check_prints_sizes(tone_set: Path) -> None:
    result = edgemem("check", tone_set, "--protocol", "folders")
    assert result.exit_code == 0, result.output
    assert "speech commands test archive (sound files), protocol folders" in result.output
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines() if line}
    assert rows["low"] == ["0", "0", "3"]
    assert "read 12 files, skipped 0" in result.output


def test_check_as_json_names_what_is_skipped(tone_set: Path) -> None:
    (tone_set / "low" / "bad_nohash_0.wav").write_bytes(b"RIFF")
    result = edgemem("check", tone_set, "--protocol", "folders", "--json")
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert told["splits"]["test"]["low"] == 3
    assert list(told["skipped"]) == ["low/bad_nohash_0.wav"]
    assert told["read"] == 12
    assert edgemem("check", tone_set, "--protocol", "folders", "--strict").exit_code == 1


def test_check_of_features(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    for word, grey in (("ja", 3), ("nein", 200)):
        path = tmp_path / "set" / word / "1_nohash_0.png"
        path.parent.mkdir(parents=True)
        picture = image.new("L", (40, 98), grey)
        picture.putpixel((3, 4), 255 - grey)
        picture.paste(128, (0, 0, 20, 40))
        picture.save(path)
    result = edgemem("check", tmp_path / "set", "--frontend", "pictures")
    assert result.exit_code == 0, result.output
    assert "folders (picture files)" not in result.output  # named like Speech Commands' files
    assert "(picture files), protocol folders" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no folder nowhere"),
        (["{set}", "--protocol", "13"], "no protocol named '13'"),
        (["{set}", "--frontend", "mfcc40"], "named 'mfcc40'; known: pictures"),
        (["{set}", "--speaker", "x"], "expected a separator, a colon and a position"),
        (["{set}", "--seconds", "nan"], "clips of nan s; expected a finite number"),
        (["{set}", "--background", "nowhere"], "no recordings of background noise"),
    ],
)
def test_bad_input_is_one_sentence(tone_set: Path, arguments: list[str], message: str) -> None:
    result = edgemem("check", *(a.format(set=tone_set) for a in arguments))
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert result.output.count("\n") == 1


def test_stream_writes_sound_and_times(tone_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "long.wav"
    options = ["--protocol", "folders", "--keywords", 4, "--others", 1]
    result = edgemem("stream", "--data", tone_set, "--out", out, *options)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "long.json").read_text())
    with wave.open(str(out)) as sound:
        assert sound.getframerate() == record["sample_rate"] == 16000
        seconds = sound.getnframes() / 16000
    assert len(record["clips"]) == 5
    assert record["clips"][-1]["end"] < seconds


def test_stream_keeps_sound_and_times_apart(tone_set: Path, tmp_path: Path) -> None:
    out = tmp_path / "long.json"
    result = edgemem("stream", "--data", tone_set, "--out", out, "--protocol", "folders")
    assert result.exit_code == 1
    assert "cannot both go to" in result.output
    assert not out.exists()


@pytest.mark.parametrize("command", [["stream", "--data", "nowhere"], ["synth"]])
def test_a_seed_below_zero_is_a_usage_error(command: list[str], tmp_path: Path) -> None:
    result = edgemem(*command, "--out", tmp_path / "out", "--seed", -1)
    assert result.exit_code == 2
    assert "-1 is not in the range" in result.output


def test_stream_into_a_missing_place(tone_set: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "long.wav"
    result = edgemem("stream", "--data", tone_set, "--out", out, "--protocol", "folders")
    assert result.exit_code == 1
    assert "Error: cannot write" in result.output
    sound, times = tmp_path / "long.wav", tmp_path / "file" / "long.json"
    result = edgemem("stream", "--data", tone_set, "--out", sound, "--labels", times)
    assert result.exit_code == 1
    assert not sound.exists()  # no sound without its times


@pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason='espeakng-loader (the extra "synth") is not installed',
)
def test_synth_makes_a_set_once(tmp_path: Path) -> None:
    out = tmp_path / "spoken"
    options = ["--words", "yes, no", "--other-words", "", "--voices", 3, "--clips-per-word", 3]
    first = edgemem("synth", "--out", out, *options)
    assert first.exit_code == 0, first.output
    assert f"{out}: made" in first.output
    assert f"{out}: is there already" in edgemem("synth", "--out", out, *options).output
    assert len(list(out.glob("*/*_nohash_*.wav"))) == 6
    other = edgemem("synth", "--out", out, *options, "--seed", 1)
    assert other.exit_code == 1
    assert "holds something else" in other.output
