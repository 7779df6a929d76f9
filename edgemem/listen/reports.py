"""What a running loop says to people: sentences on standard error, none of them every block."""

from __future__ import annotations

import select
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

Report = Callable[[str], None]

PERIOD = 60.0
"""Seconds between two sentences about one thing."""


def to_standard_error(sentence: str) -> None:
    """Say a sentence; where nobody listens any more, or a pipe is full, it is lost."""
    with suppress(OSError, ValueError):
        if _takes_more():
            print(f"edgemem: {sentence}", file=sys.stderr, flush=True)


def _takes_more() -> bool:
    try:
        return bool(select.select([], [sys.stderr.fileno()], [], 0)[1])
    except (OSError, ValueError):  # it is no file, or the system asks only sockets
        return True


class Counted:
    """Counts something that goes wrong and tells it at once, then once a minute.

    Parameters
    ----------
    report : callable
        Takes a sentence.
    sentence : callable
        ``sentence(new, total)``: what is said of ``new`` occurrences since the last time and of
        ``total`` ones.
    period : float
        Least seconds between two sentences.
    """

    def __init__(
        self, report: Report, sentence: Callable[[int, int], str], period: float = PERIOD
    ) -> None:
        self._report = report
        self._sentence = sentence
        self._period = period
        self._lock = threading.Lock()
        self._told = 0
        self._next = -period
        self.total = 0

    def add(self, number: int = 1) -> None:
        """Count ``number`` more; from any thread."""
        with self._lock:
            self.total += number
        self.tell()

    def tell(self, now: bool = False) -> None:
        """Say what is new, if it is time, or if it must be ``now``."""
        with self._lock:
            new = self.total - self._told
            if not new or (time.monotonic() < self._next and not now):
                return
            self._told = self.total
            self._next = time.monotonic() + self._period
            sentence = self._sentence(new, self.total)
        self._report(sentence)
