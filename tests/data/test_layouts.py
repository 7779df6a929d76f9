"""Layouts that people have, made small."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemem.data.layouts import identify, inventory, stem_of
from edgemem.data.splits import SpeakerRule
from edgemem.data.types import Skipped
from edgemem.errors import ConfigError, DataError

ANY = SpeakerRule()


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


@pytest.mark.parametrize(
    ("name", "folder", "word", "speaker"),
    [
        ("yes/0a7c2a8d_nohash_0.wav", "yes", "yes", "0a7c2a8d"),
        ("yes/0a7c2a8d_nohash_0.wav.wav", "yes", "yes", "0a7c2a8d"),
        ("unknown/0a7c2a8d_nohash_3.bed.jpg", "unknown", "bed", "0a7c2a8d"),
        ("_unknown_/bed_0a7c2a8d_nohash_3.wav", "_unknown_", "_unknown_", "0a7c2a8d"),
        ("open/00000021_NO_06.WAV", "open", "open", "00000021"),
    ],
)
def test_word_and_speaker_of_a_name(name: str, folder: str, word: str, speaker: str) -> None:
    assert identify(name, folder, ANY) == (word, speaker)


def test_endings_are_taken_off_only_if_known() -> None:
    assert stem_of("a/b.wav.wav") == "b"
    assert stem_of("a/b.v2.flac") == "b.v2"


def test_sha1_rule_without_lists(commands: Path, speakers: dict[str, list[str]]) -> None:
    found = inventory(commands)
    assert (found.layout, found.kind) == ("speech commands", "sound")
    assert len(found.files) == 12 * 6
    assert [path.name for path in found.background] == ["tap.wav"]
    assert found.report.skipped == ()
    for file in found.files:
        assert file.speaker in speakers[file.split]


def test_lists_win_over_the_rule_and_missing_names_are_counted(
    commands: Path, speakers: dict[str, list[str]]
) -> None:
    trained = speakers["train"][0]
    (commands / "validation_list.txt").write_text(f"yes/{trained}_nohash_0.wav\nyes/no.wav\n")
    (commands / "testing_list.txt").write_text("")
    found = inventory(commands)
    listed = [file.name for file in found.files if file.split == "validation"]
    assert listed == [f"yes/{trained}_nohash_0.wav"]
    notes = " / ".join(found.report.notes)
    assert "validation_list.txt names 1 files that are not there" in notes
    assert f"1 speakers are in more than one split of the lists: {trained}" in notes


def test_the_test_archive_is_all_test(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "set",
        "_silence_/1024.wav",
        "_unknown_/bed_0a7c2a8d_nohash_0.wav.wav",
        "yes/00176480_nohash_0.wav",
    )
    found = inventory(root)
    assert found.layout == "speech commands test archive"
    assert {file.split for file in found.files} == {"test"}
    assert {file.word for file in found.files} == {"_silence_", "_unknown_", "yes"}


def test_folders_are_split_by_speaker(tmp_path: Path) -> None:
    names = [f"{word}/{word}-p{number:02d}.wav" for word in ("ja", "nein") for number in range(60)]
    found = inventory(touch(tmp_path / "set", *names), SpeakerRule("-", 1))
    assert found.layout == "folders"
    by_speaker: dict[str, set[str]] = {}
    for file in found.files:
        by_speaker.setdefault(file.speaker, set()).add(file.split)
    assert len(by_speaker) == 60
    assert all(len(splits) == 1 for splits in by_speaker.values())
    assert {file.split for file in found.files} == {"train", "validation", "test"}
    assert found.report.notes == ()


def test_names_without_speakers_are_remarked_on(tmp_path: Path) -> None:
    found = inventory(touch(tmp_path / "set", "ja/1.wav", "nein/2.wav"))
    assert "the split is by file" in found.report.notes[0]


def test_what_has_no_word_or_is_no_sound_is_named(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "set", "stray.wav", "notes.txt", "ja/a.wav", "ja/cover.txt", "ja/.hidden.wav"
    )
    found = inventory(root)
    assert [file.name for file in found.files] == ["ja/a.wav"]
    assert set(found.report.skipped) == {
        Skipped("stray.wav", "not in a folder named after its word"),
        Skipped("ja/cover.txt", "not a sound file"),
    }


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "a.wav")
    root = touch(tmp_path / "set", "ja/b.wav")
    (root / "nein").symlink_to(tmp_path / "elsewhere")
    (root / "ja" / "loop").symlink_to(root)
    assert [file.name for file in inventory(root).files] == ["ja/b.wav", "nein/a.wav"]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    root = touch(tmp_path / "set", "d/ja/1_a.wav", "d/ja/2_a.wav", "d/ja/3_a.wav", "d/ja/4_a.wav")
    head = "file,class\n"
    (root / "train.csv").write_text(f"{head}d/ja/1_a.wav,ja\nd/wer/1_a.wav,wer\n\n")
    (root / "val.csv").write_text(f"{head}d\\ja\\2_a.wav,ja\n")
    (root / "test.csv").write_text(f"\ufeff{head}d/ja/3_a.wav,ja\n", "utf-8")
    return root


def test_csv_lists_decide(listed: Path) -> None:
    found = inventory(listed)
    assert found.layout == "lists"
    splits = {file.name: (file.word, file.split) for file in found.files}
    assert splits == {
        "d/ja/1_a.wav": ("ja", "train"),
        "d/ja/2_a.wav": ("ja", "validation"),
        "d/ja/3_a.wav": ("ja", "test"),
    }
    assert found.report.notes == ("train.csv names 1 files that are not there: d/wer/1_a.wav",)
    assert found.report.missing == ("d/wer/1_a.wav",)
    assert found.report.skipped == (Skipped("d/ja/4_a.wav", "in no list"),)


def test_a_file_in_two_lists_is_left_out(listed: Path) -> None:
    with (listed / "test.csv").open("a") as file:
        file.write("d/ja/1_a.wav,ja\n")
    found = inventory(listed)
    assert "d/ja/1_a.wav" not in {file.name for file in found.files}
    assert Skipped("d/ja/1_a.wav", "named in the lists of two splits") in found.report.skipped


def test_a_speaker_in_two_lists_is_remarked_on(listed: Path) -> None:
    touch(listed, "d/nein/1_b.wav")
    with (listed / "test.csv").open("a") as file:
        file.write("d/nein/1_b.wav,nein\n")
    assert "1 speakers are in more than one split of the lists: 1" in inventory(listed).report.notes


def test_other_columns_are_refused(listed: Path) -> None:
    (listed / "val.csv").write_text("path;word\n")
    with pytest.raises(
        DataError, match=r"columns path;word; expected a first line with file,class"
    ):
        inventory(listed)


def test_an_unreadable_csv_is_refused(listed: Path) -> None:
    (listed / "val.csv").write_text("file,class\n" + "x" * 200_000 + ",ja\n")
    with pytest.raises(DataError, match="no readable CSV"):
        inventory(listed)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        inventory(tmp_path / "none")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing to read .* known endings: \.wav, \.flac"):
        inventory(tmp_path)


def test_sound_and_features_do_not_mix(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "ja/a.wav")
    np.save(root / "ja" / "b.npy", np.zeros((2, 2)))
    with pytest.raises(DataError, match="mixes sound and array"):
        inventory(root)


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = touch(tmp_path / "set", "ja/a.wav")

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match=r"cannot read .*Permission denied"):
        inventory(root)


def test_lists_that_cannot_be_read_are_named(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, largest: int) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edgemem.data.lists.read_bytes", refuse)
    with pytest.raises(DataError, match=r"cannot read .*train\.csv: Permission denied"):
        inventory(listed)


@pytest.mark.parametrize(
    "write",
    [
        lambda name: name.replace("/", "\\").encode(),
        lambda name: f"./{name}\r\n".encode(),
        lambda name: f"/home/else/{name}\n".encode(),
        lambda name: f"C:\\sets\\mine\\{name}".replace("/", "\\").encode(),
        lambda name: f"commands/{name}".encode(),
        lambda name: f"{name}\n".encode("utf-16"),
        lambda name: f"{name}\n".encode("utf-16-le"),
        lambda name: f"{name}\n".encode("utf-16-be"),
        lambda name: f"\ufeff{name}".encode(),
    ],
)
def test_lists_written_on_other_machines(
    write: Callable[[str], bytes], commands: Path, speakers: dict[str, list[str]]
) -> None:
    name = f"yes/{speakers['train'][0]}_nohash_0.wav"
    (commands / "validation_list.txt").write_bytes(write(name))
    found = inventory(commands)
    assert [file.name for file in found.files if file.split == "validation"] == [name]
    assert found.report.missing == ()


def test_accents_of_two_machines_are_one(tmp_path: Path) -> None:
    composed, parted = "caf\u00e9/a_1.wav", "cafe\u0301/a_1.wav"
    root = touch(tmp_path / "set", parted, "th\u00e9/b_1.wav")
    (root / "validation_list.txt").write_text(composed)
    assert [f.name for f in inventory(root).files if f.split == "validation"] == [parted]


def test_a_file_in_both_text_lists_is_left_out(commands: Path) -> None:
    name = min(file.name for file in inventory(commands).files)
    for text in ("validation_list.txt", "testing_list.txt"):
        (commands / text).write_text(f"{name}\n")
    found = inventory(commands)
    assert name not in {file.name for file in found.files}
    assert found.report.skipped == (Skipped(name, "named in the lists of two splits"),)


def test_a_file_in_two_tables_is_counted_once(listed: Path) -> None:
    for table in ("val.csv", "test.csv"):
        with (listed / table).open("a") as file:
            file.write("d/ja/1_a.wav,ja\n")
    skipped = [item for item in inventory(listed).report.skipped if item.name == "d/ja/1_a.wav"]
    assert skipped == [Skipped("d/ja/1_a.wav", "named in the lists of two splits")]


def test_a_file_with_two_words_is_left_out(listed: Path) -> None:
    with (listed / "train.csv").open("a") as file:
        file.write("d/ja/1_a.wav,nein\n")
    found = inventory(listed)
    assert "d/ja/1_a.wav" not in {file.name for file in found.files}
    assert Skipped("d/ja/1_a.wav", "named with two words") in found.report.skipped


@pytest.mark.parametrize("name", ["../x.wav", "d/../../x.wav", "..\\x.wav", "/etc/x.wav"])
def test_a_table_does_not_lead_out_of_the_folder(name: str, listed: Path) -> None:
    (listed.parent / "x.wav").write_bytes(b"")
    with (listed / "train.csv").open("a") as file:
        file.write(f"{name},ja\n")
    found = inventory(listed)
    assert all(".." not in file.name for file in found.files)
    assert len(found.files) == 3
    assert not found.report.whole


def test_names_that_are_not_utf_8_are_left_out_by_name(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "ja/a_1.wav", "nein/b_1.wav")
    for name in (b"ja/\xe4_1.wav", b"sch\xf6n/a_2.wav"):
        path = root / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = inventory(root)
    assert found.words == ("ja", "nein")
    assert {item.name for item in found.report.skipped} == {
        "ja/\\xe4_1.wav",
        "sch\\xf6n/a_2.wav",
    }
    assert "\n".join(found.report.lines()).encode()


def test_folders_of_splits_are_splits(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "set",
        "training/ja/a_1.wav",
        "training/nein/a_2.wav",
        "training/_background_noise_/hum.wav",
        "validation/ja/b_1.wav",
        "testing/ja/c_1.wav",
        "testing/nein/c_2.wav",
    )
    found = inventory(root)
    assert found.layout == "split folders"
    assert found.words == ("ja", "nein")
    assert {(file.speaker, file.split) for file in found.files} == {
        ("a", "train"),
        ("b", "validation"),
        ("c", "test"),
    }
    assert [path.name for path in found.background] == ["hum.wav"]
    assert "the folders are splits: train, validation, test" in found.report.notes


def test_without_a_folder_for_validation_some_training_speakers_validate(tmp_path: Path) -> None:
    names = [f"train/ja/p{number:03d}_1.wav" for number in range(200)]
    found = inventory(touch(tmp_path / "set", *names, "test/ja/q_1.wav", "test/nein/q_2.wav"))
    counts = Counter(file.split for file in found.files)
    assert counts["test"] == 2
    assert 8 <= counts["validation"] <= 35
    assert counts["train"] == 200 - counts["validation"]


def test_words_that_are_called_like_splits_stay_words(tmp_path: Path) -> None:
    assert inventory(touch(tmp_path / "set", "test/a_1.wav", "train/b_1.wav")).words == (
        "test",
        "train",
    )


def test_files_without_a_folder_are_said_to_lie_there(tmp_path: Path) -> None:
    root = touch(tmp_path / "yes", "a.wav", "b.wav")
    with pytest.raises(DataError, match=r"2 files lie in .*yes itself .* the folders of words"):
        inventory(root)


def six(root: Path) -> Path:
    return touch(root, *(f"{word}/p{n}_{word}.wav" for word in ("ja", "nein") for n in range(6)))


def test_few_speakers_are_said_to_be_few(tmp_path: Path) -> None:
    (note,) = inventory(six(tmp_path / "set")).report.notes
    assert note.startswith("few speakers, 6: by the sha1 rule ")
    assert "--test-speakers N" in note


def test_speakers_are_held_out_as_many_as_asked(tmp_path: Path) -> None:
    root = six(tmp_path / "set")
    for held in (1, 2):
        found = inventory(root, SpeakerRule(held=held))
        by_split: dict[str, set[str]] = {}
        for file in found.files:
            by_split.setdefault(file.split, set()).add(file.speaker)
        sizes = {split: len(who) for split, who in by_split.items()}
        assert sizes == {"train": 6 - 2 * held, "validation": held, "test": held}
    with pytest.raises(ConfigError, match="leave none of 6 speakers to train on; at most 2"):
        inventory(root, SpeakerRule(held=3))


def test_speakers_are_not_held_out_of_lists(listed: Path) -> None:
    with pytest.raises(ConfigError, match=r"the splits of .* \(lists\) are given"):
        inventory(listed, SpeakerRule(held=1))
