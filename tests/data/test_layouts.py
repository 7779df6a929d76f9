"""Layouts that people have, made small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemem.data.layouts import identify, inventory, stem_of
from edgemem.data.splits import SpeakerRule
from edgemem.data.types import Skipped
from edgemem.errors import DataError

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
    assert found.report.notes == ("train.csv names 1 files that are not there",)
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
    read: Callable[..., str] = Path.read_text

    def refuse(path: Path, *args: str, **more: str) -> str:
        if path.suffix == ".csv":
            raise PermissionError(13, "Permission denied")
        return read(path, *args, **more)

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(DataError, match=r"cannot read .*train\.csv: Permission denied"):
        inventory(listed)
