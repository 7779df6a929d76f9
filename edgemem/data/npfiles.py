"""Reading NumPy's files from elsewhere: plain arrays or one clear error."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgemem.errors import DataError

Array = npt.NDArray[Any]

# What numpy.load raises for damaged files, found by changing bytes at random.
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    KeyError,
    OverflowError,
    MemoryError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def load_array(source: Path | BinaryIO) -> Array:
    """The array of a .npy file.

    Raises
    ------
    DataError
        If the file is damaged, something else, or holds Python objects.
    """
    values = _load(source)
    if isinstance(values, dict):
        raise DataError("an archive of arrays, not one array")
    return values


def load_arrays(source: Path | BinaryIO) -> dict[str, Array]:
    """The arrays of a .npz file.

    Raises
    ------
    DataError
        If the file is damaged, something else, or holds Python objects.
    """
    values = _load(source)
    if not isinstance(values, dict):
        raise DataError("one array, not an archive of arrays")
    return values


def _load(source: Path | BinaryIO) -> Array | dict[str, Array]:
    try:
        # Opened here: numpy.load leaves a damaged archive open.
        data = source.read_bytes() if isinstance(source, Path) else source.read()
        values = np.load(io.BytesIO(data), allow_pickle=False)
        return values if isinstance(values, np.ndarray) else {n: values[n] for n in values.files}
    except _DAMAGE as error:
        raise DataError("damaged array file") from error
