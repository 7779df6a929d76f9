#!/usr/bin/env python3
"""How exact a linear network is that was written as a NIR file and read back.

Legendre memories run in float64 and, from the bytes of a NIR file, by forward Euler, on noise that
is limited to frequencies which the memory can hold. Prints the table of
``targets/edgemem_nir/README.md``; with --json, one JSON object.

usage: nir_round_trip.py [--steps N] [--seed N] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass

import numpy as np

from edgemem.cells import LMU
from edgemem.ir import Graph, trace
from edgemem.ops import Array
from edgemem_nir.executor import Executor
from edgemem_nir.hdf5 import parse
from edgemem_nir.lower import lower
from edgemem_nir.writing import to_bytes

SIZES = ((6, 500.0), (12, 500.0), (32, 784.0), (64, 784.0), (256, 784.0))
DT = 0.001
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


def main() -> None:
    arguments = parsed()
    rng = np.random.default_rng(arguments.seed)
    found = [round_trip(order, theta, arguments.steps, rng) for order, theta in SIZES]
    if arguments.json:
        print(json.dumps({"seed": arguments.seed, "memories": [asdict(row) for row in found]}))
        return
    print("| order | theta | steps | file | error | last tenth | a step here |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in found:
        print(
            f"| {row.order} | {row.theta:g} | {row.steps:,} | {row.file_bytes / 1000:.0f} kB "
            f"| {row.error:.1e} | {row.error_at_the_end:.1e} | {row.microseconds_per_step:.0f} us |"
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
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
