"""What native code tells on standard error, without what nobody can act on."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

_STDERR = 2
_ONE = threading.Lock()
"""Two at once would put back each other's file."""


@contextmanager
def without_notices(is_notice: Callable[[bytes], bool]) -> Iterator[None]:
    """Lines that native code writes on standard error come after the block, notices left out.

    Parameters
    ----------
    is_notice : callable
        Whether a line, with its end, is to be left out.
    """
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
                _pass_on(caught, is_notice)


def _file() -> BinaryIO:
    """A file in memory, or else on disk."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return tempfile.TemporaryFile()


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def _pass_on(caught: BinaryIO, is_notice: Callable[[bytes], bool]) -> None:
    caught.seek(0)
    rest = b"".join(line for line in caught if not is_notice(line))
    if rest:
        os.write(_STDERR, rest)
