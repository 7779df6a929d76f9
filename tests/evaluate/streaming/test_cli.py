"""``edgemem evaluate --stream`` and ``--tune``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgemem import model
from edgemem.cli import main


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def invoke(file: Path, data: Path, *arguments: object) -> Result:
    words = ["evaluate", file, "--data", data, *arguments]
    return CliRunner().invoke(main, list(map(str, words)))


SHORT = ("--stream", "--hours", "0.1", "--snr", "clean,40")


def test_json_has_what_users_feel(tone_file: Path, tone_lists: Path) -> None:
    result = invoke(tone_file, tone_lists, *SHORT, "--json")
    found = json.loads(result.stdout)
    assert (found["keywords"], found["other_words"], found["split"]) == (40, 11, "test")
    # 12 keywords and 6 other words are there
    assert found["words_heard_before"] == 40 - 12 + 11 - 6
    assert found["total"]["missed"] == 0
    assert found["hours"] == pytest.approx(0.1, rel=0.05)
    assert [one["name"] for one in found["by_ratio"]] == ["clean", "40 dB"]
    assert set(found["curves"]) == {"all", "clean", "40 dB"}
    assert found["confusion"]["low"] == {"low": found["total"]["keywords"] // 2}


def test_text_and_picture(tone_file: Path, tone_lists: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra plot")
    result = invoke(tone_file, tone_lists, *SHORT, "--plot", tmp_path / "det.png")
    assert result.exit_code == 0, result.stderr
    assert "0.10 hours, 40 keywords and 11 other words" in result.stdout
    assert "33 of them heard before" in result.stdout
    assert (tmp_path / "det.png").read_bytes().startswith(b"\x89PNG")


def test_tune_writes_a_copy(tone_file: Path, tone_lists: Path, tmp_path: Path) -> None:
    before = tone_file.read_bytes()
    out = tmp_path / "tuned.model"
    tune = ("--tune", "--false-accepts", 30, "--out", out, "--json")
    result = invoke(tone_file, tone_lists, *SHORT, *tune)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["split"] == "validation"
    assert found["tuned"]["wanted"] == 30
    assert tone_file.read_bytes() == before
    assert "tune the converted file" in found["tuned"]["note"]
    tuned = model.load(out)
    assert tuned.detector.to_dict() == found["tuned"]["detector"]
    assert found["total"]["false_accepts_per_hour"] <= 60
    assert found["total"]["false_reject_rate"] < 0.2
    told = invoke(out, tone_lists, *SHORT).stdout
    assert "FA/h" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tune", "--split", "test", "--out", "x.model"], "validation sound only"),
        (["--tune", "--split", "train", "--out", "x.model"], "validation sound only"),
        (["--tune"], "--tune needs --out"),
        (["--tune", "--out", "x.model", "--false-accepts", "0"], "greater than 0"),
        (["--tune", "--out", "x.model", "--hours", "1"], "ask for --hours 4"),
        (["--hours", "0"], "a scene of 0.0 hours"),
        (["--hours", "nan"], "a scene of nan hours"),
        (["--snr", "loud"], "'loud' is no ratio"),
        (["--snr", "5:x"], "'5:x' is no range"),
        (["--snr", ""], "'' is no ratio"),
        (["--keyword-rate", "5000"], "take fewer words an hour"),
        (["--carry", "1"], "--carry is for single clips"),
        (["--others", "nowhere"], "no folder nowhere"),
        (["--frontend", "mp3"], "no front end (nor file) named 'mp3'"),
        (["--tolerance", "-1"], "a tolerance of -1.0 s"),
        (["--noise-share", "1"], "share of 1.0"),
    ],
)
def test_bad_options_are_one_sentence(
    tone_file: Path, tone_lists: Path, arguments: list[str], message: str
) -> None:
    result = invoke(tone_file, tone_lists, "--stream", "--hours", "0.1", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path("x.model").exists()


@pytest.mark.parametrize("option", ["--tune", "--hours=2", "--work=here"])
def test_options_of_a_stream_need_it(tone_file: Path, tone_lists: Path, option: str) -> None:
    result = invoke(tone_file, tone_lists, option)
    assert (result.exit_code, "needs --stream" in result.stderr) == (1, True)
