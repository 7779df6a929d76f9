#!/usr/bin/env python3
"""How many bits a Long Expressive Memory needs, for each largest time step dt.

A random LEM (weights three times those of its initial values, about what training leads to) runs
on noise as slow as its dt, once exactly and once with one kind of value rounded; the error of ``y``
is relative to its standard deviation. Then the whole integer program, in both of its forms.
Prints the tables of ``docs/memory-formats.md``.

usage: lem_formats.py [--quick] [--seed N]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from edgemem.cells import LEM
from edgemem.ir import Graph, trace
from edgemem.ops import Array, FloatOps
from edgemem.quantize import Format, symmetric
from edgemem.quantize.build import build
from edgemem.quantize.integer import IntegerOps
from edgemem.quantize.scheme import Scheme

STEPS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
QUICK = (1.0, 0.1)
N_IN, N_UNITS, N_SEQUENCES = 16, 64, 6
GAIN = 3.0
TIMES = 40
"""Length of a run, in units of 1 / dt steps; a quarter of it is not counted."""


@dataclass(frozen=True)
class Rounding:
    """Formats of the parts of a step; what has none stays exact.

    Parameters
    ----------
    sums : Format, optional
        What sigmoid and tanh read.
    gate_bits : int, optional
        Fraction bits of ``dt sigmoid(.)``.
    state_bits : int, optional
        Fraction bits of both states.
    """

    sums: Format | None = None
    gate_bits: int | None = None
    state_bits: int | None = None


class RoundedOps(FloatOps):
    """Floats that are rounded where a :class:`Rounding` says so."""

    def __init__(self, rounding: Rounding) -> None:
        self._rounding = rounding

    def sigmoid(self, a: Array) -> Array:
        return super().sigmoid(self._sum(a))

    def tanh(self, a: Array) -> Array:
        return super().tanh(self._sum(a))

    def label(self, a: Array, name: str) -> Array:
        if name in ("dt", "dt_bar"):
            return _fraction(a, self._rounding.gate_bits)
        if name in ("z_new", "y_new"):
            return _fraction(a, self._rounding.state_bits)
        return a

    def _sum(self, a: Array) -> Array:
        form = self._rounding.sums
        return a if form is None else form.dequantize(form.quantize(a))


def _fraction(a: Array, bits: int | None) -> Array:
    return a if bits is None else np.asarray(np.rint(a * 2.0**bits) / 2.0**bits)


def slow_noise(dt: float, rng: np.random.Generator) -> Array:
    """Noise of standard deviation 1 that forgets in 3 / dt steps, (N_SEQUENCES, t, N_IN)."""
    n_steps, keep = int(TIMES / dt), np.exp(-dt / 3.0)
    x = rng.normal(size=(N_SEQUENCES, n_steps, N_IN))
    for t in range(1, n_steps):
        x[:, t] = keep * x[:, t - 1] + np.sqrt(1.0 - keep**2) * x[:, t]
    return x


def trajectory(cell: LEM, params: dict[str, Array], x: Array, ops: FloatOps) -> Array:
    """``y`` at every step."""
    states = {name: np.zeros((len(x), *shape)) for name, shape in cell.states.items()}
    outputs = []
    for t in range(x.shape[1]):
        states, y = cell.step(ops, params, states, x[:, t])
        outputs.append(y)
    return np.stack(outputs, axis=1)


def integer_trajectory(graph: Graph, x: Array, activations: str) -> Array:
    program = build(graph, Scheme(activations), x.astype(np.float32)).program
    ops, states = IntegerOps(program), program.zero_state((len(x),))
    outputs = []
    for t in range(x.shape[1]):
        states, values = ops.step(states, ops.quantize(x[:, t].astype(np.float32)))
        outputs.append(ops.dequantize(values[program.output]))
    return np.stack(outputs, axis=1)


def error(got: Array, expected: Array) -> float:
    start = expected.shape[1] // 4
    got, expected = got[:, start:], expected[:, start:]
    return float(np.sqrt(np.mean((got - expected) ** 2)) / expected.std())


def row(dt: float, seed: int) -> dict[str, float]:
    """Errors of one dt, by what is rounded."""
    rng = np.random.default_rng([seed, int(1000 * dt)])
    cell = LEM(N_IN, N_UNITS, dt)
    params = {name: GAIN * array for name, array in cell.init(rng).items()}
    x = slow_noise(dt, rng)
    exact = trajectory(cell, params, x, FloatOps())
    # products of all weights with inputs of this size reach about this far
    reach = 4.0 * GAIN * np.sqrt((N_IN + exact.var() * N_UNITS) / (3.0 * N_UNITS))
    roundings = {
        "sums 8": Rounding(sums=symmetric(reach, 8)),
        "sums 16": Rounding(sums=symmetric(reach, 16)),
        **{f"gate .{n}": Rounding(gate_bits=n) for n in (8, 10, 12, 15)},
        **{f"state .{n}": Rounding(state_bits=n) for n in (8, 12, 14, 15)},
    }
    found = {
        name: error(trajectory(cell, params, x, RoundedOps(rounding)), exact)
        for name, rounding in roundings.items()
    }
    graph = trace(cell, params)
    for activations in ("int8", "int16"):
        found[activations] = error(integer_trajectory(graph, x, activations), exact)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for number, dt in enumerate(QUICK if args.quick else STEPS):
        found = row(dt, args.seed)
        if number == 0:
            print("| dt | " + " | ".join(found) + " |\n|---|" + "---|" * len(found))
        print(f"| {dt} | " + " | ".join(f"{e:.4f}" for e in found.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
