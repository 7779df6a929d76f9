"""Where sound comes from, and the thread that reads it: clips by the clock, pipes, microphones."""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edgemem.errors import AudioError
from edgemem.listen.buffer import Block, Buffer
from edgemem.listen.reports import Report, to_standard_error
from edgemem.runtime.rawsound import watched
from edgemem.runtime.soundfiles import Notes
from edgemem.runtime.sources import SAMPLE_RATE, clip_blocks, pcm_blocks, standard_input

BLOCK = 2 * SAMPLE_RATE // 25
"""Samples that come together: 80 ms, four frames of most networks.

Waking up costs more than hearing: half the block would take 1.6 times the processor time, and tell
an event 20 ms earlier on average.
"""

MANY = 5 * BLOCK
"""Most samples that are taken at once from a pipe or a file that has them all."""

STDIN = "-"
RAW = (".raw", ".pcm")

# Seconds after which a thread that waits for sound looks whether it is to stop.
_GLANCE = 0.2


class Sound(NamedTuple):
    """Samples as a source gives them.

    Attributes
    ----------
    samples : (n,) int16 array
    missing : int
        Samples that were lost before these, as far as the source can tell.
    overruns : int
        How often the driver said that it lost some.
    """

    samples: npt.NDArray[np.int16]
    missing: int = 0
    overruns: int = 0


Sounds = Generator[Sound, None, None]


class Source(Protocol):
    """Something to listen to."""

    @property
    def live(self) -> bool:
        """Whether it goes on whether or not anybody takes what it gives."""

    def blocks(self, stop: threading.Event) -> Sounds:
        """Its sound, until its end or until ``stop`` is set."""


class Clip:
    """A sound file.

    Parameters
    ----------
    path : path
    block : int
        Samples that come together.
    """

    live = False

    def __init__(self, path: str | Path, block: int = BLOCK) -> None:
        self._path = path
        self._block = block

    def blocks(self, stop: threading.Event) -> Sounds:
        """See :class:`Source`.

        Raises
        ------
        AudioError, MissingExtraError
            As :func:`~edgemem.runtime.sources.clip_blocks`.
        """
        for samples in clip_blocks(self._path, self._block):
            yield Sound(samples)


class Pipe:
    """Raw 16-bit PCM on a pipe, or in a file.

    Parameters
    ----------
    stream : binary file
        With a file descriptor; it is closed at the end of the sound.
    block : int
        Most samples that come together; what is there comes at once.
    report : callable
        Is told, once, if it looks like sound of another kind.
    """

    live = False

    def __init__(
        self, stream: BinaryIO, block: int = MANY, report: Report = to_standard_error
    ) -> None:
        self._stream = stream
        self._block = block
        self._report = report

    def blocks(self, stop: threading.Event) -> Sounds:
        """See :class:`Source`.

        Raises
        ------
        AudioError
            As :func:`~edgemem.runtime.sources.pcm_blocks`.
        """
        with self._stream:
            reader = Descriptor(self._stream.fileno(), stop)
            for samples in watched(pcm_blocks(reader, self._block), self._report):
                yield Sound(samples)


class Paced:
    """A source played by the clock: a block is there when its last sample would be.

    Parameters
    ----------
    source : Source
    """

    live = False

    def __init__(self, source: Source) -> None:
        self._source = source

    def blocks(self, stop: threading.Event) -> Sounds:
        """See :class:`Source`. The times are counted from the start, so that none adds up."""
        start = time.monotonic()
        played = 0
        with closing(self._source.blocks(stop)) as blocks:
            for sound in blocks:
                played += sound.samples.size
                stop.wait(max(0.0, start + played / SAMPLE_RATE - time.monotonic()))
                yield sound


class SilentError(Exception):
    """Nothing came for too long."""


class Descriptor:
    """Reads a file descriptor, and looks up now and then whether it is to stop.

    Parameters
    ----------
    number : int
        The descriptor; it stays its owner's.
    stop : Event
    patience : float, optional
        Seconds without a byte that are too many.
    """

    def __init__(self, number: int, stop: threading.Event, patience: float | None = None) -> None:
        self._number = number
        self._stop = stop
        self._patience = patience

    def read(self, size: int) -> bytes:
        """What is there, at most ``size`` bytes; none at the end or where it is to stop.

        Raises
        ------
        SilentError
            If nothing came for ``patience`` seconds.
        """
        last = time.monotonic()
        while not self._stop.is_set():
            if select.select([self._number], [], [], _GLANCE)[0]:
                return os.read(self._number, size)
            if self._patience is not None and time.monotonic() - last > self._patience:
                raise SilentError
        return b""


def source_of(name: str, fast: bool) -> Source:
    """A source by what a person calls it.

    Parameters
    ----------
    name : str
        ``-`` for standard input; a FIFO, a device, or a file that ends in .raw or .pcm for raw
        16-bit PCM; any other name for a sound file.
    fast : bool
        Whether a file is heard as fast as it goes. A pipe always is: its writer has the clock.

    Raises
    ------
    AudioError
        If it cannot be opened.
    """
    if name == STDIN:
        stream = standard_input("edgemem listen FILE -")
        return Pipe(os.fdopen(os.dup(stream.fileno()), "rb", buffering=0))
    path = Path(name)
    flows = _flows(path)
    if not flows and path.suffix.lower() not in RAW:
        # Opened once before, so that what is refused is refused before anything is set up.
        notes = Notes(SAMPLE_RATE)
        with closing(clip_blocks(path, BLOCK, notes=notes)) as blocks:
            next(blocks)
        for note in notes.lines():
            to_standard_error(f"note: {note}")
        source: Source = Clip(path, MANY if fast else BLOCK)
    else:
        source = Pipe(_open(path), MANY if fast or flows else BLOCK)
    return source if fast or flows else Paced(source)


def _open(path: Path) -> BinaryIO:
    """Open a file or pipe without waiting for a writer: its sound is waited for, stoppably."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    return os.fdopen(number, "rb", buffering=0)


def _flows(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:  # not there: reading it says so
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


class Reader:
    """The thread that takes a source's sound and puts it into a buffer.

    Parameters
    ----------
    source : Source
    buffer : Buffer
        Ended when the source is.
    """

    def __init__(self, source: Source, buffer: Buffer) -> None:
        self._source = source
        self._buffer = buffer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sound", daemon=True)
        self._error: Exception | None = None
        self.overruns = 0
        self.missing = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more sound."""
        self._stop.set()

    def close(self, patience: float = 5.0) -> None:
        """Stop, and wait until nothing of the source is left open; a few seconds at most."""
        self.stop()
        self._buffer.end()
        if self._thread.ident is not None:
            self._thread.join(min(5.0, patience))

    def check(self) -> None:
        """Raise what ended the source, if it was an error."""
        if self._error is not None and not self._stop.is_set():
            raise self._error

    def _run(self) -> None:
        position = 0
        try:
            with closing(self._source.blocks(self._stop)) as blocks:
                for sound in blocks:
                    position += sound.missing
                    self.missing += sound.missing
                    self.overruns += sound.overruns
                    self._buffer.put(Block(position, sound.samples, time.time()))
                    position += sound.samples.size
                    if self._stop.is_set():
                        break
        except Exception as error:  # noqa: BLE001 - raised where it is heard: check()
            self._error = error
        finally:
            self._buffer.end()
