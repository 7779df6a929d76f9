"""What is said of recordings that are long, or not as a network hears them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from click.testing import CliRunner, Result

from edgemem import artefact, conversion
from edgemem.cli import main
from edgemem.data import load
from edgemem.data.check import check
from edgemem.data.clips import read_samples
from edgemem.data.types import Clip
from edgemem.errors import ConfigError
from edgemem.evaluate.clips import evaluate_clips
from edgemem.evaluate.pair import recordings
from edgemem.evaluate.subject import recorded
from edgemem.frontend import FrontEnd
from edgemem.model import Model, save, to_bytes
from edgemem.model import load as load_model
from edgemem.runtime.crop import SECOND, Crop
from edgemem.runtime.network import describe, open_network

Samples = npt.NDArray[np.int16]
SMALL = FrontEnd(n_mels=4, f_max=8000.0)
RATE = 16000


def edgemem(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def late(tone_set: Path, tone: Callable[..., Samples], write_wav: Callable[..., Path]) -> Path:
    """The tones again, of which those of one label come late in recordings of three seconds."""
    for number in range(3):
        quiet = np.zeros(3 * RATE, np.int16)
        quiet[RATE + 8000 : 2 * RATE + 8000] = tone("low", seed=number)
        write_wav(tone_set / "low" / f"ab{number}_nohash_0.wav", quiet)
    return tone_set


def test_check_says_how_many_and_where_the_energy_is(late: Path) -> None:
    found = check(late, "folders")
    assert found.longer is not None
    longer = found.longer
    assert (longer.clips, longer.longest, longer.losing, longer.losing_centered) == (3, 3.0, 3, 0)
    assert longer.middle == pytest.approx(2.0, abs=0.02)
    (note,) = [note for note in found.report.notes if "longer" in note]
    assert note.startswith("3 of 12 clips are longer than 1 s (up to 3.0 s), the first 1 s of each")
    assert "in 3 (0 with --center) more than half of the energy lies elsewhere" in note


def test_check_with_center_and_seconds(late: Path) -> None:
    told = edgemem("data", "check", late, "--protocol", "folders", "--center").output
    assert "the 1 s of most energy of each is kept: in 0 more than half" in told
    told = edgemem("data", "check", late, "--protocol", "folders", "--seconds", 3, "--json").output
    assert json.loads(told)["longer"] is None


def test_evaluate_hears_what_the_network_was_trained_on(
    late: Path, tone_model: Model, tmp_path: Path
) -> None:
    save(replace(tone_model, crop=Crop(1.0, center=True)), tmp_path / "around.model")
    save(tone_model, tmp_path / "first.model")
    first, around = (open_network(tmp_path / f"{name}.model") for name in ("first", "around"))
    assert first.crop == SECOND and around.crop == Crop(1.0, center=True)
    assert evaluate_clips(around, late).correct == 12
    heard = evaluate_clips(first, late)
    assert heard.confusion[2].tolist() == [3, 0, 0, 0]  # their first second is silent
    assert any("edgemem data check says where" in note for note in heard.report.notes)
    told = edgemem("evaluate", tmp_path / "first.model", "--data", late, "--center", "--json")
    assert json.loads(told.stdout)["correct"] == 12
    assert json.loads(told.stdout)["center"] is True
    told = edgemem("evaluate", tmp_path / "around.model", "--data", late, "--no-center", "--json")
    assert json.loads(told.stdout)["correct"] == 9


def test_the_choice_rides_in_model_and_converted_file(tone_model: Model, tmp_path: Path) -> None:
    chosen = Crop(1.5, center=True)
    save(replace(tone_model, crop=chosen), tmp_path / "a.model")
    model = load_model(tmp_path / "a.model")
    assert model.crop == chosen
    assert describe(tmp_path / "a.model")["crop"] == {"seconds": 1.5, "center": True}
    sequences = np.random.default_rng(0).uniform(-50, 0, (4, 30, 4)).astype(np.float32)
    data, _ = conversion.convert(model, "reference", calibration=sequences)
    (tmp_path / "a.ref").write_bytes(data)
    assert open_network(tmp_path / "a.ref").crop == chosen


def test_the_usual_choice_changes_no_file(tone_model: Model) -> None:
    with zipfile.ZipFile(io.BytesIO(to_bytes(tone_model))) as archive:
        assert "crop" not in json.loads(archive.read("model.json"))
    sequences = np.random.default_rng(0).uniform(-50, 0, (4, 30, 4)).astype(np.float32)
    data, _ = conversion.convert(tone_model, "reference", calibration=sequences)
    assert "crop" not in artefact.from_bytes(data, "test").manifest


def test_comparison_and_simulation_hear_the_same_part(
    late: Path, tone_model: Model, tmp_path: Path
) -> None:
    model = replace(tone_model, crop=Crop(1.0, center=True))
    save(model, tmp_path / "a.model")
    path = late / "low" / "ab0_nohash_0.wav"
    wanted = read_samples(Clip(path, "low", ""), RATE, 1.0, center=True)
    listed, _ = recordings(open_network(tmp_path / "a.model"), late)
    (one,) = [item for item in listed if item.clip.path == path]
    np.testing.assert_array_equal(one.read(one.clip, RATE), wanted)
    heard = recorded(model, late)
    assert heard.features.shape == (12, *model.frontend.features(wanted).shape)
    features = model.frontend.features(wanted)
    assert any(np.array_equal(clip, features) for clip in heard.features)


def test_load_keeps_the_part_and_says_so(late: Path, tmp_path: Path) -> None:
    options = {"protocol": "folders", "frontend": SMALL, "cache": tmp_path / "cache"}
    data = load(late, splits=("test",), center=True, **options)  # type: ignore[arg-type]
    assert data.crop == Crop(1.0, center=True)
    assert any("3 of 12 clips are longer than 1 s" in note for note in data.report.notes)
    row = data.test.names.index("low/ab0_nohash_0.wav")
    clip = Clip(late / "low" / "ab0_nohash_0.wav", "low", "")
    wanted = SMALL.features(read_samples(clip, RATE, 1.0, center=True))
    np.testing.assert_array_equal(data.test.features[row], wanted)
    first = load(late, splits=("test",), **options)  # type: ignore[arg-type]
    assert not np.array_equal(first.test.features[row], wanted)  # not out of the same cache
    again = load(late, splits=("test",), center=True, **options)  # type: ignore[arg-type]
    assert again.report.notes == data.report.notes  # also where nothing is read anew


def test_features_are_not_cut_around_anything(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "ja"
    folder.mkdir(parents=True)
    np.save(folder / "a_nohash_0.npy", np.zeros((98, 40), np.float32))
    with pytest.raises(ConfigError, match="say --no-center"):
        check(tmp_path / "set", frontend=FrontEnd(), center=True)


def test_other_rates_are_counted_once(
    tone_file: Path, tone_set: Path, tone: Callable[..., Samples]
) -> None:
    for number in range(2):
        low = tone("low", seed=number)[::2]  # 459 Hz lies far below half of 8 kHz
        soundfile.write(tone_set / "low" / f"ab{number}_nohash_0.wav", low, 8000, "PCM_16")
    found = check(tone_set, "folders")
    assert not found.report.skipped
    converted, low_rate = found.report.notes
    assert converted.startswith("converted from 8000 Hz, 1 channel(s), 16 bits to 16000 Hz")
    assert low_rate == "nothing above 4 kHz is in low/ab0_nohash_0.wav and 1 more"
    scores = evaluate_clips(open_network(tone_file), tone_set)
    assert scores.correct == 12
    assert scores.report.notes == found.report.notes


@pytest.mark.usefixtures("bare")
def test_without_the_extra_check_says_the_remedy(
    tone_file: Path, tone_set: Path, tone: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    write_wav(tone_set / "low" / "ab0_nohash_0.wav", tone("low"), rate=8000)
    scores = evaluate_clips(open_network(tone_file), tone_set)
    assert len(scores.report.skipped) == 1 and not scores.report.notes
    told = edgemem("data", "check", tone_set, "--protocol", "folders").output
    assert "note" not in told
    assert "1 x 8000 Hz, 1 channel(s), 16 bits; convert it with: sox" in told
    assert "pip install 'edgemem-toolkit[audio]'" in told
