"""The sound around each event, kept as wav files in a folder that stays below a size."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, OutputError
from edgemem.files import sweep, write_atomic
from edgemem.listen.aside import Aside
from edgemem.listen.lines import moment_of
from edgemem.listen.reports import Counted, Report
from edgemem.listen.types import Heard, Moment
from edgemem.listen.waiting import Waits
from edgemem.runtime.lines import event_fields
from edgemem.runtime.sources import SAMPLE_RATE
from edgemem.runtime.wav import wav_bytes

Samples = npt.NDArray[np.int16]

# Recordings that wait for a slow disk, and seconds that they get at the end.
KEPT = 16
PATIENCE = 5.0
# Letters of a label in the name of a file; systems take 255 in all.
LONGEST = 64
LOCK = ".edgemem-recordings"

_OURS = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[\w-]+?(?:\.\d+)?\.wav", re.ASCII)


@dataclass(frozen=True)
class Keeping:
    """What is kept of the sound around an event.

    Parameters
    ----------
    before, after : float
        Seconds before and after the event's time.
    limit : int
        Most bytes of recordings in the folder; the oldest give way.

    Raises
    ------
    ConfigError
        If nothing would be kept.
    """

    before: float = 2.0
    after: float = 1.0
    limit: int = 100_000_000

    def __post_init__(self) -> None:
        for name in ("before", "after"):
            value = getattr(self, name)
            if not 0 <= value <= 600:
                raise ConfigError(f"recordings: {name} is {value:g}; it must be 0 to 600 seconds")
        if not self.span:
            raise ConfigError("recordings: before and after are both 0; nothing would be kept")
        if self.limit < self.bytes:
            raise ConfigError(
                f"recordings: the limit is {self.limit} bytes, less than one recording of "
                f"{self.bytes}"
            )

    @property
    def span(self) -> int:
        """Samples of one recording."""
        return round(self.before * SAMPLE_RATE) + round(self.after * SAMPLE_RATE)

    @property
    def bytes(self) -> int:
        """About as many as a recording takes."""
        return 2 * self.span + 512


class Ring:
    """The newest samples of a stream, gaps included.

    Parameters
    ----------
    span : int
        Samples that can be asked for.
    """

    def __init__(self, span: int) -> None:
        self._span = span
        self._blocks: deque[tuple[int, Samples]] = deque()
        self.end = 0

    def push(self, position: int, samples: Samples) -> None:
        """Add a block that begins at ``position``."""
        self._blocks.append((position, samples))
        self.end = position + samples.size
        while self._blocks[0][0] + self._blocks[0][1].size <= self.end - self._span:
            self._blocks.popleft()

    def cut(self, start: int, stop: int) -> Samples:
        """The samples from ``start`` to ``stop``; zeros where there was none."""
        out = np.zeros(stop - start, np.int16)
        for position, samples in self._blocks:
            first, last = max(start, position), min(stop, position + samples.size)
            if first < last:
                out[first - start : last - start] = samples[first - position : last - position]
        return out


class Recording(NamedTuple):
    """An event and the sound around it."""

    heard: Heard
    samples: Samples
    start: float


def recording_bytes(recording: Recording) -> bytes:
    """A wav file whose comment (chunk LIST INFO, ICMT) is the event as JSON.

    ``start`` there is the time of the first sample.
    """
    fields = {
        **event_fields(recording.heard),
        "at": moment_of(recording.heard.at),
        "start": round(recording.start, 3),
    }
    text = json.dumps(fields).encode() + b"\0"
    text += b"\0" * (len(text) % 2)
    comment = b"INFOICMT" + len(text).to_bytes(4, "little") + text
    data = wav_bytes(recording.samples) + b"LIST" + len(comment).to_bytes(4, "little") + comment
    return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]


class Folder:
    """A folder of recordings: whole files only, and together at most so many bytes.

    Only files that are named as recordings are counted and removed.

    Parameters
    ----------
    path : Path
        Made where it is missing.
    limit : int
        Most bytes.

    Raises
    ------
    OutputError
        If it cannot be made or written, or another process records there.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._lock = _lock(path)
        try:
            self._held = deque(sorted(_swept(path)))
        except OSError as error:
            self._lock.close()
            raise OutputError(f"cannot use {path}: {error.strerror or error}") from error
        self._total = sum(size for _, size in self._held)

    def write(self, recording: Recording) -> Path:
        """Write a recording, after the oldest have made room for it.

        Raises
        ------
        OutputError
            If the disk is full; there is no half file then.
        """
        data = recording_bytes(recording)
        self._make_room(len(data))
        path = self._free(recording.heard)
        write_atomic(path, data)
        self._held.append((path.name, len(data)))
        self._total += len(data)
        return path

    def close(self) -> None:
        """Let others record here."""
        self._lock.close()

    def _make_room(self, size: int) -> None:
        while self._held and self._total + size > self._limit:
            name, length = self._held.popleft()
            self._total -= length
            with suppress(FileNotFoundError):
                (self._path / name).unlink()

    def _free(self, heard: Heard) -> Path:
        stamp = datetime.fromtimestamp(heard.at, timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        label = re.sub(r"[^\w-]", "_", heard.label, flags=re.ASCII)[:LONGEST] or "_"
        number = 0
        while True:
            more = f".{number}" if number else ""
            path = self._path / f"{stamp}Z-{label}{more}.wav"
            if not path.exists():
                return path
            number += 1


def _swept(path: Path) -> Iterator[tuple[str, int]]:
    """Names and sizes of recordings; what a process left that was killed while it wrote is gone."""
    sweep(path)
    for entry in path.iterdir():
        if _OURS.fullmatch(entry.name) and entry.is_file():
            yield entry.name, entry.stat().st_size


def _lock(path: Path) -> IO[bytes]:
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / LOCK).open("wb")
    except OSError as error:
        raise OutputError(
            f"cannot record into {path}: {error.strerror or error}; name a folder with write access"
        ) from error
    try:
        import fcntl
    except ImportError:  # not on Windows
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OutputError(
            f"cannot record into {path}: another process does; name another folder"
        ) from None
    return file


class RecordEvents:
    """Writes the sound around each event, one wav file each, beside the loop.

    Parameters
    ----------
    path : Path
        The folder.
    keeping : Keeping
    report : callable
        Takes a sentence about recordings that were not written.
    waits : Waits, optional
        How the loop may wait for a slow disk; not at all without.

    Raises
    ------
    OutputError
        As :class:`Folder`.
    """

    wants_frames = False

    def __init__(
        self, path: Path, keeping: Keeping, report: Report, waits: Waits | None = None
    ) -> None:
        self._keeping = keeping
        self._waits = waits or Waits()
        self._folder = Folder(path, keeping.limit)
        # Twice: an event is known later than the sound that it ends, and blocks may be long.
        self._ring = Ring(2 * keeping.span + SAMPLE_RATE)
        self._pending: deque[Heard] = deque()
        self._why = ""
        self._failed = Counted(
            report,
            lambda new, total: f"{new} recordings were not written ({total} in all): {self._why}",
        )
        self._writer = Aside("recordings", self._write, KEPT)

    def take(self, moment: Moment) -> None:
        """Keep a moment's sound, and hand over the recordings that it completes."""
        self._ring.push(moment.position, moment.samples)
        self._pending.extend(moment.events)
        while self._pending and self._last(self._pending[0]) <= self._ring.end:
            self._hand_over(self._pending.popleft())

    def close(self, patience: float = math.inf) -> None:
        """Write what is pending, with the sound that there is."""
        while self._pending:
            self._hand_over(self._pending.popleft())
        left = self._writer.close(min(PATIENCE, patience))
        if left:
            self._fail("the disk is too slow", left)
        self._failed.tell(now=True)
        self._folder.close()

    def _last(self, heard: Heard) -> int:
        return round((heard.time + self._keeping.after) * SAMPLE_RATE)

    def _hand_over(self, heard: Heard) -> None:
        stop = min(self._last(heard), self._ring.end)
        start = max(0, round((heard.time - self._keeping.before) * SAMPLE_RATE))
        recording = Recording(heard, self._ring.cut(start, stop), start / SAMPLE_RATE)
        if not self._waits.until(lambda seconds: self._writer.put(recording, seconds)):
            self._fail("the disk is too slow")

    def _write(self, recording: Recording) -> None:
        try:
            self._folder.write(recording)
        except OSError as error:  # OutputError is one; the disk may have room again later
            self._fail(str(error))

    def _fail(self, why: str, number: int = 1) -> None:
        self._why = why
        self._failed.add(number)
