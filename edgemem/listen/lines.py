"""Events as lines of JSON."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import BinaryIO

from edgemem.listen.aside import Aside
from edgemem.listen.reports import Counted, Report
from edgemem.listen.types import Heard, Moment
from edgemem.listen.waiting import Waits
from edgemem.runtime.lines import event_fields

# Lines that wait for a reader that does not read, and seconds that it gets at the end.
KEPT = 10000
PATIENCE = 3.0


def moment_of(at: float) -> str:
    """A time in seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    stamp = datetime.fromtimestamp(at, timezone.utc)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fields_of(heard: Heard) -> dict[str, str | float]:
    """An event as fields of a JSON object: time, at, label, score."""
    fields = event_fields(heard)
    return {"time": fields.pop("time"), "at": moment_of(heard.at), **fields}


def line_of(heard: Heard) -> bytes:
    """An event as a line."""
    return (json.dumps(fields_of(heard)) + "\n").encode()


class Lines:
    """Writes each event when it happens, on a thread of its own.

    Sound that waits too waits for a reader that is slow, however long; otherwise :data:`KEPT` lines
    wait. Nothing else is buffered: whoever reads a pipe wants each event at once.

    Parameters
    ----------
    stream : binary file
        Unbuffered.
    report : callable
        Takes a sentence about lines that were lost because nobody read.
    waits : Waits, optional
        How the loop may wait; not at all without.
    """

    wants_frames = False

    def __init__(self, stream: BinaryIO, report: Report, waits: Waits | None = None) -> None:
        self._stream = stream
        self._waits = waits or Waits()
        self._writer = Aside("lines", self._write, KEPT)
        self._lost = Counted(report, _lost)

    def take(self, moment: Moment) -> None:
        """Write a moment's events.

        Raises
        ------
        OSError
            If nobody reads any more, or the disk is full; where nothing waits, in a later call.
        """
        for heard in moment.events:
            if not self._writer.put(line_of(heard)):
                self._lost.add()
            if self._waits.allowed:
                self._waits.until(self._writer.settled, math.inf)

    def close(self, patience: float = math.inf) -> None:
        """Write what waits, if anybody reads."""
        self._writer.close(min(PATIENCE, patience))
        self._lost.tell(now=True)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[self._stream.write(rest) or 0 :]


def _lost(new: int, total: int) -> str:
    return f"standard output is not read: {new} events were not written ({total} in all)"
