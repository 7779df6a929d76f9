"""Files that are whole or not there, and archives whose bytes follow from their contents."""

from __future__ import annotations

import io
import os
import re
import stat
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import OutputError

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    AttributeError,
    EOFError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What zip, JSON and NumPy raise when they read a damaged or foreign file."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path``, then rename it there.

    Raises
    ------
    OutputError
        If ``path`` is a folder, a device or a pipe, the folder it is in cannot be written, or the
        disk is full; what stood at ``path`` still stands.
    """
    path = Path(path)
    _refuse_special(path)
    with _beside(path) as beside:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)


def cache_folder(name: str) -> Path:
    """``$XDG_CACHE_HOME/edgemem/NAME``, or the same under ``~/.cache``: may be removed at any time.

    Raises
    ------
    OutputError
        If nobody says where this user's files are.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "edgemem" / name
    except RuntimeError as error:
        raise OutputError(f"no folder to keep {name} in ({error}); set HOME") from error


def check_writable(path: Path) -> None:
    """Refuse a ``path`` that could not be written, before long work is spent on its content.

    What killed writes left in its folder is swept.

    Raises
    ------
    OutputError
        If it is a folder, a device or a pipe, or the folder it is in cannot be made or written.
    """
    path = Path(path)
    _refuse_special(path)
    sweep(path.parent)
    with _beside(path):
        pass


def sweep(folder: Path) -> None:
    """Remove the unfinished files that killed writes left in a folder, if there are any.

    A write holds its file locked, so one that another living process is writing stays, wherever
    that process runs. Where there are no such locks (Windows), all stay.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _UNFINISHED.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_dead(entry)


def zip_bytes(entries: Mapping[str, bytes], *, compress: bool, prefix: bytes = b"") -> bytes:
    """A zip archive of ``entries``, behind ``prefix``: equal entries give equal bytes."""
    buffer = io.BytesIO()
    buffer.write(prefix)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def npy_bytes(array: NDArray[Any]) -> bytes:
    """The .npy file of one array."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def npz_bytes(arrays: Mapping[str, NDArray[Any]], *, compress: bool = True) -> bytes:
    """The .npz file of ``arrays``: equal arrays give equal bytes."""
    entries = {f"{name}.npy": npy_bytes(array) for name, array in arrays.items()}
    return zip_bytes(entries, compress=compress)


def _refuse_special(path: Path) -> None:
    """Renaming onto a device or a pipe would take its place for every program of the machine."""
    try:
        mode = path.stat().st_mode
    except OSError:  # not there, or _beside says why it cannot be
        return
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise OutputError(f"cannot write {path}: it is {what}; name a file")


_SUFFIX = ".part"
_UNFINISHED = re.compile(r"\..+\.[a-z0-9_]{8}\.part", re.DOTALL)
"""Names of files that are not whole yet."""


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """An empty file in the folder of ``path``; gone afterwards, unless it was renamed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = _unfinished(path)
        try:
            yield name
        finally:
            with suppress(OSError):
                name.unlink()
            os.close(handle)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"cannot write {path}: {reason}; choose a folder with space and write access"
        ) from error


def _unfinished(path: Path) -> tuple[int, Path]:
    """A new file beside ``path``, and what locks it until it is closed."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX)
        with suppress(OSError):  # a file system without locks
            _lock(handle)
        # between its making and its lock a sweep may have taken it for a dead one
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)


def _remove_dead(entry: os.DirEntry[str]) -> None:
    """Remove an unfinished file, unless it is somebody else's or a living process holds it."""
    with suppress(OSError):
        if os.name != "posix" or entry.stat(follow_symlinks=False).st_uid != os.geteuid():
            return
        handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            _lock(handle, wait=False)
            Path(entry.path).unlink()
        finally:
            os.close(handle)


def _lock(handle: int, wait: bool = True) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
