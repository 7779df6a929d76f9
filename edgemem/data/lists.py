"""Lists that say which file is in which split, as people write them on their machines."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

from edgemem.data.types import printable
from edgemem.errors import DataError
from edgemem.reading import DamageError, read_bytes, shown

MOST_NAMES = 1 << 20
_LARGEST = 64 << 20
_NAMED, _LONGEST = 3, 80
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Place:
    """What the lists' names mean.

    Parameters
    ----------
    root : Path
        The data set's folder.
    names : collection of str
        Files below it, with forward slashes.
    """

    root: Path
    names: Collection[str]

    @cached_property
    def _there(self) -> dict[str, str]:
        # one machine writes an accent as a letter of its own, another as two
        return {normalize("NFC", name): name for name in self.names}

    def find(self, text: str) -> str | None:
        """The file that a list means; None if it is not there.

        ``yes\\a.wav``, ``./yes/a.wav`` and a path that was absolute on another machine are read as
        ``yes/a.wav``.

        Raises
        ------
        DataError
            If the name leads out of the folder.
        """
        name = posixpath.normpath(normalize("NFC", text.replace("\\", "/")))
        if name in self._there:
            return self._there[name]
        if name == ".." or name.startswith("../"):
            raise DataError("leads out of the data folder")
        parts = name.split("/")
        if not parts[0] or _DRIVE.match(name):
            starts = range(1, len(parts) - 1)
        else:
            starts = range(1, 2 if parts[0] == self.root.name else 1)
        for start in starts:
            rest = "/".join(parts[start:])
            if rest in self._there:
                return self._there[rest]
        return None


@dataclass(frozen=True)
class Listed:
    """What a list comes to.

    Parameters
    ----------
    files : tuple of (str, str)
        Files that are there, and the word of each; empty where the list has none.
    missing, outside : tuple of str
        Names of files that are not there, and names that lead out of the folder.
    """

    files: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    outside: tuple[str, ...]

    def notes(self, path: Path) -> list[str]:
        """A remark about the files that are not there."""
        if not self.missing:
            return []
        some = _some(self.missing)
        all_of_them = "" if self.files else "; all of its names are such, expected WORD/FILE"
        return [
            f"{path.name} names {len(self.missing)} files that are not there: {some}{all_of_them}"
        ]


def _some(names: Sequence[str]) -> str:
    texts = [printable(name)[:_LONGEST] for name in names[:_NAMED]]
    return ", ".join(texts) + (", ..." if len(names) > _NAMED else "")


def read_list(path: Path, place: Place) -> Listed:
    """The files in a list with a name on each line."""
    lines = (line.strip() for line in text_of(path).splitlines())
    return _found(path, ((line, "") for line in lines if line), place)


def read_table(path: Path, place: Place) -> Listed:
    """The files in a CSV table with the columns ``file`` and ``class``.

    Raises
    ------
    DataError
        If it has other columns, or is no table.
    """
    return _found(path, _rows(path), place)


def text_of(path: Path) -> str:
    """The text of a file, in UTF-8 or UTF-16.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        data = read_bytes(path, _LARGEST)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except DamageError as error:
        raise DataError(f"{path} {error}") from error
    return data.decode(_encoding(data), errors="replace")


def _encoding(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    # without a mark: every other byte of plain names is zero
    for encoding, zeros in (("utf-16-le", data[1:512:2]), ("utf-16-be", data[0:512:2])):
        if zeros and zeros.count(0) > len(zeros) // 2:
            return encoding
    return "utf-8-sig"


def _found(path: Path, rows: Iterable[tuple[str, str]], place: Place) -> Listed:
    files: dict[tuple[str, str], None] = {}
    missing: dict[str, None] = {}
    outside: dict[str, None] = {}
    for number, (text, word) in enumerate(rows):
        if number == MOST_NAMES:
            raise DataError(f"{path} names more than {MOST_NAMES:,} files")
        try:
            name = place.find(text)
        except DataError:
            outside[shown(text)] = None
            continue
        if name is None:
            missing[text] = None
        else:
            files[name, word] = None
    return Listed(tuple(files), tuple(missing), tuple(outside))


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    reader = csv.DictReader(io.StringIO(text_of(path), newline=""))
    try:
        columns = {str(name) for name in reader.fieldnames or ()}
        if not {"file", "class"} <= columns:
            raise DataError(
                f"{path} has the columns {_some(sorted(columns)) or 'none'}; "
                "expected a first line with file,class"
            )
        for row in reader:
            if row["file"] and row["class"] and row["file"].strip() and row["class"].strip():
                yield row["file"].strip(), row["class"].strip()
    except csv.Error as error:
        raise DataError(f"{path} is no readable CSV file: {error}") from error
