#!/usr/bin/env python3
"""How exact a network is that was written as a NIR file and read back.

Legendre memories run in float64 and, from the bytes of a NIR file, by forward Euler, on noise that
is limited to frequencies which the memory can hold. With --test, pretrained networks, whose relu
units become comparators, do the same on the official test set of Speech Commands, 12 classes.
Prints the tables of ``targets/edgemem_nir/README.md``; with --json, one JSON object.

usage: nir_round_trip.py [--steps N] [--seed N] [--test DIR MODEL ...] [--levels N] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgemem import pretrained
from edgemem.cells import LMU
from edgemem.evaluate.subject import recorded
from edgemem.ir import Graph, trace
from edgemem.model import load
from edgemem.ops import Array
from edgemem.runtime.detector import decide
from edgemem_nir.executor import Executor
from edgemem_nir.hdf5 import parse
from edgemem_nir.lower import lower
from edgemem_nir.writing import to_bytes

SIZES = ((6, 500.0), (12, 500.0), (32, 784.0), (64, 784.0), (256, 784.0))
DT = 0.001
BATCH = 10
BAND = 0.25
"""Highest frequency of the noise, in cycles a window and element of the memory."""


@dataclass(frozen=True)
class Found:
    """``error``: RMS error of the states over their RMS, in the whole run and its last tenth."""

    order: int
    theta: float
    steps: int
    file_bytes: int
    error: float
    error_at_the_end: float
    microseconds_per_step: float


@dataclass(frozen=True)
class Heard:
    """``neurons`` and ``spikes``: comparators, and how many of them spike in a frame on average."""

    network: str
    levels: int
    clips: int
    accuracy_float: float
    accuracy_nir: float
    distance: float
    neurons: int
    spikes: float


def main() -> None:
    arguments = parsed()
    rng = np.random.default_rng(arguments.seed)
    found = [round_trip(order, theta, arguments.steps, rng) for order, theta in SIZES]
    folder, *names = arguments.test or ["."]
    heard = [hear(Path(folder), name, arguments.levels) for name in names]
    if arguments.json:
        rows = {"memories": found, "networks": heard}
        every = {key: [asdict(row) for row in part] for key, part in rows.items()}
        print(json.dumps({"seed": arguments.seed, **every}))
        return
    print("| order | theta | steps | file | error | last tenth | a step here |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in found:
        print(
            f"| {row.order} | {row.theta:g} | {row.steps:,} | {row.file_bytes / 1000:.0f} kB "
            f"| {row.error:.1e} | {row.error_at_the_end:.1e} | {row.microseconds_per_step:.0f} us |"
        )
    if heard:
        print("\n| network | levels | clips | float | NIR | distance | neurons | spikes a frame |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for net in heard:
        print(
            f"| {net.network} | {net.levels} | {net.clips:,} | {net.accuracy_float:.2%} "
            f"| {net.accuracy_nir:.2%} | {net.distance:.3f} | {net.neurons:,} | {net.spikes:,.0f} |"
        )


def hear(folder: Path, name: str, levels: int) -> Heard:
    """A pretrained network on the clips of a test archive."""
    model = load(pretrained.resolve(name, pretrained.MODEL))
    clips = recorded(model, folder)
    x = clips.features
    expected, _ = model.graph().scan(x.astype(np.float64))
    data = to_bytes(lower(model.graph(), DT, model.calibration.features, levels))
    executor = Executor(parse(data, "the file"))
    neurons = [name for name, node in executor.network.nodes.items() if node.kind == "LIF"]
    outputs, spikes = [], 0.0
    for part in np.array_split(x, len(x) // BATCH):
        executor.reset()
        steps = []
        for t in range(x.shape[1]):
            (y,) = executor.step({executor.inputs[0]: part[:, t]}).values()
            steps.append(y)
            spikes += sum(float(executor.values[name].sum()) for name in neurons)
        outputs.append(np.stack(steps, axis=1))
    found, window = np.concatenate(outputs), model.detector.window
    labels = clips.labels
    return Heard(
        name,
        levels,
        len(x),
        float(np.mean(decide(expected, window) == labels)),
        float(np.mean(decide(found, window) == labels)),
        distance(found, expected),
        sum(executor.values[name].shape[-1] for name in neurons),
        spikes / (len(x) * x.shape[1]),
    )


def round_trip(order: int, theta: float, steps: int, rng: np.random.Generator) -> Found:
    """One memory, its states read as they are."""
    graph, u = memory(order, theta), noise(order, theta, steps, rng)
    expected, _ = graph.scan(u)
    data = to_bytes(lower(graph, DT))
    executor = Executor(parse(data, "the file"))
    start = time.process_time()
    states = executor.run({executor.inputs[0]: u})[executor.outputs[0]]
    seconds = time.process_time() - start
    last = slice(-(steps // 10), None)
    return Found(
        order,
        theta,
        steps,
        len(data),
        distance(states, expected),
        distance(states[last], expected[last]),
        1e6 * seconds / steps,
    )


def memory(order: int, theta: float) -> Graph:
    cell = LMU(1, order, order, theta, activation="linear")
    return trace(cell, {"e_x": np.ones((1, 1)), "W_m": np.eye(order), "b": np.zeros(order)})


def noise(order: int, theta: float, steps: int, rng: np.random.Generator) -> Array:
    """Noise of peak 1 without what is faster than the memory, (steps, 1)."""
    spectrum = np.fft.rfft(rng.normal(size=steps))
    spectrum[np.fft.rfftfreq(steps) > min(BAND * order / theta, 0.4)] = 0.0
    u = np.fft.irfft(spectrum, steps)
    return np.asarray(u / np.abs(u).max())[:, None]


def distance(y: Array, expected: Array) -> float:
    return float(np.sqrt(np.mean((y - expected) ** 2) / np.mean(expected**2)))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--steps", type=int, default=10000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--test", nargs="+", metavar="DIR MODEL")
    parser.add_argument("--levels", type=int, default=64, metavar="N")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
