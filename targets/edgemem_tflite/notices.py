"""What the interpreter's native code tells on standard error, without what nobody can act on."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

NOTICE = b"Created TensorFlow Lite XNNPACK delegate for CPU"
"""Told at each opening, whatever the logging: fast kernels are there. `info` says so as well."""

_STDERR = 2
_ONE = threading.Lock()
"""Two at once would put back each other's file."""


@contextmanager
def without_notice() -> Iterator[None]:
    """Native code's lines on standard error come after the block, :data:`NOTICE` left out."""
    with _ONE:
        try:
            caught, saved = _file(), os.dup(_STDERR)
        except OSError:  # no standard error, or nowhere to keep it
            yield
            return
        with caught:
            _flush()
            os.dup2(caught.fileno(), _STDERR)
            try:
                yield
            finally:
                _flush()
                os.dup2(saved, _STDERR)
                os.close(saved)
                _pass_on(caught)


def _file() -> BinaryIO:
    """A file in memory, or else on disk."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return tempfile.TemporaryFile()


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def _pass_on(caught: BinaryIO) -> None:
    caught.seek(0)
    rest = b"".join(line for line in caught if NOTICE not in line)
    if rest:
        os.write(_STDERR, rest)
