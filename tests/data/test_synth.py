"""Spoken keywords: layout, held-out voices, the same bytes for the same seed."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from edgemem.data import load
from edgemem.data.layouts import inventory
from edgemem.data.splits import crossing
from edgemem.errors import ConfigError, DataError, EdgememError, MissingExtraError, OutputError
from edgemem.frontend import FrontEnd

if importlib.util.find_spec("espeakng_loader") is None:
    pytest.skip('espeakng-loader (the extra "synth") is not installed', allow_module_level=True)

from edgemem.data import acoustics
from edgemem.data.espeak import Utterance, speaking, variants
from edgemem.data.espeak_worker import serve
from edgemem.data.synth import RATE, SynthConfig, choose_talkers, synthesise

TINY = SynthConfig(("yes", "no"), ("cat",), voices=12, clips_per_word=16, seed=7)


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synth") / "spoken"
    assert synthesise(out, TINY)
    return out


def test_it_is_a_speech_commands_directory(made: Path) -> None:
    found = inventory(made)
    assert found.layout == "speech commands"
    assert (found.report.notes, found.report.skipped) == ((), ())
    assert {word: sum(f.word == word for f in found.files) for word in found.words} == {
        "yes": 16,
        "no": 16,
        "cat": 4,
    }
    assert {f.split for f in found.files} == {"train", "validation", "test"}
    assert len(found.background) == 7


def test_every_clip_is_a_second_of_sound(made: Path) -> None:
    for file in inventory(made).files:
        with wave.open(str(file.path)) as clip:
            shape = (clip.getframerate(), clip.getnchannels(), clip.getsampwidth())
            assert shape == (RATE, 1, 2)
            assert clip.getnframes() == RATE
            samples = np.frombuffer(clip.readframes(RATE), "<i2").astype(float)
        assert np.sqrt(np.mean(samples**2)) > 30


def test_voices_never_cross_and_lists_agree_with_the_rule(made: Path, tmp_path: Path) -> None:
    files = inventory(made).files
    assert not crossing((file.speaker, file.split) for file in files)
    for name in ("validation_list.txt", "testing_list.txt"):
        assert (made / name).read_text()
    by_list = {file.name: file.split for file in files}
    bare = tmp_path / "bare"
    for file in files:
        (bare / file.name).parent.mkdir(parents=True, exist_ok=True)
        (bare / file.name).touch()
    assert {file.name: file.split for file in inventory(bare).files} == by_list


def test_the_same_seed_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    synthesise(tmp_path / "again", TINY)
    assert digests(tmp_path / "again") == digests(made)


def test_another_seed_gives_other_clips(made: Path, tmp_path: Path) -> None:
    other = SynthConfig(("yes", "no"), ("cat",), voices=12, clips_per_word=16, seed=8)
    synthesise(tmp_path / "other", other)
    first, second = digests(made), digests(tmp_path / "other")
    assert not {d for n, d in first.items() if "nohash" in n} & set(second.values())


def test_what_is_there_already_is_left_alone(made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert not synthesise(made, TINY)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before


def test_other_contents_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds something else"):
        synthesise(tmp_path, TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise(tmp_path / "spoken", TINY, stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        synthesise(tmp_path / "file" / "spoken", TINY)


def test_the_manifest_names_seed_and_versions(made: Path) -> None:
    manifest = json.loads((made / "synth.json").read_text())
    assert manifest["seed"] == 7
    assert manifest["versions"]["espeak_ng"].startswith("1.")
    assert "eSpeak NG" in (made / "README.txt").read_text()


def test_it_loads(made: Path, tmp_path: Path) -> None:
    data = load(
        made,
        "words:yes,no",
        FrontEnd(n_mels=4, f_max=8000.0),
        tmp_path / "cache",
        splits=("train", "validation", "test"),
    )
    assert len(data.train) + len(data.validation) + len(data.test) > 30
    assert data.report.skipped == ()


def test_families_of_variants_stay_together() -> None:
    talkers = choose_talkers(90, 0)
    assert len({t.voice for t in talkers}) == len({t.identity for t in talkers}) == 90
    where: dict[str, set[str]] = {}
    for talker in talkers:
        variant = talker.voice.split("+")[1]
        for family in ("steph", "robosoft", "klatt", "iven"):
            if variant.startswith(family):
                where.setdefault(family, set()).add(talker.split)
    assert all(len(splits) == 1 for splits in where.values())
    splits = [talker.split for talker in talkers]
    assert splits.count("validation") == splits.count("test") == 9


def test_voices_that_breathe_are_left_out() -> None:
    known = variants()
    assert len(known) > 80
    assert not {"whisper", "whisperf", "f2", "f3"} & set(known)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": ()}, "give at least one"),
        ({"words": ("yes", "yes")}, "none twice"),
        ({"words": ("cat",), "other_words": ("cat",)}, "none twice"),
        ({"words": ("../x",)}, "no word that can name a folder"),
        ({"words": ("_silence_",)}, "no word that can name a folder"),
        ({"voices": 2}, "at least 3"),
        ({"voices": 60, "clips_per_word": 59}, "fewer than the 60 voices"),
        ({"seed": -1}, "must be 0 or more"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SynthConfig(**options)  # type: ignore[arg-type]


def test_more_voices_than_there_are(tmp_path: Path) -> None:
    config = SynthConfig(("yes",), (), voices=5000, clips_per_word=5000)
    with pytest.raises(ConfigError, match="voices is 5000; there are"):
        synthesise(tmp_path / "spoken", config)
    assert list(tmp_path.iterdir()) == []


def test_espeak_is_a_process_of_its_own() -> None:
    utterance = Utterance("yes", "en-us", 150, 50, 50)
    with speaking() as other:
        expected = other.say(utterance)
    with speaking() as voice:
        first = voice.say(utterance)
        with pytest.raises(DataError, match="no voice 'nobody'"):
            voice.say(Utterance("yes", "nobody", 150, 50, 50))
        faster = voice.say(Utterance("yes", "en-us", 300, 50, 50))
    np.testing.assert_array_equal(first, expected)
    assert 0.2 < len(first) / voice.sample_rate < 1.5
    assert len(faster) < len(first)
    with pytest.raises(DataError, match="has ended"):
        voice.say(utterance)


def test_the_worker_refuses_what_is_no_request() -> None:
    answers = io.BytesIO()
    serve(io.BytesIO(b'{"voice": "en"}\nnonsense\n'), answers)
    lines = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert lines[0]["sample_rate"] == 22050
    assert "error" in lines[1]
    assert "error" in lines[2]


def test_espeak_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("espeakng_loader.get_library_path", lambda: "no/such/library.so")
    answers = io.BytesIO()
    serve(io.BytesIO(b""), answers)
    assert "eSpeak NG does not start" in json.loads(answers.getvalue())["error"]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[synth\]") as caught:
        synthesise(tmp_path / "spoken", TINY)
    assert isinstance(caught.value, EdgememError)


@pytest.mark.parametrize(("slope", "fall"), [(0.0, 0.0), (1.0, -10.0), (2.0, -20.0)])
def test_coloured_noise_falls_as_it_should(slope: float, fall: float) -> None:
    noise = acoustics.coloured_noise(np.random.default_rng(0), 1 << 18, RATE, slope)
    power = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(len(noise), 1 / RATE)

    def band(centre: float) -> float:
        near = (hertz > 0.9 * centre) & (hertz < 1.1 * centre)
        return 10 * np.log10(float(power[near].mean()))

    assert acoustics.level(noise) == pytest.approx(1.0)
    assert band(4000) - band(400) == pytest.approx(fall, abs=1.0)


def test_resampling_keeps_a_tone() -> None:
    tone = (10000 * np.sin(2 * np.pi * 1000 * np.arange(22050) / 22050)).astype(np.int16)
    made_tone = acoustics.resample(tone, 22050, RATE)
    expected = 10000 / 32768 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    assert len(made_tone) == RATE
    np.testing.assert_allclose(made_tone[200:-200], expected[200:-200], atol=2e-3)


def test_rooms_begin_with_the_direct_sound() -> None:
    response = acoustics.room(np.random.default_rng(3), RATE)
    assert response[0] == 1.0
    assert 0.1 * RATE <= len(response) <= 0.4 * RATE
    below = -10 * np.log10(np.sum(response[1:] ** 2))
    assert 3.0 <= below <= 20.0


def test_loud_sound_is_limited() -> None:
    assert acoustics.to_int16(np.array([-2.0, 0.0, 2.0])).tolist() == [-32768, 0, 32767]
