"""``edgemem listen`` as systemd would see it: ready, alive whatever hangs, ending."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

SPELL = "300000"
"""WATCHDOG_USEC: a sign of life every tenth of a second, as often as the loop comes round."""

PATIENCE = 60.0
"""Seconds. What it takes really is measured by scripts/benchmarks/listen_hangs.py."""

# F_SETPIPE_SZ; the module fcntl has its name from Python 3.10 on.
SET_PIPE_SIZE = 1031

Tone = Callable[..., npt.NDArray[np.int16]]


class Manager:
    """The datagram socket of a service manager."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)

    def next(self, patience: float = PATIENCE) -> str | None:
        """The first line of the next message; None if none comes."""
        self._socket.settimeout(patience)
        try:
            return self._socket.recv(4096).decode().partition("\n")[0]
        except TimeoutError:
            return None

    def until(self, wanted: str) -> list[str]:
        """Messages up to the wanted one."""
        found: list[str] = []
        while not found or found[-1] != wanted:
            message = self.next()
            assert message is not None, f"{wanted} never came, but {found}"
            found.append(message)
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def start(
    manager: Manager,
    file: Path,
    stdout: int,
    *more: str,
    program: tuple[str, ...] = ("-m", "edgemem.cli"),
    stderr: int | None = None,
) -> subprocess.Popen[bytes]:
    """``edgemem listen FILE -`` under a manager."""
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": SPELL}
    environment.pop("WATCHDOG_PID", None)
    return subprocess.Popen(
        [sys.executable, *program, "listen", str(file), "-", *more],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        env=environment,
    )


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe into which nothing more goes."""
    out, into = os.pipe()
    fcntl.fcntl(into, SET_PIPE_SIZE, 4096)
    os.set_blocking(into, False)
    try:
        while True:
            os.write(into, b"\n" * 4096)
    except BlockingIOError:
        os.set_blocking(into, True)
    yield out, into
    os.close(out)
    os.close(into)


def test_the_life_of_a_listener(manager: Manager, tone_file: Path, tone: Tone) -> None:
    with start(manager, tone_file, subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.write(tone("_silence_", 1.0).tobytes())
        process.stdin.flush()
        assert manager.until("READY=1").count("STOPPING=1") == 0
        # no more sound comes, and the pipe stays open: waiting for sound is not being stuck
        for _ in range(5):
            manager.until("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert process.wait(PATIENCE) == 0
        process.stdin.close()
    assert manager.next(0.1) is None


def play(process: subprocess.Popen[bytes], tone: Tone, count: int = 12) -> None:
    """Write words that the loop may never hear, from a thread of its own."""
    sound = np.concatenate([tone("low", 0.6), tone("_silence_", 0.6)]).tobytes()

    def write() -> None:
        assert process.stdin is not None
        with suppress(OSError):
            for _ in range(count):
                process.stdin.write(sound)
                process.stdin.flush()

    threading.Thread(target=write, daemon=True).start()


def ends_in_time(manager: Manager, process: subprocess.Popen[bytes], signs: int) -> None:
    """Signs of life come while it waits, and SIGTERM ends it."""
    manager.until("READY=1")
    for _ in range(signs):
        manager.until("WATCHDOG=1")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_output_that_nobody_reads_stops_neither_signs_of_life_nor_the_end(
    manager: Manager, tone_file: Path, tone: Tone, full_pipe: tuple[int, int]
) -> None:
    out, into = full_pipe
    with start(manager, tone_file, into) as process:
        play(process, tone)
        ends_in_time(manager, process, 10)
    assert b'"low"' not in os.read(out, 65536)


def test_output_that_is_read_at_last_loses_nothing(
    manager: Manager, tone_file: Path, tone: Tone, full_pipe: tuple[int, int]
) -> None:
    out, into = full_pipe
    with start(manager, tone_file, into) as process:
        assert process.stdin is not None
        process.stdin.write(np.concatenate([tone("low", 1.0), tone("_silence_", 1.0)]).tobytes())
        process.stdin.close()
        manager.until("READY=1")
        for _ in range(10):
            manager.until("WATCHDOG=1")
        assert process.poll() is None
        assert os.read(out, 4096)
        manager.until("STOPPING=1")
        assert process.wait(PATIENCE) == 0
    assert b'"low"' in os.read(out, 65536)


@pytest.mark.parametrize(
    "command",
    ["sleep 600", """sh -c 'trap "" TERM HUP; while :; do sleep 0.1; done'"""],
    ids=["hangs", "hangs and takes no SIGTERM"],
)
def test_commands_that_hang_stop_neither_signs_of_life_nor_the_end(
    manager: Manager, tone_file: Path, tone: Tone, command: str
) -> None:
    with start(manager, tone_file, subprocess.DEVNULL, "--exec", command) as process:
        play(process, tone)
        ends_in_time(manager, process, 10)


STUCK_DISK = """
import sys, threading
from edgemem.listen import record
record.KEPT = 1
record.write_atomic = lambda path, data: threading.Event().wait()
from edgemem.cli import main
main(sys.argv[1:])
"""


def test_a_disk_that_hangs_stops_neither_signs_of_life_nor_the_end(
    manager: Manager, tone_file: Path, tone: Tone, tmp_path: Path
) -> None:
    more = ("--record-events", str(tmp_path / "heard"), "--after", "0.1", "--before", "0.5")
    with start(
        manager, tone_file, subprocess.DEVNULL, *more, program=("-c", STUCK_DISK)
    ) as process:
        play(process, tone)
        ends_in_time(manager, process, 10)


def test_a_broker_that_never_answers_stops_neither_signs_of_life_nor_the_end(
    manager: Manager, tone_file: Path, tone: Tone
) -> None:
    pytest.importorskip("paho.mqtt")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        with start(manager, tone_file, subprocess.DEVNULL, "--mqtt", address) as process:
            play(process, tone)
            ends_in_time(manager, process, 10)


def test_what_nobody_reads_of_standard_error_holds_up_nothing(
    manager: Manager, tone_file: Path, tone: Tone, full_pipe: tuple[int, int]
) -> None:
    _, into = full_pipe
    more = ("--exec", "false", "--stats", "0.1")
    with start(manager, tone_file, subprocess.DEVNULL, *more, stderr=into) as process:
        play(process, tone)
        ends_in_time(manager, process, 10)


def test_a_listener_that_cannot_begin_was_never_ready(manager: Manager, tone_file: Path) -> None:
    with start(manager, tone_file, subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) != 0
    said = iter(lambda: manager.next(0.1), None)
    assert "READY=1" not in list(said)
