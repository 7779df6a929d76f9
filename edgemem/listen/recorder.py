"""A microphone through a recording program of the system: ALSA's arecord, PipeWire's pw-record."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import BinaryIO, cast

from edgemem.errors import AudioError, DeviceError
from edgemem.listen.alsa import refusal
from edgemem.listen.sources import BLOCK, Descriptor, SilentError, Sound, Sounds
from edgemem.runtime.sources import SAMPLE_RATE, pcm_blocks

# arecord tells how much the driver lost: "overrun!!! (at least 12.345 ms long)".
_OVERRUN = re.compile(r"^overrun!!!(?: \(at least ([0-9.]+) ms long\))?")
# It goes on all the same, and what it then gives is no sound at 16,000 Hz.
_OTHER_RATE = re.compile(r"rate is not accurate.*got = (\d+)")
# "arecord: main:831: audio open error: No such file or directory"
_PLACE = re.compile(r"^\w[\w-]*: (?:\w+:\d+: )?")
# Lines that say nothing about what went wrong.
_IDLE = re.compile(r"Recording |Aborted by signal|Suspended|^\s*$|ALSA lib ")


def arecord(device: str | None) -> list[str]:
    """The command that records with ALSA."""
    # Its own choice, half a second, is a long time to wait for a word.
    command = ["arecord", "-q", "-f", "S16_LE", "-r", str(SAMPLE_RATE), "-c", "1", "-t", "raw"]
    command += [f"--period-time={10**6 * BLOCK // SAMPLE_RATE}", "--buffer-time=500000"]
    return [*command, "-D", device] if device else command


def pw_record(device: str | None) -> list[str]:
    """The command that records with PipeWire; its name or number of a node is the device."""
    command = ["pw-record", "--rate", str(SAMPLE_RATE), "--channels", "1", "--format", "s16"]
    # From 1.4 on a pipe gets the header of an AU file, and big-endian samples, without it.
    command += ["--raw"] if _knows_raw() else []
    return [*command, *(["--target", device] if device else []), "-"]


def _knows_raw() -> bool:
    try:
        done = subprocess.run(["pw-record", "--help"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):  # running it says more
        return False
    return "--raw" in done.stdout + done.stderr


class Complaints:
    """What a program says on standard error, read by a thread until it ends.

    Parameters
    ----------
    stream : binary file
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: deque[str] = deque(maxlen=40)  # some list all that they could do
        self._lock = threading.Lock()
        self._overruns = 0
        self._lost = 0.0
        self._rate: str | None = None
        self._thread = threading.Thread(target=self._read, name="complaints", daemon=True)
        self._thread.start()

    def take(self) -> tuple[int, int]:
        """Overruns since the last call, and the samples that they cost as far as is known.

        Raises
        ------
        AudioError
            If the device has another rate.
        """
        with self._lock:
            overruns, lost = self._overruns, self._lost
            self._overruns, self._lost = 0, 0.0
            rate = self._rate
        if rate is not None:
            raise AudioError(
                f"the microphone gives {rate} Hz; expected {SAMPLE_RATE} Hz; choose a device that "
                "converts, such as plughw:... instead of hw:..."
            )
        return overruns, round(lost * SAMPLE_RATE / 1000)

    def lines(self) -> list[str]:
        """What it complained about, once it has ended."""
        self._thread.join(1.0)
        with self._lock:
            return list(self._lines)

    def close(self) -> None:
        """Let go of the stream; the program has ended."""
        self._thread.join(1.0)
        with suppress(OSError):
            self._stream.close()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            for data in self._stream:
                self._hear(data.decode(errors="replace").strip())

    def _hear(self, line: str) -> None:
        overrun, other = _OVERRUN.match(line), _OTHER_RATE.search(line)
        with self._lock:
            if overrun:
                self._overruns += 1
                self._lost += float(overrun.group(1) or 0)
            elif other:
                self._rate = other.group(1)
            elif not _IDLE.match(line):
                self._lines.append(_PLACE.sub("", line))


class Recorder:
    """A recording program as a child process.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; it writes 16-bit PCM, 16 kHz, mono, to standard output.
    patience : float
        Seconds without a sample that are a loss.
    """

    live = True

    def __init__(self, command: Sequence[str], patience: float = 5.0) -> None:
        self._command = list(command)
        self._patience = patience

    def blocks(self, stop: threading.Event) -> Sounds:
        """See :class:`~edgemem.listen.sources.Source`.

        Raises
        ------
        DeviceError
            If the program cannot be run, ends, or is silent.
        AudioError
            If the device has another rate.
        """
        name = self._command[0]
        with self._running() as (stream, complaints):
            reader = Descriptor(stream.fileno(), stop, self._patience)
            try:
                for samples in pcm_blocks(reader, BLOCK):
                    overruns, missing = complaints.take()
                    yield Sound(samples, missing, overruns)
            except SilentError:
                raise DeviceError(
                    f"the microphone gave no sound for {self._patience:g} seconds ({name})"
                ) from None
            except AudioError:  # no sample, or half of one: the child's words say why
                complaints.take()
            if not stop.is_set():
                raise refusal(name, complaints.lines())

    @contextmanager
    def _running(self) -> Iterator[tuple[BinaryIO, Complaints]]:
        try:
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, "LC_ALL": "C"},  # its words are read
                start_new_session=True,  # Ctrl-C is for us, who end it
            )
        except OSError as error:
            raise refusal(self._command[0], [error.strerror or str(error)]) from error
        assert child.stdout is not None and child.stderr is not None
        complaints = Complaints(cast(BinaryIO, child.stderr))
        try:
            yield cast(BinaryIO, child.stdout), complaints
        finally:
            child.stdout.close()  # one that is stuck in writing looks up
            _end(child)
            complaints.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(0.5)
    except subprocess.TimeoutExpired:  # stuck in its driver
        child.kill()
        with suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
