"""Text for language models: its three parts, their symbols, and a vocabulary."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, DataError

Symbols = npt.NDArray[np.int64]

UNKNOWN, END = "<unk>", "<eos>"

SPLITS = ("train", "validation", "test")
LAYOUTS: dict[str, tuple[str, str, str]] = {
    "ptb": ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
    "plain": ("train.txt", "valid.txt", "test.txt"),
}
"""Names of the three files of a folder."""

CHARACTERS_LAYOUT = ("ptb.char.train.txt", "ptb.char.valid.txt", "ptb.char.test.txt")
"""Mikolov's files of single characters: spaces stand between them, ``_`` for a space."""

TEST_SHARE, VALIDATION_SHARE = 0.10, 0.05
"""Of one file: its last tenth is for the test, the twentieth before it for validation."""


@dataclass(frozen=True)
class Text:
    """A text in three parts, as symbols.

    Parameters
    ----------
    parts : mapping of str to sequence of str
        The symbols of train, validation and test.
    layout : str
        Which files they came from.
    digests : mapping of str to str
        sha256 of each file, by its name.
    """

    parts: dict[str, Sequence[str]]
    layout: str
    digests: dict[str, str]


def characters(text: str) -> Sequence[str]:
    """Every character, also spaces and line ends."""
    return text


def words(text: str) -> Sequence[str]:
    """What stands between white space, and ``<eos>`` at the end of each line that is not empty."""
    return [word for line in text.split("\n") if line.strip() for word in (*line.split(), END)]


def read_characters(root: Path) -> Text:
    """Characters of a text file, or of a folder of three.

    In Mikolov's ``ptb.char`` files the spaces between characters are no symbols.

    Raises
    ------
    DataError
        See :func:`read`.
    """
    if root.is_dir() and (root / CHARACTERS_LAYOUT[0]).is_file():
        return _three(root, "ptb.char", CHARACTERS_LAYOUT, words)
    return read(root, characters)


def read(root: Path, symbols: Callable[[str], Sequence[str]]) -> Text:
    """A text file, or a folder of three, as symbols.

    Parameters
    ----------
    root : Path
        A file in UTF-8, of which the last tenth is for the test and the twentieth before it for
        validation; or a folder with the files of one of :data:`LAYOUTS`.
    symbols : callable
        :func:`characters` or :func:`words`.

    Raises
    ------
    DataError
        If a file is missing or is no UTF-8, or a part has too few symbols, or only one.
    """
    if not root.is_dir():
        data = _bytes(root)
        return _checked(
            Text(_cut(symbols(_decoded(root, data))), "one file", {root.name: _digest(data)}), root
        )
    for layout, names in LAYOUTS.items():
        if (root / names[0]).is_file():
            return _three(root, layout, names, symbols)
    known = "; or ".join(", ".join(names) for names in LAYOUTS.values())
    raise DataError(
        f"{root}: no text there; expected {known} (Penn Treebank: folder data of Mikolov's "
        "simple-examples.tgz), or name one text file"
    )


def _three(
    root: Path, layout: str, names: Iterable[str], symbols: Callable[[str], Sequence[str]]
) -> Text:
    parts: dict[str, Sequence[str]] = {}
    digests = {}
    for split, name in zip(SPLITS, names):
        data = _bytes(root / name)
        parts[split] = symbols(_decoded(root / name, data))
        digests[name] = _digest(data)
    return _checked(Text(parts, layout, digests), root)


def _cut(symbols: Sequence[str]) -> dict[str, Sequence[str]]:
    test = len(symbols) - round(len(symbols) * TEST_SHARE)
    validation = test - round(len(symbols) * VALIDATION_SHARE)
    return {
        "train": symbols[:validation],
        "validation": symbols[validation:test],
        "test": symbols[test:],
    }


def _checked(text: Text, root: Path) -> Text:
    for split, symbols in text.parts.items():
        if len(symbols) < 2:
            raise DataError(
                f"{root}: {len(symbols)} symbols for {split}, too few to predict one from another; "
                "give a longer text"
            )
    different = set(text.parts["train"])
    if len(different) < 2:
        raise DataError(
            f"{root}: the training part holds one symbol only, {different.pop()!r}, so that there "
            "is nothing to predict"
        )
    return text


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not text in UTF-8 (byte {error.start}); convert it, for example with iconv"
        ) from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Vocabulary:
    """The symbols that a network knows; all others are ``<unk>``.

    Parameters
    ----------
    names : tuple of str
        Holds ``<unk>``.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, symbols: Sequence[str], limit: int | None = None) -> Vocabulary:
        """Those of a training text, the most frequent ``limit`` of them, in alphabetical order.

        Parameters
        ----------
        symbols : sequence of str
        limit : int, optional
            Counts ``<unk>`` as well; without, every symbol is known.

        Raises
        ------
        ConfigError
            If less than 2 symbols would be left.
        """
        if limit is not None and limit < 2:
            raise ConfigError(f"vocabulary: must be 2 or more (got {limit})")
        counts = Counter(symbols)
        counts.pop(UNKNOWN, None)
        often = sorted(counts, key=lambda name: (-counts[name], name))
        kept = often if limit is None else often[: limit - 1]
        return cls((*sorted(kept), UNKNOWN))

    def encode(self, symbols: Sequence[str]) -> Symbols:
        """Place of each symbol among the names."""
        places = {name: place for place, name in enumerate(self.names)}
        unknown = places[UNKNOWN]
        return np.array([places.get(symbol, unknown) for symbol in symbols], np.int64)
