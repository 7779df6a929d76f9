"""Strict reading of what comes in a file: sizes bounded before memory is taken, nothing evaluated.

What the values of a JSON text may be, :mod:`edgemem.shapes` says.
"""

from __future__ import annotations

import io
import json
import math
import re
import stat
import zipfile
import zlib
from collections.abc import Collection, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import EdgememError

LARGEST_FILE = 1 << 30
"""Bytes; a network of a thousand million weights is for another program."""

LARGEST_TEXT = 2 << 20
"""Bytes of one JSON text."""

MOST_ENTRIES = 4096
"""Files within an archive."""

_DIRECTORY = MOST_ENTRIES * 128
"""Bytes of an archive's directory."""

_UNPACKED = 16 << 20
_TIMES = 3
"""An archive unpacks to so many bytes, or to so many times its own size."""

_DIGITS = 20
"""Digits of a whole number: those of 64 bits."""

_SHOWN, _REASON = 60, 200


ALTERED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a library raises that reads a database whose values are no longer those that it wrote."""


class DamageError(EdgememError, ValueError):
    """Part of a file that no edgemem wrote: the message says which part, and what is wrong."""


# bytes


def read_bytes(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """The contents of a file, if it is one and not larger than ``largest`` bytes.

    Raises
    ------
    OSError
        If it cannot be read.
    DamageError
        If it is larger, or a device that has no end.
    """
    with path.open("rb") as file:
        if stat.S_ISCHR(path.stat().st_mode):
            raise DamageError("is a device, not a file")
        data = file.read(largest + 1)
    if len(data) > largest:
        raise DamageError(f"is larger than {largest:,} bytes")
    return data


def read_zip(data: bytes, *, stored: bool = False) -> tuple[int, dict[str, bytes]]:
    """Where the archive at the end of ``data`` begins, and its files by name.

    Parameters
    ----------
    data : bytes
        Something, perhaps nothing, and an archive without a comment, as edgemem writes it.
    stored : bool
        Whether its files are uncompressed; a compressed one is refused then.

    Raises
    ------
    DamageError
        If it is damaged, holds a file twice, or unpacks to more than three times its own size and
        16 MiB.
    """
    _check_end(data)
    limit = len(data) if stored else unpacked_limit(len(data))
    kinds = (zipfile.ZIP_STORED,) if stored else (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = archive.infolist()
            _check_entries(files, kinds, limit)
            start = min((file.header_offset for file in files), default=len(data))
            return start, {file.filename: _unpacked(archive, file) for file in files}
    except (*_ZIP, ValueError) as error:
        told = error if isinstance(error, DamageError) else DamageError(str(error)[:_REASON])
        raise told from error


_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    KeyError,
    IndexError,
)
"""What :mod:`zipfile` raises for damage of one kind or another."""


def unpacked_limit(size: int) -> int:
    """Bytes to which a file of so many may unpack."""
    return max(_UNPACKED, _TIMES * size)


def _check_end(data: bytes) -> None:
    """The record at the end: one directory, of a size that is worth reading, and no comment."""
    end = data[-22:]
    if len(end) < 22 or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise DamageError("no archive stands at its end")
    if data[-42:-38] == b"PK\6\7":
        raise DamageError("its archive is of the kind for more than 4 GiB")
    size, entries = int.from_bytes(end[12:16], "little"), int.from_bytes(end[10:12], "little")
    if size > _DIRECTORY or entries > MOST_ENTRIES:
        raise DamageError(f"its archive says that it holds more than {MOST_ENTRIES:,} files")


def _check_entries(files: list[zipfile.ZipInfo], kinds: Collection[int], limit: int) -> None:
    names = [file.filename for file in files]
    if len(set(names)) != len(names) or len(names) > MOST_ENTRIES:
        raise DamageError("its archive holds a file twice, or too many")
    for file in files:
        if file.compress_type not in kinds or file.flag_bits & 0x1:
            raise DamageError(f"{shown(file.filename)} is compressed or encrypted")
    total = sum(file.file_size for file in files)
    if total > limit:
        raise DamageError(f"its archive unpacks to {total:,} bytes, of {limit:,} at most")


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of one file, never more than its entry says."""
    with archive.open(entry) as file:
        # reading all at once unpacks all that there is before it looks at the size
        data = file.read(entry.file_size)
        if len(data) != entry.file_size or file.read(1):
            raise DamageError(f"{shown(entry.filename)} is not as long as its archive says")
    return data


# arrays

_HEADER = re.compile(
    r"\{'descr': '([<|][a-zU]\d{1,5})', 'fortran_order': (True|False), "
    r"'shape': \((|\d{1,10},|\d{1,10}(?:, \d{1,10}){1,7})\), \} *\n"
)
"""What :func:`numpy.save` writes ahead of an array of numbers."""

_DTYPES = frozenset(
    {"|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"}
)


_TEXTS = re.compile(r"<U[1-9]\d{0,4}")


def read_npy(data: bytes, *, texts: bool = False) -> NDArray[Any]:
    """The array of numbers in the bytes of an ``.npy`` file; nothing in it is executed.

    Parameters
    ----------
    data : bytes
    texts : bool
        Whether an array of text will do as well.

    Raises
    ------
    DamageError
        If it is no such file, or its length is not that of the array it announces.
    """
    start = 10 + int.from_bytes(data[8:10], "little")
    found = _HEADER.fullmatch(data[10:start].decode("latin-1"))
    known = found is not None and (found[1] in _DTYPES or (texts and _TEXTS.fullmatch(found[1])))
    if data[:8] != b"\x93NUMPY\1\0" or found is None or not known:
        raise DamageError("no array of numbers as NumPy writes it")
    shape = tuple(int(size) for size in found[3].split(",") if size.strip())
    dtype = np.dtype(found[1])
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise DamageError(f"an array of shape {shape} with {len(data) - start:,} bytes")
    flat = np.frombuffer(data, dtype, offset=start)
    if dtype.kind == "U" and not _are_characters(flat):
        raise DamageError("a text of numbers that are no characters")
    try:
        return flat.reshape(shape, order="F" if found[2] == "True" else "C").copy()
    except ValueError as error:  # nothing, of sizes whose product leaves 64 bits
        raise DamageError(f"an array of shape {shape}") from error


def _are_characters(texts: NDArray[Any]) -> bool:
    codes = texts.view("<u4")
    return not ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any()


def read_npz(data: bytes, *, texts: bool = False) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file; of text as well, if ``texts``.

    Raises
    ------
    DamageError
        As :func:`read_zip` and :func:`read_npy`.
    """
    return arrays_of(read_zip(data)[1], texts=texts)


def arrays_of(entries: Mapping[str, bytes], *, texts: bool = False) -> dict[str, NDArray[Any]]:
    """The arrays among the files of an archive, by their names without ``.npy``."""
    found = {}
    for name, data in entries.items():
        if name.endswith(".npy"):
            try:
                found[name[: -len(".npy")]] = read_npy(data, texts=texts)
            except DamageError as error:
                raise DamageError(f"{shown(name)} holds {error}") from error
    return found


# texts

_CONTROL = re.compile(
    r"[\x7f-\x9f]|(?<!\\)(?:\\\\)*\\(?:b|f|u00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F]))"
)
"""What a terminal might obey: control characters other than tab and ends of lines."""


_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(r"[\[\]{}]")
_DEEPEST = 64
"""Levels; a network of cells within cells has three or four."""


def read_json(text: bytes, largest: int = LARGEST_TEXT) -> Any:
    """The values of a JSON text: no field twice, no NaN, whole numbers of 64 bits at most.

    Raises
    ------
    DamageError
        If it is none, or longer than ``largest`` bytes.
    """
    if len(text) > largest:
        raise DamageError(f"is longer than {largest:,} bytes")
    try:
        decoded = text.decode("utf-8")
        if _CONTROL.search(decoded):
            raise DamageError("holds control characters")
        if _depth(decoded) > _DEEPEST:
            raise DamageError(f"holds values within values, more than {_DEEPEST} deep")
        return json.loads(
            decoded,
            object_pairs_hook=_fields_once,
            parse_int=_whole,
            parse_constant=_no_constant,
        )
    except DamageError:
        raise
    except (ValueError, RecursionError) as error:
        raise DamageError(f"is no JSON ({error})") from error


def _depth(text: str) -> int:
    """How deep lists and objects lie within each other."""
    brackets = _BRACKETS.findall(_STRINGS.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)


def _fields_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DamageError("says a field twice")
    return found


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise DamageError(f"holds a number of {len(text):,} digits")
    return int(text)


def _no_constant(name: str) -> float:
    raise DamageError(f"holds {name}, which is no number")


def shown(value: Any) -> str:
    """``value`` in a message: what it is, not longer than a line."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
