#!/usr/bin/env python3
"""Permuted sequential MNIST on spikes: the network of ``psmnist_memory.py``, float beside spiking.

A memory of order 256 over 784 steps, 384 ReLU units behind it. A pixel is a frame of ``steps``
simulator steps; the memory and the units send spikes at every pixel, and the logits behind the
last one decide. Settings are swept on digits that training left out, the test digits are read
once for each setting. Spikes are counts of a simulation.

usage: spiking_psmnist.py DATA ARRAYS [--test N] [--validation N] [--settings S,...] [--json FILE]

DATA holds the four idx files of MNIST, ARRAYS is the file that ``psmnist_memory.py`` wrote. A
setting is CODE:STEPS:SCALE.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
from psmnist_memory import BATCH, CELL, N_CALIBRATION, N_TRAIN, classified, final_states, sequences

from edgemem.energy import Counts
from edgemem.files import write_atomic
from edgemem.ir import trace
from edgemem.spiking import Frames, SpikingNetwork, prepare
from edgemem.spiking.network import Code
from edgemem.spiking.simulation import counted

Labels = np.ndarray[Any, Any]

SETTINGS = ",".join(
    [f"delta:{steps}:1" for steps in (16, 32, 64, 128)] + [f"rate:{steps}:1" for steps in (32, 128)]
)


def spiking_labels(network: SpikingNetwork, x: Any) -> tuple[Labels, Counts]:
    """Decisions over digits (n, 784), and what they took."""
    decisions, sent = [], {p.name: np.zeros(p.size, np.int64) for p in network.populations}
    frames = Frames(network)
    for first in range(0, len(x), BATCH):
        part = x[first : first + BATCH]
        state = frames.start((len(part),))
        for t in range(part.shape[1]):
            state, frame = frames.step(state, part[:, t : t + 1].astype(np.float64))
            for name, window in frame.windows.items():
                spikes = np.abs(window.sent).reshape(len(part), -1)
                sent[name] += spikes.sum(axis=0).astype(np.int64)
        decisions.append(frame.values[network.graph.output].argmax(axis=1))
    return np.concatenate(decisions), counted(network, sent, x.shape[0] * x.shape[1])


def run(arrays: Any, setting: str, calibration: Any, x: Any, labels: Labels) -> dict[str, Any]:
    """One setting on digits."""
    code, steps, scale = setting.split(":")
    network = prepare(
        trace(CELL, arrays),
        calibration,
        steps=int(steps),
        scale=float(scale),
        code=cast(Code, code),
    )
    start = time.process_time()
    decisions, counts = spiking_labels(network, x)
    share = float(np.mean(decisions == labels))
    print(f"  {setting}: {share:.2%}, {time.process_time() - start:.0f} s", file=sys.stderr)
    full = classified(arrays, final_states(x))
    return {
        "accuracy": share,
        "float": float(np.mean(full == labels)),
        "agreement": float(np.mean(full == decisions)),
        "per_frame": counts.per_frame(),
        "digits": len(x),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("arrays", type=Path)
    parser.add_argument("--test", type=int, default=10_000, help="test digits")
    parser.add_argument("--validation", type=int, default=500, help="digits left out of training")
    parser.add_argument("--settings", default=SETTINGS)
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with np.load(options.arrays) as stored:
        arrays = dict(stored)
    x, labels = sequences(options.data, "train")
    calibration = x[:N_CALIBRATION, :, None]
    left = slice(N_TRAIN, N_TRAIN + options.validation)
    x, labels = x[left], labels[left]
    test_x, test_labels = sequences(options.data, "t10k")
    test_x, test_labels = test_x[: options.test], test_labels[: options.test]
    found = {}
    print(
        "| code | steps | scale | validation | test | same decision | spikes per pixel "
        "| spikes per digit | synaptic operations per pixel |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for setting in options.settings.split(","):
        tuned = run(arrays, setting, calibration, x, labels)
        test = run(arrays, setting, calibration, test_x, test_labels)
        found[setting] = {"validation": tuned, "test": test}
        per = test["per_frame"]
        print(
            f"| {' | '.join(setting.split(':'))} | {tuned['accuracy']:.2%} "
            f"| {test['accuracy']:.2%} | {test['agreement']:.2%} | {per['messages']:,.1f} "
            f"| {per['messages'] * test_x.shape[1]:,.0f} "
            f"| {per['synaptic_operations']:,.0f} |",
            flush=True,
        )
    print(
        f"\nFloat: {tuned['float']:.2%} validation, {test['float']:.2%} test. Simulated; "
        f"{options.validation} digits left out of training, {options.test} test digits, "
        f"pixels permuted with seed 0; {datetime.date.today()}."
    )
    if options.json:
        write_atomic(options.json, json.dumps(found, indent=1).encode())


if __name__ == "__main__":
    main()
