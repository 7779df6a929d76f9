"""Reading NumPy's files from elsewhere: plain arrays or one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from edgemem.errors import DataError
from edgemem.reading import DamageError, read_bytes, read_npy, read_npz

Array = npt.NDArray[Any]

LARGEST = 4 << 30
"""Bytes of a file of features: those of a million clips of a second."""


def load_array(source: Path | bytes) -> Array:
    """The array of a .npy file.

    Raises
    ------
    DataError
        If the file is damaged, something else, or holds Python objects.
    """
    data = _contents(source)
    if data.startswith(b"PK"):
        raise DataError("an archive of arrays, not one array")
    try:
        return read_npy(data, texts=True)
    except DamageError as error:
        raise DataError("damaged array file") from error


def load_arrays(source: Path | bytes) -> dict[str, Array]:
    """The arrays of a .npz file, of numbers or of text.

    Raises
    ------
    DataError
        If the file is damaged, something else, holds Python objects, or unpacks to more than three
        times its own size and 16 MiB.
    """
    data = _contents(source)
    if data.startswith(b"\x93NUMPY"):
        raise DataError("one array, not an archive of arrays")
    try:
        return read_npz(data, texts=True)
    except DamageError as error:
        raise DataError(f"damaged array file ({error})") from error


def _contents(source: Path | bytes) -> bytes:
    if not isinstance(source, Path):
        return source
    try:
        return read_bytes(source, LARGEST)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error
    except DamageError as error:
        raise DataError(f"array file that {error}") from error
