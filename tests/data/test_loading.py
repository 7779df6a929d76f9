"""Whole data sets, small, through ``load``."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data import DataSet, SpeakerRule, load
from edgemem.data.check import check
from edgemem.data.types import Clips
from edgemem.errors import ConfigError, DataError, UnknownNameError
from edgemem.frontend import PICTURES, FrontEnd

Samples = npt.NDArray[np.int16]
SMALL = FrontEnd(n_mels=4, f_max=8000.0)
EVERY = ("train", "validation", "test")


CUTS = 25


@pytest.fixture(autouse=True)
def few_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut less background noise: the full thousand takes most of the time of these tests."""
    monkeypatch.setattr("edgemem.data.loading._BACKGROUND_CUTS", CUTS)


def counts(data: DataSet, clips: Clips) -> dict[str, int]:
    return dict(Counter(data.labels[label] for label in clips.labels))


def test_speech_commands_twelve(commands: Path, tmp_path: Path) -> None:
    data = load(commands, frontend=SMALL, cache=tmp_path / "cache", splits=EVERY)
    assert data.protocol == "speech-commands-12"
    assert data.labels[:3] == ("_silence_", "_unknown_", "yes")
    assert counts(data, data.train) == {**dict.fromkeys(data.labels[2:], 3), "_unknown_": 6}
    # A tenth of 20 and of 10 wanted clips is unknown, and as much silence.
    held_out = {**dict.fromkeys(data.labels[2:], 2), "_unknown_": 2, "_silence_": 2}
    assert counts(data, data.validation) == held_out
    assert counts(data, data.test) == dict.fromkeys(data.labels, 1)
    assert data.background.shape == (CUTS, 98, 4)
    assert data.frontend == SMALL
    assert data.train.features.dtype == np.float32
    assert len(data.train.names) == len(set(data.train.names)) == len(data.train)


def test_rows_names_and_labels_belong_together(
    commands: Path, tmp_path: Path, noise: Callable[..., Samples]
) -> None:
    data = load(commands, frontend=SMALL, cache=tmp_path / "cache", seed=3)
    place = data.train.names.index(sorted(n for n in data.train.names if n.startswith("up/"))[0])
    assert data.labels[data.train.labels[place]] == "up"
    expected = [SMALL.features(noise(seed)) for seed in range(1, 73)]
    assert any(np.array_equal(data.train.features[place], features) for features in expected)


def test_a_stacked_front_end_gives_single_frames(commands: Path, tmp_path: Path) -> None:
    stacked = FrontEnd(n_mels=4, f_max=8000.0, stack=2)
    data = load(commands, frontend=stacked, cache=tmp_path / "cache")
    assert data.frontend.stack == 1
    assert data.train.features.shape[1:] == (98, 4)


def test_thirty_five_leaves_nothing_over(commands: Path, tmp_path: Path) -> None:
    data = load(commands, "35", SMALL, tmp_path / "cache")
    assert len(data.labels) == 12
    assert counts(data, data.validation) == dict.fromkeys(data.labels, 2)


def test_words_without_a_label_are_counted(commands: Path, tmp_path: Path) -> None:
    (commands / "cat").rename(commands / "zzz")
    data = load(commands, "35", SMALL, tmp_path / "cache")
    assert "train: 3 files of words without a label were left out (zzz)" in data.report.notes


def test_the_test_split_is_not_opened_unless_asked_for(
    commands: Path, tmp_path: Path, speakers: dict[str, list[str]]
) -> None:
    for path in commands.rglob(f"{speakers['test'][0]}_nohash_*.wav"):
        path.write_bytes(b"no wav at all")
    data = load(commands, frontend=SMALL, cache=tmp_path / "cache")
    assert len(data.test) == 0
    assert data.test.features.shape == (0, 98, 4)
    assert data.report.skipped == ()
    with pytest.raises(DataError, match=r"no usable clip in the split test .* 11 x "):
        load(commands, frontend=SMALL, cache=tmp_path / "cache", splits=("test",))


@pytest.fixture
def damaged(commands: Path, write_wav: Callable[..., Path], noise: Callable[..., Samples]) -> Path:
    """The same with every kind of file that cannot be used."""
    whole = (commands / "yes" / "00000000_nohash_0.wav").read_bytes()
    yes = commands / "yes"
    (yes / "00000000_nohash_1.wav").write_bytes(whole[:1000])
    (yes / "00000000_nohash_2.wav").write_bytes(b"")
    write_wav(yes / "00000000_nohash_3.wav", noise(1), channels=2)
    write_wav(yes / "00000000_nohash_4.wav", noise(1), rate=8000)
    write_wav(yes / "00000000_nohash_5.wav", noise(1, 0))
    (yes / "cover.png.txt").write_text("x")
    write_wav(commands / "stray.wav", noise(1))
    return commands


def test_bad_files_are_named_counted_and_skipped(bare: None, damaged: Path, tmp_path: Path) -> None:
    data = load(damaged, frontend=SMALL, cache=tmp_path / "cache")
    reasons = {item.name: item.reason for item in data.report.skipped}
    assert set(reasons) == {
        *(f"yes/00000000_nohash_{number}.wav" for number in range(1, 6)),
        "yes/cover.png.txt",
        "stray.wav",
    }
    assert "2 channel" in reasons["yes/00000000_nohash_3.wav"]
    assert reasons["yes/00000000_nohash_4.wav"].startswith("8000 Hz")
    assert reasons["yes/00000000_nohash_5.wav"] == "empty"
    assert counts(data, data.train)["yes"] == 3
    text = "\n".join(data.report.lines())
    assert "skipped 7" in text
    assert "1 x empty: yes/00000000_nohash_5.wav" in text


def test_strict_refuses_bad_files(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"files that cannot be used; .*1 x empty"):
        load(damaged, frontend=SMALL, cache=tmp_path / "cache", strict=True)


def test_strict_takes_a_clean_set(commands: Path, tmp_path: Path) -> None:
    assert len(load(commands, frontend=SMALL, cache=tmp_path / "cache", strict=True).train) == 36


def test_short_and_long_clips_are_fitted(
    tmp_path: Path, write_wav: Callable[..., Path], noise: Callable[..., Samples]
) -> None:
    lengths = (800, 16000, 40000)
    for number, length in enumerate(lengths):
        write_wav(tmp_path / "set" / "ja" / f"{number}_nohash_0.wav", noise(number, length))
    train = load_any(tmp_path / "set", tmp_path / "cache")
    for name, features in train:
        number = int(name[3])
        samples = np.concatenate([noise(number, lengths[number]), np.zeros(16000, np.int16)])
        np.testing.assert_array_equal(features, SMALL.features(samples[:16000]))


def load_any(root: Path, cache: Path) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """Names and features of all clips that the sha1 rule puts anywhere."""
    found = []
    for split in EVERY:
        try:
            data = load(root, frontend=SMALL, cache=cache, splits=(split,))
        except DataError:
            continue
        clips = {"train": data.train, "validation": data.validation, "test": data.test}[split]
        found += list(zip(clips.names, clips.features))
    assert found
    return found


def test_seconds_set_the_length(commands: Path, tmp_path: Path) -> None:
    data = load(commands, frontend=SMALL, cache=tmp_path / "cache", seconds=0.5)
    assert data.train.features.shape[1] == SMALL.n_frames(8000)
    with pytest.raises(ConfigError, match="shorter than one frame"):
        load(commands, frontend=SMALL, cache=tmp_path / "cache", seconds=0.01)


def test_speakers_of_folders(
    tmp_path: Path, write_wav: Callable[..., Path], noise: Callable[..., Samples]
) -> None:
    for seed in range(80):
        word = ("ja", "nein")[seed % 2]
        write_wav(tmp_path / "set" / word / f"{word}-p{seed // 2}.wav", noise(seed, 2000))
    data = load(
        tmp_path / "set",
        frontend=SMALL,
        cache=tmp_path / "cache",
        splits=EVERY,
        speaker=SpeakerRule("-", 1),
    )
    assert (data.protocol, data.labels) == ("folders", ("ja", "nein"))
    who = [
        {name.split("-p")[1] for name in clips.names}
        for clips in (data.train, data.validation, data.test)
    ]
    assert sum(len(some) for some in who) == len(set().union(*who)) == 40


def test_pictures(pictures: Path, tmp_path: Path, speakers: dict[str, list[str]]) -> None:
    data = load(pictures, frontend=PICTURES, cache=tmp_path / "cache")
    assert data.protocol == "speech-commands-12"
    assert data.train.features.dtype == data.background.dtype == np.uint8
    assert data.train.features.shape == (23, 98, 40)
    assert counts(data, data.train)["_unknown_"] == 3
    assert counts(data, data.validation)["_silence_"] == 2
    assert {name.split("/")[1][:8] for name in data.train.names} <= set(speakers["train"])
    assert set(data.report.reasons) == {"constant"}
    assert len(data.test) == 0


def test_constant_pictures_are_all_counted(pictures: Path, tmp_path: Path) -> None:
    data = load(pictures, frontend=PICTURES, cache=tmp_path / "cache", splits=EVERY)
    # Those of the held-out splits are only opened as far as silence clips are drawn.
    assert 1 <= data.report.reasons["constant"] <= 3


def test_recordings_join_the_background_of_pictures(
    pictures: Path, tmp_path: Path, write_wav: Callable[..., Path], noise: Callable[..., Samples]
) -> None:
    write_wav(tmp_path / "noise" / "tap.wav", noise(0, 12 * 16000, 100))
    kwargs = {"frontend": PICTURES, "cache": tmp_path / "cache"}
    alone = load(pictures, **kwargs)  # type: ignore[arg-type]
    data = load(pictures, background=tmp_path / "noise", **kwargs)  # type: ignore[arg-type]
    assert data.background.dtype == np.uint8
    assert len(data.background) == len(alone.background) + CUTS
    np.testing.assert_array_equal(data.background[: len(alone.background)], alone.background)


def test_recordings_fill_up_silence(
    pictures: Path, tmp_path: Path, write_wav: Callable[..., Path], noise: Callable[..., Samples]
) -> None:
    for path in (pictures / "_background_noise_").iterdir():
        path.unlink()
    write_wav(tmp_path / "noise" / "tap.wav", noise(0, 12 * 16000, 100))
    data = load(
        pictures, frontend=PICTURES, cache=tmp_path / "cache", background=tmp_path / "noise"
    )
    assert counts(data, data.validation)["_silence_"] == 2
    silent = [name for name in data.validation.names if name.startswith("noise/tap.wav@")]
    assert len(silent) == 2
    assert data.validation.features.dtype == np.uint8


def test_pictures_need_a_declared_front_end(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no frontend\.json"):
        load(pictures, cache=tmp_path / "cache")


def test_arrays_in_folders(tmp_path: Path, speakers: dict[str, list[str]]) -> None:
    rng = np.random.default_rng(0)
    values = {}
    for word in ("ja", "nein"):
        for speaker in (*speakers["train"][:2], speakers["validation"][0]):
            path = tmp_path / "set" / word / f"{speaker}_nohash_0.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            values[f"{word}/{path.name}"] = rng.standard_normal((98, 4)).astype(np.float32)
            np.save(path, values[f"{word}/{path.name}"])
    data = load(tmp_path / "set", frontend=SMALL, cache=tmp_path / "cache")
    assert data.train.features.shape == (4, 98, 4)
    for name, features in zip(data.train.names, data.train.features):
        np.testing.assert_array_equal(features, values[name])


def test_the_second_load_gives_the_same(commands: Path, tmp_path: Path) -> None:
    first = load(commands, frontend=SMALL, cache=tmp_path / "cache")
    second = load(commands, frontend=SMALL, cache=tmp_path / "cache")
    np.testing.assert_array_equal(first.train.features, second.train.features)
    np.testing.assert_array_equal(first.background, second.background)
    assert first.validation.names == second.validation.names
    assert first.report == second.report


def test_another_seed_draws_other_unknown_words(commands: Path, tmp_path: Path) -> None:
    drawn = {
        tuple(n for n in data.validation.names if n.startswith(("cat", "dog")))
        for data in (
            load(commands, frontend=SMALL, cache=tmp_path / "cache", seed=seed) for seed in range(4)
        )
    }
    assert len(drawn) > 1


def test_an_empty_split_is_refused(tone_set: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no usable clip in the split train of speech commands te"):
        load(tone_set, "folders", SMALL, tmp_path / "cache", splits=("train",))


def test_a_label_without_clips_is_remarked_on(commands: Path, tmp_path: Path) -> None:
    for path in (commands / "yes").iterdir():
        path.unlink()
    data = load(commands, "12", SMALL, tmp_path / "cache")
    assert "train: no clip of yes" in data.report.notes


def test_an_unknown_split_is_refused(commands: Path) -> None:
    with pytest.raises(UnknownNameError, match="no split named 'eval'"):
        load(commands, splits=("eval",))


def test_a_background_folder_without_sound_is_refused(commands: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recordings of background noise"):
        load(commands, background=tmp_path / "nothing")


def test_importing_data_loads_nothing_heavy() -> None:
    heavy = "{'tensorflow', 'nengo', 'nengo_dl', 'scipy', 'soundfile', 'PIL', 'espeakng_loader'}"
    code = f"import sys, edgemem.data, edgemem.data.check; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def chosen_set(root: Path, speakers: dict[str, list[str]], write_wav: Any, noise: Any) -> Path:
    """Two keywords and forty other words that are validated."""
    seed = 0
    for word, count in (("alexa", 2), ("jarvis", 2), ("other", 20), ("more", 20)):
        for split in ("train", "validation", "test"):
            for speaker in speakers[split][:count]:
                seed += 1
                write_wav(root / word / f"{speaker}_nohash_0.wav", noise(seed))
    write_wav(root / "_background_noise_" / "tap.wav", noise(999, 16000 * 12, 100))
    return root


def test_chosen_words_are_validated_on_every_other_word(
    tmp_path: Path, speakers: dict[str, list[str]], write_wav: Any, noise: Any
) -> None:
    root = chosen_set(tmp_path / "set", speakers, write_wav, noise)
    data = load(root, "words:alexa,jarvis", SMALL, tmp_path / "cache")
    counts = Counter(data.labels[label] for label in data.validation.labels)
    # a tenth of the 44 clips of words, rounded up, is silence
    assert counts == {"_silence_": 5, "_unknown_": 40, "alexa": 2, "jarvis": 2}
    (few,) = [note for note in data.report.notes if "few clips" in note]
    assert few.startswith("validation: few clips, 49, of alexa 2: ")
    assert "one clip is 2.0%" in few


def test_a_set_of_one_label_names_the_folder_that_was_meant(commands: Path, tmp_path: Path) -> None:
    near = tmp_path / "far" / "near"
    near.mkdir(parents=True)
    meant = commands.rename(near / "commands")
    for root, word in ((near, "commands"), (near.parent, "near")):
        with pytest.raises(DataError, match=f"has one label, '{word}', .* those in {meant}: name"):
            load(root, "folders", SMALL, tmp_path / "cache")


def test_a_set_of_one_word_alone_is_refused(
    tmp_path: Path, write_wav: Any, noise: Any, speakers: dict[str, list[str]]
) -> None:
    root = tmp_path / "set"
    for speaker in speakers["train"]:
        write_wav(root / "alexa" / f"{speaker}_nohash_0.wav", noise(1))
    with pytest.raises(DataError, match=r"one label, 'alexa', .* in a folder _unknown_"):
        load(root, "folders", SMALL, tmp_path / "cache")
    with pytest.raises(DataError, match="holds no other words than alexa"):
        load(root, "words:alexa", SMALL, tmp_path / "cache")
    with pytest.raises(DataError, match="holds no other words than alexa"):
        check(root, "words:alexa", SMALL)
    data = load(root, "folders", SMALL, tmp_path / "cache", ("train",), complete=False)
    assert set(data.labels) == {"alexa"}


def test_strict_refuses_names_that_are_not_there(
    commands: Path, tmp_path: Path, speakers: dict[str, list[str]]
) -> None:
    there = f"yes/{speakers['validation'][0]}_nohash_0.wav"
    (commands / "validation_list.txt").write_text(f"{there}\nyes/none.wav\n")
    load(commands, "12", SMALL, tmp_path)
    with pytest.raises(DataError, match=r"names 1 files that are not there: yes/none\.wav"):
        load(commands, "12", SMALL, tmp_path, strict=True)
