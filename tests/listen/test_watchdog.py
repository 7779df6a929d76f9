"""What systemd would read on its socket, byte by byte (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemem.listen.watchdog import Notifier

HOUR = str(3600 * 1_000_000)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A datagram socket such as systemd's, and what NOTIFY_SOCKET would say."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        if request.param == "abstract":
            name = f"edgemem-{uuid.uuid4()}"
            ours.bind("\0" + name)
            address = "@" + name
        else:
            address = str(tmp_path / "notify")
            ours.bind(address)
        ours.settimeout(10)
        yield ours, address


def waiting(ours: socket.socket) -> list[bytes]:
    """Every datagram that is there."""
    ours.setblocking(False)
    found = []
    try:
        while True:
            found.append(ours.recv(4096))
    except BlockingIOError:
        return found


def test_the_life_of_a_loop(manager: tuple[socket.socket, str]) -> None:
    ours, address = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": HOUR})
    notifier.ready("listening for yes, no")
    notifier.alive()
    notifier.status("3 events,\n 100 % of the sound")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.ready("listening again")
    notifier.stopping()
    notifier.alive()  # after the end nothing is said, and nothing goes wrong
    notifier.stopping()
    said = waiting(ours)
    reload, _, moment = said.pop(3).partition(b"\nMONOTONIC_USEC=")
    assert reload == b"RELOADING=1"
    assert before <= int(moment) <= after
    assert said == [
        b"READY=1\nSTATUS=listening for yes, no",
        b"WATCHDOG=1",
        b"STATUS=3 events, 100 % of the sound",
        b"READY=1\nSTATUS=listening again",
        b"STOPPING=1",
    ]


def test_a_third_of_the_spell_passes_between_signs_of_life(
    manager: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, address = manager
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"}
    with Notifier.from_environment(environment) as notifier:
        sent = []
        for _ in range(31):  # once a second for half a minute
            notifier.alive()
            sent.append(len(waiting(ours)))
            now[0] += 1.0
    assert [second for second, number in enumerate(sent) if number] == [0, 10, 20, 30]
    assert max(sent) == 1


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": HOUR, "WATCHDOG_PID": str(os.getpid() + 1)},
    ],
    ids=["not asked for", "off", "not a number", "asked of another process"],
)
def test_no_signs_of_life_that_nobody_asks_for(
    manager: tuple[socket.socket, str], more: dict[str, str]
) -> None:
    ours, address = manager
    with Notifier.from_environment({"NOTIFY_SOCKET": address, **more}) as notifier:
        notifier.alive()
        notifier.ready("listening")
    assert waiting(ours) == [b"READY=1\nSTATUS=listening"]


@pytest.mark.parametrize("address", [None, "", "vsock:2:5", "relative/path"])
def test_without_a_manager_nothing_is_said(address: str | None) -> None:
    with Notifier(address, 30.0) as notifier:
        notifier.ready("listening")
        notifier.alive()
        notifier.stopping()


def test_a_manager_that_is_away_or_never_reads_does_not_end_the_loop(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with Notifier(address, 1e-9) as notifier:
        notifier.alive()  # not there yet
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.bind(address)
            notifier.alive()
            assert waiting(ours) == [b"WATCHDOG=1"]
        notifier.alive()  # no longer there
        (tmp_path / "notify").unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:  # started anew
            ours.bind(address)
            notifier.alive()
            assert waiting(ours) == [b"WATCHDOG=1"]
            ours.setblocking(True)
            depth = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
            for _ in range(depth + 3):
                notifier.alive()


def test_a_sign_that_did_not_arrive_is_sent_with_the_next_block(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with Notifier(address, 3600.0) as notifier:
        notifier.alive()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.bind(address)
            notifier.alive()
            assert waiting(ours) == [b"WATCHDOG=1"]


def test_it_needs_no_numpy() -> None:
    code = "import sys, edgemem.listen.watchdog; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
