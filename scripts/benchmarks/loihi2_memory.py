#!/usr/bin/env python3
"""The LMU's memory on units with graded messages (``--target loihi``), against float64.

A memory ``m' = A m + B u``, discretised by zero-order hold, and one unit that reads the signal of
theta ago out of it. It is converted as any network is and run by the emulator of the profile
loihi2; the error is the RMS of the state's error over the RMS of the state, all elements together,
and that of the worst element beside it. The float64 memory reads the signal as it is, before any
rounding of the input.

    order 6, theta 0.5 s     500 steps of 1 ms; white noise up to 2 Hz of RMS 0.4
    order 256, theta 784     white noise in every step, uniform in [-1, 1], 100,000 steps

Thresholds are shares of how far a value moves; messages are those of the memory's units and of the
unit that brings the input, for each unit and step.

usage: loihi2_memory.py [--seconds N] [--steps N] [--seed N] [--json FILE]
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgemem import artefact, target
from edgemem.artefact import Golden
from edgemem.cells import LMU
from edgemem.cells.lmu import legendre_delay, legendre_window
from edgemem.energy import Execution
from edgemem.files import write_atomic
from edgemem.ir import Graph, trace
from edgemem.ops import Array
from edgemem.quantize import Scheme

DT = 1e-3
THRESHOLDS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
HEAD = (
    "| order | theta, steps | form | state bits | threshold | units | accumulators | synapses "
    "| state error | worst element | messages per unit and step | synaptic operations per step |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Net:
    """A memory as a target reads it."""

    cell: LMU
    name: str = "memory"
    scheme: Scheme | None = None
    labels: tuple[str, ...] = ("delayed",)

    def graph(self) -> Graph:
        arrays = {
            "e_x": np.ones((1, 1)),
            "W_m": legendre_window(self.cell.order, np.ones(1)),
            "b": np.zeros(1),
        }
        return trace(self.cell, arrays)

    def reference(self) -> Graph:
        return self.graph()


def memory(order: int, theta: float) -> LMU:
    """A memory of one channel, read by one unit."""
    return LMU(1, 1, order, theta, activation="linear")


def slow_noise(seed: int, n: int, steps: int) -> Array:
    """White noise up to 2 Hz of RMS 0.4, (n, steps, 1)."""
    rng = np.random.default_rng(seed)
    spectrum = rng.normal(size=(n, steps // 2 + 1)) + 1j * rng.normal(size=(n, steps // 2 + 1))
    frequency = np.fft.rfftfreq(steps, DT)
    spectrum[:, (frequency == 0) | (frequency > 2.0)] = 0.0
    signal = np.fft.irfft(spectrum, steps)
    return np.asarray(0.4 * signal / np.sqrt(np.mean(signal**2, axis=1, keepdims=True)))[..., None]


def fast_noise(seed: int, n: int, steps: int) -> Array:
    """Noise that is new in every step, uniform in [-1, 1], (n, steps, 1)."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (n, steps, 1))


def exact(cell: LMU, x: Array) -> Array:
    """The states in float64, (n, steps, order)."""
    A, B = legendre_delay(cell.order, cell.theta)
    m, states = np.zeros((len(x), cell.order)), np.empty((*x.shape[:2], cell.order))
    for t in range(x.shape[1]):
        m = m @ A.T + x[:, t] @ B.T
        states[:, t] = m
    return states


def converted(cell: LMU, options: Mapping[str, Any], calibration: Array) -> Any:
    """A runner of the memory on units."""
    chosen = target.get("loihi")
    made = chosen.convert(Net(cell), chosen.Options(**options), calibration.astype(np.float32))
    golden = Golden(np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32))
    fields = {"target": "loihi", **made.facts}
    return target.load(artefact.build(made.payload, fields, Net(cell).labels, golden, made.parts))


def row(cell: LMU, form: str, threshold: float, runner: Any, states: Array, run: Execution) -> Any:
    """One line of the table, as JSON values."""
    error = run.probes["m_new"].reshape(states.shape) - states
    squares, sizes = np.mean(error**2, axis=(0, 1)), np.mean(states**2, axis=(0, 1))
    network, sent = runner.network, sum(int(a.sent.sum()) for a in run.populations[1:])
    blocks = np.array_split(np.arange(states.shape[1]), 10)
    windows = [
        float(np.sqrt(np.mean(error[:, b] ** 2) / np.mean(states[:, b] ** 2))) for b in blocks
    ]
    return {
        "order": cell.order,
        "theta": cell.theta,
        "form": form,
        "threshold": threshold,
        "units": network.n_units,
        "accumulators": network.n_accumulators,
        "synapses": network.n_synapses,
        "error": float(np.sqrt(squares.sum() / sizes.sum())),
        "worst": float(np.sqrt((squares / sizes).max())),
        "first_tenth": windows[0],
        "last_tenth": windows[-1],
        "messages": sent / run.counts.frames / network.n_units,
        "synaptic_operations": run.counts.per_frame()["synaptic_operations"],
    }


def rows(
    cell: LMU, cases: Iterable[tuple[str, str, float]], calibration: Array, x: Array
) -> Iterable[dict[str, Any]]:
    """The cases of one memory, each printed as it comes."""
    states = exact(cell, x)
    for form, bits, threshold in cases:
        runner = converted(
            cell, {"quantize": form, "states": bits, "threshold": threshold}, calibration
        )
        run = runner.simulate(x.astype(np.float32), ("m_new",))
        found = row(cell, f"{form}, {bits}", threshold, runner, states, run)
        print(
            f"| {cell.order} | {cell.theta:g} | {form} | {bits} | {threshold:g} | {found['units']} "
            f"| {found['accumulators']:,} | {found['synapses']:,} | {found['error']:.2%} "
            f"| {found['worst']:.2%} | {found['messages']:.2f} "
            f"| {found['synaptic_operations']:,.0f} |",
            flush=True,
        )
        print(
            f"  error in the first tenth {found['first_tenth']:.2%}, in the last "
            f"{found['last_tenth']:.2%}",
            file=sys.stderr,
        )
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=20, help="of each of 4 slow signals")
    parser.add_argument("--steps", type=int, default=100_000, help="of the memory of order 256")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    seed = options.seed
    print(HEAD)
    slow = (slow_noise(seed + 1, 48, 10_000), slow_noise(seed + 2, 4, 1000 * options.seconds))
    found = list(
        rows(
            memory(6, 0.5 / DT),
            [
                ("int8", "16", 0.0),
                ("int16", "16", 0.0),
                *(("int16", "24", threshold) for threshold in THRESHOLDS),
            ],
            *slow,
        )
    )
    fast = (fast_noise(seed + 1, 4, 4_000), fast_noise(seed + 2, 1, options.steps))
    found += rows(
        memory(256, 784.0),
        [(form, bits, 0.0) for form in ("int8", "int16") for bits in ("16", "24")],
        *fast,
    )
    print(
        f"\nEmulated. Slow signals: 4 of {options.seconds} s; fast signal: "
        f"{options.steps:,} steps; ranges and spreads from other signals of the same kind; "
        f"seed {seed}; {datetime.date.today()}."
    )
    if options.json:
        write_atomic(options.json, json.dumps(found, indent=1).encode())


if __name__ == "__main__":
    main()
