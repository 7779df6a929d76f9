"""``edgemem listen`` as systemd would see it: ready, alive, stuck, alive again, ending."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

SPELL = "300000"
"""WATCHDOG_USEC: a sign of life every tenth of a second, as often as the loop comes round."""

PATIENCE = 60.0
SILENCE = 3.0
"""Seconds without a sign that are long beside a tenth of one."""

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


def start(manager: Manager, file: Path, stdout: int) -> subprocess.Popen[bytes]:
    """``edgemem listen FILE -`` under a manager."""
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": SPELL}
    environment.pop("WATCHDOG_PID", None)
    return subprocess.Popen(
        [sys.executable, "-m", "edgemem.cli", "listen", str(file), "-"],
        stdin=subprocess.PIPE,
        stdout=stdout,
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


def test_a_loop_that_is_stuck_falls_silent(
    manager: Manager, tone_file: Path, tone: Tone, full_pipe: tuple[int, int]
) -> None:
    """Its threads go on; a sign of life from one of them would hide that nothing is heard."""
    out, into = full_pipe
    with start(manager, tone_file, into) as process:
        assert process.stdin is not None
        process.stdin.write(tone("_silence_", 1.0).tobytes())
        process.stdin.flush()
        manager.until("READY=1")
        manager.until("WATCHDOG=1")
        # a keyword whose line nobody reads
        process.stdin.write(tone("low", 1.0).tobytes())
        process.stdin.flush()
        signs = 0
        while manager.next(SILENCE) is not None:
            signs += 1
            assert signs < PATIENCE / 0.1, "signs of life, though the loop is stuck"
        assert process.poll() is None
        # read it, and the loop goes on
        assert os.read(out, 4096)
        manager.until("WATCHDOG=1")
        process.stdin.close()
        manager.until("STOPPING=1")
        assert process.wait(PATIENCE) == 0
    assert b'"low"' in os.read(out, 65536)


def test_a_listener_that_cannot_begin_was_never_ready(manager: Manager, tone_file: Path) -> None:
    with start(manager, tone_file, subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) != 0
    said = iter(lambda: manager.next(0.1), None)
    assert "READY=1" not in list(said)
