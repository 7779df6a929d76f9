"""Events as lines: their form, a reader that is gone, and one that never reads."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable

import numpy as np
import pytest

from edgemem.listen import lines
from edgemem.listen.lines import Lines, moment_of
from edgemem.listen.types import Heard, Moment
from edgemem.listen.waiting import Waits

# 2001-09-09 01:46:40 UTC is second 1,000,000,000 of Unix time.
HEARD = Heard(12.34567, 1_000_000_000.25, "yes", 0.987654)


def moment(*heard: Heard) -> Moment:
    return Moment(0, np.zeros(160, np.int16), None, None, heard)


def test_a_line_says_time_date_label_and_score() -> None:
    stream = io.BytesIO()
    Lines(stream, print, Waits(60.0)).take(moment(HEARD, HEARD))
    first, second = stream.getvalue().splitlines()
    assert (
        first
        == second
        == (b'{"time": 12.346, "at": "2001-09-09T01:46:40.250Z", "label": "yes", "score": 0.9877}')
    )


def test_a_date_without_a_fraction_has_one_all_the_same() -> None:
    assert moment_of(0.0) == "1970-01-01T00:00:00.000Z"


def test_a_label_of_any_letters_is_a_line_of_json() -> None:
    stream = io.BytesIO()
    Lines(stream, print, Waits(60.0)).take(moment(Heard(0.0, 0.0, 'nein\n"\u00fc', 1.0)))
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["label"] == 'nein\n"\u00fc'


class Slowly(io.RawIOBase):
    """A stream that takes a few bytes at a time."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data) -> int:
        self.taken += bytes(data[:7])
        return min(7, len(data))


def test_a_line_is_written_whole() -> None:
    stream = Slowly()
    Lines(stream, print, Waits(60.0)).take(moment(HEARD))
    assert json.loads(stream.taken)["label"] == "yes"


def test_a_reader_that_is_gone_ends_a_live_loop(
    until: Callable[[Callable[[], bool], str], None],
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stream:
        sink = Lines(stream, print)

        def raised() -> bool:
            try:
                sink.take(moment(HEARD))
            except BrokenPipeError:
                return True
            return False

        until(raised, "the broken pipe")
        sink.close()


def test_a_reader_that_never_reads_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "KEPT", 100)
    monkeypatch.setattr(lines, "PATIENCE", 0.1)
    said: list[str] = []
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as stream:
        sink = Lines(stream, said.append)
        for _ in range(2000):  # a pipe holds 64 kB, about 700 of them
            sink.take(moment(HEARD))
        sink.close()
        assert said[0].startswith("standard output is not read: 1 events were not written")
        assert len(said) == 2
        os.close(reading)  # frees the thread that writes
