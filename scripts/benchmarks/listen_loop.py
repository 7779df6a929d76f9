#!/usr/bin/env python3
"""What `edgemem listen` costs: share of real time on one core, memory, time to the first event.

Real processes, bound to one core, hear a recording of words over noise, or one word from a pipe.
The processor time is that of the whole process, threads and sinks included, without its start: a
long recording less a short one. Memory is the largest resident set (VmHWM). The first event is one
that is printed while the pipe is open; a microphone has to deliver the word's sound first, which
takes as long as the word. Seconds on the clock grow with what else the machine does; seconds of
processor time do so less.

usage: listen_loop.py --data SPEECH_COMMANDS_TEST [--background FOLDER] [--times N] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

RATE = 16000
FAST, PACED, SHORT = 600, 30, 5
"""Seconds of sound: as fast as it goes, in real time, and what is taken off for the start."""

SINKS = {
    "lines": [],
    "lines, recordings": ["--record-events", "{folder}/heard"],
    "lines, recordings, live page": ["--record-events", "{folder}/heard", "--web", "0"],
    "lines, recordings, live page, MQTT": [
        *("--record-events", "{folder}/heard", "--web", "0"),
        *("--mqtt", "127.0.0.1:9"),
    ],
}


@dataclass(frozen=True)
class Run:
    """What a process took: processor seconds, and MiB at most."""

    cpu: float
    memory: float


def main() -> None:
    options = arguments()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sounds = recordings(options, folder)
        rows = [cost(network, folder, sounds) for network in options.networks]
        sinks = [
            {"sinks": which, **cost_of_sinks(options.networks[0], which, folder, sounds)}
            for which in SINKS
        ]
        starts = [start(network, options) for network in options.networks]
    if options.json:
        print(json.dumps({"networks": rows, "sinks": sinks, "starts": starts}))
        return
    print(table(rows, "share"), table(sinks, "share"), table(starts, "none"), sep="\n\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["kws12-lmu", "kws12-lem"])
    parser.add_argument("--data", type=Path, required=True, help="data set with the words")
    parser.add_argument("--background", type=Path, help="recordings of noise; a hiss without")
    parser.add_argument("--times", type=int, default=15, help="starts of which the median counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def recordings(options: argparse.Namespace, folder: Path) -> dict[int, Path]:
    """Words over noise, of each length."""
    from edgemem.data.stream import make_stream
    from edgemem.runtime.wav import wav_bytes

    sound, _ = make_stream(
        options.data, keywords=200, others=50, snr=10.0,
        background=options.background, seed=options.seed,
    )  # fmt: skip
    out = {}
    for seconds in (SHORT, PACED, FAST):
        out[seconds] = folder / f"{seconds}.wav"
        out[seconds].write_bytes(wav_bytes(sound[: seconds * RATE]))
    return out


def cost(network: str, folder: Path, sounds: dict[int, Path]) -> dict[str, object]:
    """Share of real time and memory of a network, with nothing attached."""
    short = run(folder, network, str(sounds[SHORT]), "--fast")
    fast = run(folder, network, str(sounds[FAST]), "--fast")
    slow, paced = run(folder, network, str(sounds[SHORT])), run(folder, network, str(sounds[PACED]))
    return {
        "network": network,
        "share, as fast as it goes": (fast.cpu - short.cpu) / (FAST - SHORT),
        "share, in real time": (paced.cpu - slow.cpu) / (PACED - SHORT),
        "start, s of processor time": short.cpu,
        "memory, MiB": max(fast.memory, paced.memory),
    }


def cost_of_sinks(
    network: str, which: str, folder: Path, sounds: dict[int, Path]
) -> dict[str, object]:
    """The same in real time with sinks attached; no page is open, and no broker there."""
    more = [argument.format(folder=folder) for argument in SINKS[which]]
    short = run(folder, network, str(sounds[SHORT]), *more)
    paced = run(folder, network, str(sounds[PACED]), *more)
    return {
        "share, in real time": (paced.cpu - short.cpu) / (PACED - SHORT),
        "memory, MiB": paced.memory,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "edgemem.cli", "listen", *arguments]


def run(folder: Path, *arguments: str) -> Run:
    """A process to its end."""
    with (folder / "out").open("wb") as out:
        child = subprocess.Popen(
            command(*arguments), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL
        )
        memory = 0.0
        while True:
            # Not by wait4: its maxrss begins with the memory of the process that forked.
            memory = max(memory, largest(child.pid))
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.05)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"edgemem listen {' '.join(arguments)} ended with {child.returncode}")
    return Run(usage.ru_utime + usage.ru_stime, memory)


def largest(pid: int) -> float:
    """Largest resident memory of a process so far in MiB; 0 where it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(sizes[0]) / 1024 if sizes else 0.0


def start(network: str, options: argparse.Namespace) -> dict[str, object]:
    """Seconds from the start of a process to its first event, of a word that it has at once."""
    word = a_word(network, options)
    walls, spent = [], []
    for _ in range(options.times):
        begun = time.perf_counter()
        child = subprocess.Popen(
            command(network, "-"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        child.stdin.write(word.astype("<i2").tobytes())
        child.stdin.flush()
        json.loads(child.stdout.readline())
        walls.append(time.perf_counter() - begun)
        child.stdin.close()
        child.stdout.read()
        child.stdout.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        spent.append(usage.ru_utime + usage.ru_stime)
    return {
        "network": network,
        "first event, s after the start: median": statistics.median(walls),
        "quickest": min(walls),
        "slowest": max(walls),
        "processor time to the end of the word, s: median": statistics.median(spent),
    }


def a_word(network: str, options: argparse.Namespace) -> npt.NDArray[np.int16]:
    """The first keyword of the test set that the network hears."""
    from edgemem.runtime.network import open_network
    from edgemem.runtime.sources import read_clip

    listener = open_network(network).listener()
    for path in sorted(options.data.glob("yes/*.wav")):
        samples = read_clip(path)
        listener.reset()
        if listener.push(samples):
            return samples
    raise SystemExit(f"{network} hears no yes in {options.data}")


def table(rows: list[dict[str, object]], share: str) -> str:
    """Rows as Markdown; what begins with ``share`` is a percentage."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    for row in rows:
        cells = [
            f"{value:.2%}" if name.startswith(share) else
            f"{value:.2f}" if isinstance(value, float) else str(value)
            for name, value in row.items()
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
