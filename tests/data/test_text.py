"""Texts: parts, symbols, vocabulary, and texts that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.data.text import Vocabulary, characters, read, read_characters, words
from edgemem.errors import ConfigError, DataError

PARTS = ("train", "valid", "test")


def folder(root: Path, prefix: str = "", train: str = "ab ba\nab\n") -> Path:
    for part, text in zip(PARTS, (train, "a b\n", "b c\n")):
        (root / f"{prefix}{part}.txt").write_text(text, encoding="utf-8")
    return root


def test_one_file_is_cut_in_three_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(("é0123456789" * 100).encode())
    parts = read(path, characters).parts
    # the last tenth of 1,100 characters, and the twentieth before it
    assert [len(parts[split]) for split in ("train", "validation", "test")] == [935, 55, 110]
    assert "".join("".join(part) for part in parts.values()) == "é0123456789" * 100


@pytest.mark.parametrize("prefix", ["", "ptb."])
def test_a_folder_of_three_files(tmp_path: Path, prefix: str) -> None:
    text = read_characters(folder(tmp_path, prefix))
    assert list(text.parts["train"]) == list("ab ba\nab\n")
    assert list(text.parts["test"]) == list("b c\n")
    assert sorted(text.digests) == sorted(f"{prefix}{part}.txt" for part in PARTS)


def test_spaces_between_the_characters_of_mikolovs_files_are_no_symbols(tmp_path: Path) -> None:
    folder(tmp_path, "ptb.char.", train=" a e r _ b\n")
    parts = read_characters(tmp_path).parts
    assert parts["train"] == ["a", "e", "r", "_", "b", "<eos>"]


def test_words_end_their_line_and_empty_lines_have_none() -> None:
    assert words(" no it was n't\n\nblack monday\n") == [
        "no", "it", "was", "n't", "<eos>", "black", "monday", "<eos>",
    ]  # fmt: skip


def test_the_most_frequent_words_are_known() -> None:
    symbols = ["the", "cat", "the", "dog", "the", "cat", "<unk>", "a"]
    known = Vocabulary.of(symbols, 3)
    assert known.names == ("cat", "the", "<unk>")
    assert known.encode(["the", "dog", "cat", "<unk>"]).tolist() == [1, 2, 0, 2]


@given(st.text(min_size=1), st.text())
def test_all_characters_of_the_training_part_are_known(train: str, other: str) -> None:
    known = Vocabulary.of(train)
    assert "".join(known.names[place] for place in known.encode(train)) == train
    back = [known.names[place] for place in known.encode(other)]
    assert back == [c if c in train else "<unk>" for c in other]


def test_a_text_of_one_character_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")
    with pytest.raises(DataError, match="too few to predict one from another"):
        read_characters(path)
    path.write_text("a" * 1000)
    with pytest.raises(DataError, match="one symbol only, 'a', so that there is nothing"):
        read_characters(path)
    path.write_text("word " * 1000)
    with pytest.raises(DataError, match="one symbol only, 'word'"):
        read(path, words)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match="0 symbols for train"):
        read_characters(tmp_path / "a.txt")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9 noir")
    with pytest.raises(DataError, match=r"a\.txt is not text in UTF-8 \(byte 3\)"):
        read_characters(path)


def test_a_folder_without_text_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected ptb\.train\.txt, .*simple-examples\.tgz"):
        read(tmp_path, words)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    (folder(tmp_path) / "valid.txt").unlink()
    with pytest.raises(DataError, match=r"valid\.txt: No such file"):
        read(tmp_path, words)


def test_a_vocabulary_of_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"must be 2 or more \(got 1\)"):
        Vocabulary.of("ab", 1)
