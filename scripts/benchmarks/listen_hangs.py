#!/usr/bin/env python3
"""How soon `edgemem listen` ends at SIGTERM, and how often it says that it lives, whatever hangs.

Real processes hear words from a pipe or a recorder while one thing around them hangs, under a
socket that takes systemd's messages. A sign of life is asked for every tenth of a second. Then
comes SIGTERM, and the time until the process is gone is measured.

usage: listen_hangs.py --data SPEECH_COMMANDS_TEST [--seconds N] [--out JSON]
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

SPELL = "300000"
PATIENCE = 60.0
NETWORK = "kws12-lmu"
SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ
HALF_OPEN = 250

# A disk whose writes never end, and a program that takes no SIGTERM.
STUCK_DISK = """
import sys, threading
from edgemem.listen import record
record.KEPT = 1
record.write_atomic = lambda path, data: threading.Event().wait()
from edgemem.cli import main
main(sys.argv[1:])
"""
STUBBORN = """sh -c 'trap "" TERM HUP; while :; do sleep 0.1; done'"""
STUCK_RECORDER = "#!/bin/sh\ntrap '' TERM\nhead -c 64000 /dev/zero\nwhile :; do sleep 0.1; done\n"


@dataclass(frozen=True)
class Case:
    """Something that hangs.

    Parameters
    ----------
    name : str
    options : tuple of str
        Of ``edgemem listen``; ``{folder}`` and ``{port}`` (of a socket that never answers) are
        filled in.
    program : tuple of str
        Arguments of Python before the command's.
    full : tuple of str
        Which outputs are pipes that nobody reads.
    half_open : bool
        Whether connections are opened to the page that ask for nothing.
    recorder : bool
        Whether sound comes from a recorder instead of standard input.
    """

    name: str
    options: tuple[str, ...] = ()
    program: tuple[str, ...] = ("-m", "edgemem.cli")
    full: tuple[str, ...] = ()
    half_open: bool = False
    recorder: bool = False


RECORD = ("--record-events", "{folder}/heard", "--after", "0.1", "--before", "0.5")
DISK = ("-c", STUCK_DISK)
CASES = (
    Case("nothing"),
    Case("command", ("--exec", "sleep 600")),
    Case("command that takes no SIGTERM", ("--exec", STUBBORN)),
    Case("disk of recordings", RECORD, DISK),
    Case("standard output", full=("stdout",)),
    Case("standard error", ("--exec", "false", "--stats", "0.1"), full=("stderr",)),
    Case("broker that never answers", ("--mqtt", "127.0.0.1:{port}")),
    Case(f"{HALF_OPEN} half-open connections to the page", ("--web", "{free}"), half_open=True),
    Case("recorder that takes no SIGTERM", ("--recorder", "arecord"), recorder=True),
    Case(
        "all of it at once",
        (*RECORD, "--exec", STUBBORN, "--mqtt", "127.0.0.1:{port}", "--web", "{free}"),
        DISK,
        ("stdout", "stderr"),
        half_open=True,
    ),
)


@dataclass(frozen=True)
class Found:
    """What was measured.

    Parameters
    ----------
    hangs : str
    sigterm_seconds : float
        From SIGTERM until the process was gone.
    longest_gap_seconds : float
        Between two signs of life.
    status : int
        Exit status.
    descriptors : int
        Most that the process held open.
    """

    hangs: str
    sigterm_seconds: float
    longest_gap_seconds: float
    status: int
    descriptors: int


def main() -> None:
    options = arguments()
    sound = words(options.data)
    found = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measured(case, sound, Path(folder), options.seconds))
        last = found[-1]
        print(
            f"| {last.hangs} | {last.sigterm_seconds:.2f} | {last.longest_gap_seconds:.2f} | "
            f"{last.descriptors} |",
            flush=True,
        )
    if options.out is not None:
        text = json.dumps({"seconds": options.seconds, "cases": [asdict(one) for one in found]})
        options.out.write_text(text + "\n", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("usage")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each case before SIGTERM")
    parser.add_argument("--out", type=Path, help="where figures are written as JSON")
    return parser.parse_args()


def words(data: Path) -> bytes:
    """Raw sound of some words."""
    from edgemem.runtime.sources import read_clip

    clips = sorted(data.glob("yes/*.wav"))[:20]
    if not clips:
        raise SystemExit(f"{data} has no folder yes; name the test set of Speech Commands")
    return b"".join(read_clip(clip).tobytes() + bytes(16000) for clip in clips)


def measured(case: Case, sound: bytes, folder: Path, seconds: float) -> Found:
    """Let a case run, and end it."""
    with ExitStack() as stack:
        manager = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        manager.bind(str(folder / "notify"))
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        places = {"folder": folder, "port": mute.getsockname()[1], "free": free_port()}
        child = stack.enter_context(started(case, places, stack, folder))
        if not case.recorder:
            threading.Thread(target=feed, args=(child, sound), daemon=True).start()
        wait_for(manager, b"READY=1")
        crowd = half_open(places["free"], stack) if case.half_open else []
        gap, held = watched(manager, child, seconds)
        begun = time.monotonic()
        child.send_signal(signal.SIGTERM)
        status = child.wait(PATIENCE)
        took = time.monotonic() - begun
        del crowd
        return Found(case.name, took, gap, status, held)


@contextmanager
def started(
    case: Case, places: dict[str, object], stack: ExitStack, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The process under test, gone at the end."""
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": str(folder / "notify"),
        "WATCHDOG_USEC": SPELL,
        "PATH": f"{folder}:{os.environ['PATH']}",
    }
    environment.pop("WATCHDOG_PID", None)
    (folder / "arecord").write_text(STUCK_RECORDER, encoding="ascii")
    (folder / "arecord").chmod(0o755)
    outputs = {
        name: stack.enter_context(full_pipe()) if name in case.full else subprocess.DEVNULL
        for name in ("stdout", "stderr")
    }
    options = [option.format(**places) if "{" in option else option for option in case.options]
    child = subprocess.Popen(
        [
            *(sys.executable, *case.program, "listen", NETWORK),
            *([] if case.recorder else ["-"]),
            *options,
        ],
        stdin=subprocess.PIPE,
        env=environment,
        **outputs,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        with suppress(OSError):
            child.stdin.close()


@contextmanager
def full_pipe() -> Iterator[int]:
    """The end of a pipe into which nothing more goes."""
    out, into = os.pipe()
    fcntl.fcntl(into, SET_PIPE_SIZE, 4096)
    os.write(into, b"\n" * 4096)
    yield into
    os.close(out)
    os.close(into)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def feed(child: subprocess.Popen[bytes], sound: bytes) -> None:
    with suppress(OSError, ValueError):
        while True:
            child.stdin.write(sound)


def half_open(port: object, stack: ExitStack) -> list[socket.socket]:
    """Connections that begin a request and never end it."""
    opened = []
    for _ in range(HALF_OPEN):
        one = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        with suppress(OSError):  # it may be shown out already
            one.sendall(b"GET / HTTP/1.1\r\nHost: ")
        opened.append(one)
    return opened


def wait_for(manager: socket.socket, wanted: bytes) -> None:
    manager.settimeout(PATIENCE)
    while not manager.recv(4096).startswith(wanted):
        pass


def watched(
    manager: socket.socket, child: subprocess.Popen[bytes], seconds: float
) -> tuple[float, int]:
    """The longest time between two signs of life, and the most descriptors that were open."""
    begun = last = time.monotonic()
    gap, held = 0.0, 0
    while (now := time.monotonic()) - begun < seconds:
        manager.settimeout(0.5)
        with suppress(TimeoutError):
            if manager.recv(4096).startswith(b"WATCHDOG=1"):
                now = time.monotonic()
                gap, last = max(gap, now - last), now
        held = max(held, len(list(Path(f"/proc/{child.pid}/fd").iterdir())))
    return max(gap, time.monotonic() - last), held


if __name__ == "__main__":
    main()
