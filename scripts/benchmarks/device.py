#!/usr/bin/env python3
"""What a person waits for, and the share of real time on one core.

Times whole commands, each in a process of its own, interpreter start included (median of several),
and the streaming loop of each pretrained network: front end, step and detector.

usage: device.py [--times N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np


def wall(times: int, *arguments: str) -> float:
    """Median seconds of ``edgemem ARGUMENTS``."""
    program = str(Path(sys.executable).with_name("edgemem"))
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        subprocess.run(
            [program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    from edgemem import pretrained
    from edgemem.evaluate.latency import latency
    from edgemem.runtime.network import open_network

    names = pretrained.names()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.wav"
        noise = np.random.default_rng(0).integers(-3000, 3000, 16000).astype("<i2")
        with wave.open(str(clip), "wb") as file:
            file.setparams((1, 2, 16000, len(noise), "NONE", ""))
            file.writeframes(noise.tobytes())
        out = str(Path(folder) / "out.tflite")
        rows = [("edgemem --help", wall(times, "--help"))]
        for name in names:
            rows.append((f"edgemem run {name} clip.wav (1 s)", wall(times, "run", name, str(clip))))
            rows.append((f"edgemem verify {name}", wall(times, "verify", name)))
        for name in names:
            command = ("convert", name, "--target", "tflite", "--out", out)
            rows.append((f"edgemem convert {name}", wall(times, *command)))
    print("| command | wall time, s |\n|---|---|")
    for command, seconds in rows:
        print(f"| `{command}` | {seconds:.2f} |")
    print("\n| network | front end, step and detector, us | share of real time |\n|---|---|---|")
    for name in names:
        found = latency(open_network(name), frames=2000)
        print(f"| {name} | {1e6 * found.whole:.0f} | {found.share:.2%} |")


if __name__ == "__main__":
    main()
