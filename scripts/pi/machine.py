"""A place where edgemem is installed as README says: this machine, or a userland of another."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

LIMIT = 3600.0
"""Seconds after which a program is stopped that should have ended by itself."""


class Failed(Exception):  # noqa: N818  (as in English)
    """Something that had to work did not; the message is one sentence."""


@dataclass(frozen=True)
class Done:
    """A program that has ended.

    Parameters
    ----------
    status : int
    output, errors : str
    wall, cpu : float
        Seconds of the clock, and of processors (with all children).
    peak : float
        Largest resident set of it or of one of its children, in MiB.
    """

    status: int
    output: str
    errors: str
    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Machine:
    """Where programs run.

    Parameters
    ----------
    name : str
        As in tables.
    project : Path
        Folder with a copy of the project, in which README's lines are run.
    prefix : tuple of str
        Command in front of every program: an emulator, the choice of a core.
    environment : mapping
        The whole environment.
    python : str
        Interpreter that makes the virtual environment.
    venv_options : tuple of str
    """

    name: str
    project: Path
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = "python3"
    venv_options: tuple[str, ...] = ()

    @property
    def bin(self) -> Path:
        """Programs of the virtual environment."""
        return self.project / ".venv" / "bin"

    def run(self, *words: str | Path, stdin: Path | None = None) -> Done:
        """Run a program to its end, whatever its status.

        Parameters
        ----------
        words : str or path
            Program and arguments.
        stdin : Path, optional
            File that it reads; nothing by default.
        """
        command = [*self.prefix, *map(str, words)]
        with (
            Path(stdin or os.devnull).open("rb") as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            start = time.perf_counter()
            process = subprocess.Popen(
                command,
                cwd=self.project,
                env=dict(self.environment),
                stdin=given,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            watch = threading.Timer(LIMIT, os.killpg, (process.pid, signal.SIGKILL))
            watch.start()
            _, status, used = os.wait4(process.pid, 0)
            watch.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            wall = time.perf_counter() - start
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        cpu = used.ru_utime + used.ru_stime
        return Done(process.returncode, *texts, wall, cpu, used.ru_maxrss / 1024)

    def must(self, *words: str | Path, stdin: Path | None = None) -> Done:
        """Run a program that has to end with status 0.

        Raises
        ------
        Failed
            With what it said last.
        """
        done = self.run(*words, stdin=stdin)
        if done.status:
            said = (done.errors.strip() or done.output.strip()).splitlines()[-3:]
            called = " ".join(map(str, words))
            raise Failed(f"{self.name}: {called} ended with status {done.status}: {said}")
        return done

    def shell(self, line: str) -> tuple[str, ...]:
        """The command that runs a line of README as a person would, in the virtual environment."""
        return ("bash", "-c", f"set -e -o pipefail; . {self.bin}/activate; {line}")

    def paced(self, words: Sequence[str | Path], sound: bytes, rate: int = 16000) -> Done:
        """Run a program and write raw sound to it as a microphone would: 20 ms every 20 ms."""
        start = time.perf_counter()
        with self._open(words, subprocess.PIPE) as process:
            assert process.stdin is not None
            block = 2 * (rate // 50)
            reader = _Reader(process)
            for number, at in enumerate(range(0, len(sound), block), 1):
                wait = start + number / 50 - time.perf_counter()
                if wait > 0:
                    time.sleep(wait)
                try:
                    process.stdin.write(sound[at : at + block])
                    process.stdin.flush()
                except BrokenPipeError:
                    break
            with suppress(BrokenPipeError):
                process.stdin.close()
            status = process.wait()
            output, errors = reader.texts()
        return Done(status, output, errors, time.perf_counter() - start, 0.0, 0.0)

    def until_line(self, words: Sequence[str | Path], sign: str, limit: float) -> Done:
        """Run a program that never ends until it has written a line with ``sign``, then end it.

        It gets SIGTERM, as its whole group does; after ``limit`` seconds in any case.
        """
        start = time.perf_counter()
        with self._open(words, subprocess.DEVNULL) as process:
            reader = _Reader(process)
            while process.poll() is None and time.perf_counter() - start < limit:
                if sign in reader.so_far():
                    break
                time.sleep(0.05)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                status = process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                status = process.wait()
            output, errors = reader.texts()
        return Done(status, output, errors, time.perf_counter() - start, 0.0, 0.0)

    def first_line(self, words: Sequence[str | Path], sound: bytes) -> float:
        """Seconds from the start of a program to its first line, all sound being there at once."""
        start = time.perf_counter()
        with tempfile.TemporaryFile() as given:
            given.write(sound)
            given.seek(0)
            with self._open(words, given) as process:
                assert process.stdout is not None
                process.stdout.readline()
                spent = time.perf_counter() - start
                process.kill()
        return spent

    def _open(self, words: Sequence[str | Path], stdin: int | BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self.prefix, *map(str, words)],
            cwd=self.project,
            env=dict(self.environment),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


class _Reader:
    """Both outputs of a process, read as they come so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._parts: tuple[list[bytes], list[bytes]] = ([], [])
        self._threads = []
        for pipe, parts in zip((process.stdout, process.stderr), self._parts):
            thread = threading.Thread(target=self._read, args=(pipe, parts))
            thread.start()
            self._threads.append(thread)

    @staticmethod
    def _read(pipe: object, parts: list[bytes]) -> None:
        while data := pipe.read1(65536):  # type: ignore[attr-defined]
            parts.append(data)

    def so_far(self) -> str:
        return b"".join(self._parts[0]).decode(errors="replace")

    def texts(self) -> tuple[str, str]:
        for thread in self._threads:
            thread.join()
        out, err = (b"".join(parts).decode(errors="replace") for parts in self._parts)
        return out, err
