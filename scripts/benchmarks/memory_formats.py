#!/usr/bin/env python3
"""How exact a Legendre memory is in integers, for each basis and width of its weights.

Each memory runs freely, in the integer arithmetic of ``docs/integer-semantics.md``, on noise that
is limited to frequencies which the memory can hold; int16 states in the format that theory gives,
u in int8. Errors are relative to a float64 memory on the same u, so that they are the memory's own.
Prints the tables of ``docs/memory-formats.md``.

usage: memory_formats.py [--quick] [--digits DATA CLASSIFIER] [--seed N]

--digits adds accuracies on permuted MNIST, read by the float classifier that psmnist_memory.py
wrote, from the integer memories' last states.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psmnist_memory
from numpy.typing import NDArray

from edgemem.cells import LMU
from edgemem.cells.lmu import legendre_window
from edgemem.errors import ToleranceError
from edgemem.ir import Graph, trace
from edgemem.ir.passes import balance, residual
from edgemem.ir.passes.basis import Memory, memories, orthonormal_legendre, rebased
from edgemem.ops import Array
from edgemem.quantize import multipliers, observe, per_row
from edgemem.quantize.formats import Format
from edgemem.quantize.forms import nonzero_macs, rounding_error, schur_basis, with_halves
from edgemem.quantize.integer import rescaled, rounding_shift
from edgemem.quantize.memory import bounds, radius, rounded

SIZES = (
    (4, 49.0),
    (4, 392.0),
    (6, 49.0),
    (6, 196.0),
    (12, 49.0),
    (12, 100.0),
    (12, 392.0),
    (24, 100.0),
    (24, 196.0),
    (24, 784.0),
    (32, 196.0),
    (32, 392.0),
    (64, 196.0),
    (64, 392.0),
    (64, 784.0),
    (128, 392.0),
    (128, 784.0),
    (256, 784.0),
)
QUICK = ((4, 49.0), (12, 100.0))
DELAYS = np.array([0.25, 0.5, 0.75, 1.0])
CHANNELS = 4
WINDOWS = 6
"""Length of a run, in windows of theta steps; the first window is not counted."""

BAND = 0.25
"""Highest frequency of the noise, in cycles a window and element of the memory."""

Inputs = NDArray[np.int8]
U = Format(8, 1.0 / 127.0)


@dataclass(frozen=True)
class Form:
    """A basis and the number of 8-bit halves of the weights; none: ``A`` itself, 8 bits a row."""

    basis: str
    halves: int
    balanced: bool = False

    def __str__(self) -> str:
        width = {0: "A, 8", 1: "8", 2: "2 x 8"}[self.halves]
        return f"{self.basis}{', balanced' if self.balanced else ''}, {width}"


FORMS = (
    Form("Legendre", 0),
    Form("Legendre", 1),
    Form("Legendre", 1, True),
    Form("orthonormal", 1),
    Form("Schur", 1),
    Form("Schur", 1, True),
    Form("Legendre", 2),
    Form("orthonormal", 2),
    Form("Schur", 2),
    Form("Schur", 2, True),
)


@dataclass(frozen=True)
class Found:
    """What one form of one memory does; errors are NaN where it grows."""

    radius: float
    expected: float
    state: float
    read: float
    delays: Array
    macs: int


def noise(order: int, theta: float, rng: np.random.Generator) -> Inputs:
    """Noise of peak 1 without what is faster than the memory, (CHANNELS, n_steps), in int8."""
    n_steps = int(WINDOWS * theta)
    spectrum = np.fft.rfft(rng.normal(size=(CHANNELS, n_steps)), axis=1)
    spectrum[:, np.fft.rfftfreq(n_steps) > min(BAND * order / theta, 0.4)] = 0.0
    u = np.fft.irfft(spectrum, n_steps, axis=1)
    u /= np.abs(u).max(axis=1, keepdims=True)
    quantized: Inputs = U.quantize(u)
    return quantized


def memory_graph(order: int, theta: float) -> Graph:
    """One memory that is written directly; read as delayed inputs and orthonormal coordinates."""
    readers = np.concatenate(
        [legendre_window(order, DELAYS), np.linalg.inv(orthonormal_legendre(order))]
    )
    cell = LMU(1, len(readers), order, theta, activation="linear")
    params = {"e_x": np.ones((1, 1)), "W_m": readers, "b": np.zeros(len(readers))}
    return residual(trace(cell, params))


def in_form(graph: Graph, form: Form, u: Array) -> Graph:
    """``graph`` in the basis and width of ``form``, by the passes of a conversion."""
    (memory,) = memories(graph)
    A, B = memory.matrices(graph)
    if form.basis == "orthonormal":
        graph = rebased(graph, memory, orthonormal_legendre(len(A)))
    elif form.basis == "Schur":
        graph = rebased(graph, memory, schur_basis(A, B))
    if form.balanced:
        seen = observe(graph, u[:, :, None].astype(np.float32))
        graph = balance(graph, {name: o.peaks for name, o in seen.items()})
        # u stays as it is: the gain that it got goes to B
        (written,) = memory.written
        gain = float(graph.params["e_x"][0, 0])
        params = {"e_x": np.ones((1, 1)), written: gain * graph.params[written]}
        graph = graph.with_params({**graph.params, **params})
    return with_halves(graph, tolerance=0.0) if form.halves == 2 else graph


class IntegerMemory:
    """The update ``m' = m + [A - I, B] [m; u]`` as a program has it.

    Raises
    ------
    ToleranceError
        If the rounded memory grows, or no 16-bit format is sure to hold it.
    """

    def __init__(self, graph: Graph, form: Form) -> None:
        (memory,) = memories(graph)
        self.kept = form.halves > 0
        self._parts = _parts(graph, memory, self.kept)
        forms = [per_row(part) for part in self._parts]
        held = sum(f.dequantize(f.quantize(p)) for f, p in zip(forms, self._parts))
        self.order = len(held)
        self.A = held[:, : self.order] + (np.eye(self.order) if self.kept else 0.0)
        limits = bounds(self.A, held[:, self.order :], 128.0 * float(U.scale))
        self.format = limits.state_format(len(self._parts))
        self._weights = [
            (
                f.quantize(part).T.astype(np.float64),
                *(a.astype(np.int64) for a in multipliers.of_product(self.format, f, self.format)),
            )
            for f, part in zip(forms, self._parts)
        ]
        self._drive = multipliers.of_rescale(U, self.format)

    def start(self, n: int) -> NDArray[np.int64]:
        return np.zeros((n, self.order), np.int64)

    def step(self, m: NDArray[np.int64], u: Inputs) -> NDArray[np.int64]:
        """States (n, order) after inputs (n,); saturating additions, as in a program."""
        driven = rescaled(u[:, None].astype(np.int64), **self._drive)
        joined = np.concatenate([m, np.clip(driven, -32768, 32767)], axis=1).astype(np.float64)
        total = m if self.kept else np.zeros_like(m)
        for weight, multiplier, shift in self._weights:
            product = rescaled((joined @ weight).astype(np.int64), multiplier, shift)
            total = np.clip(total + np.clip(product, -32768, 32767), -32768, 32767)
        return np.asarray(total)


def _parts(graph: Graph, memory: Memory, kept: bool) -> list[Array]:
    if not kept:
        return [np.concatenate(memory.matrices(graph), axis=1)]
    return [
        np.concatenate([graph.params[own], graph.params[written]], axis=1)
        for own, written in zip(memory.own, memory.written)
    ]


def readout(graph: Graph) -> Array:
    (memory,) = memories(graph)
    (name,) = memory.readers or ()
    return graph.params[name]


def measured(order: int, theta: float, form: Form, rng: np.random.Generator) -> Found:
    """Radius, errors and cost of one form."""
    u = noise(order, theta, rng)
    exact = memory_graph(order, theta)
    graph = in_form(exact, form, U.dequantize(u))
    (memory,) = memories(graph)
    change = memory.change(graph) if form.halves else _parts(graph, memory, False)[0]
    A = rounded(change, max(form.halves, 1))[:, :order] + (np.eye(order) if form.halves else 0.0)
    expected = rounding_error(change, form.halves) if form.halves else np.nan
    macs = nonzero_macs(change, max(form.halves, 1))
    try:
        state, read, delays = _errors(exact, graph, IntegerMemory(graph, form), u, int(theta))
    except ToleranceError:
        state, read, delays = np.nan, np.nan, np.full(len(DELAYS), np.nan)
    return Found(radius(A), expected, state, read, delays, macs)


def _errors(
    exact: Graph, graph: Graph, integers: IntegerMemory, u: Inputs, skipped: int
) -> tuple[float, float, Array]:
    """Of the state, of the state read in 8 bits, and of delayed inputs."""
    A, B = memories(exact)[0].matrices(exact)
    inputs = U.dequantize(u)
    m, q = np.zeros((len(u), len(A))), integers.start(len(u))
    expected, got = [], []
    for t in range(u.shape[1]):
        m = m @ A.T + inputs[:, t : t + 1] @ B.T
        q = integers.step(q, u[:, t])
        if t >= skipped:
            expected.append(m)
            got.append(q)
    states, n = np.array(got), len(DELAYS)
    # the power of two that just holds what was seen
    shift = max(0, int(np.ceil(np.log2(np.abs(states).max() + 1))) - 7)
    narrowed = np.clip(rounding_shift(states, shift), -128, 127) << shift
    exactly = np.array(expected) @ readout(exact).T
    energy = np.sum(exactly**2, axis=(0, 1))
    wide, narrow = (
        np.sum((float(integers.format.scale) * s @ readout(graph).T - exactly) ** 2, axis=(0, 1))
        for s in (states, narrowed)
    )
    state, read = (float(np.sqrt(e[n:].sum() / energy[n:].sum())) for e in (wide, narrow))
    return state, read, np.sqrt(wide[:n] / energy[:n])


def float_accuracy(data: Path, classifier: Path, n_digits: int) -> float:
    """Accuracy that the float memory has."""
    x, labels = psmnist_memory.sequences(data, "t10k")
    with np.load(classifier) as stored:
        got = psmnist_memory.classified(stored, psmnist_memory.final_states(x[:n_digits]))
    return float(np.mean(got == labels[:n_digits]))


def digits_accuracy(form: Form, data: Path, classifier: Path, n_digits: int) -> tuple[float, float]:
    """Accuracy, and share of decisions that are those of the float memory."""
    x, labels = psmnist_memory.sequences(data, "t10k")
    x, labels = x[:n_digits], labels[:n_digits]
    with np.load(classifier) as stored:
        arrays = dict(stored)
    exact = memory_graph(psmnist_memory.ORDER, psmnist_memory.THETA)
    graph = in_form(exact, form, x[:32].astype(np.float64))
    integers, u = IntegerMemory(graph, form), U.quantize(x)
    last = np.concatenate([_last(integers, u[i : i + 250]) for i in range(0, len(u), 250)])
    # orthonormal coordinates back to those of the classifier
    read = readout(graph)[len(DELAYS) :]
    states = float(integers.format.scale) * last @ read.T @ orthonormal_legendre(integers.order)
    got = psmnist_memory.classified(arrays, states)
    expected = psmnist_memory.classified(arrays, psmnist_memory.final_states(x))
    return float(np.mean(got == labels)), float(np.mean(got == expected))


def _last(integers: IntegerMemory, u: Inputs) -> NDArray[np.int64]:
    q = integers.start(len(u))
    for t in range(u.shape[1]):
        q = integers.step(q, u[:, t])
    return q


def table(
    title: str,
    found: dict[tuple[int, float], list[Found]],
    cell: Callable[[Found], str],
    forms: Collection[Form] = FORMS,
) -> None:
    """Print one row for each memory and a column for each of ``forms``."""
    print(f"\n### {title}\n")
    print("| order, theta | " + " | ".join(str(form) for form in forms) + " |")
    print("|---|" + "---|" * len(forms))
    for (order, theta), row in found.items():
        cells = [cell(one) for form, one in zip(FORMS, row) if form in forms]
        print(f"| {order}, {theta:.0f} | " + " | ".join(cells) + " |")


def share(x: float) -> str:
    return f"{x:.4f}" if np.isfinite(x) else "grows"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--digits", nargs=2, type=Path, metavar=("DATA", "CLASSIFIER"))
    parser.add_argument("--n-digits", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    found: dict[tuple[int, float], list[Found]] = {}
    for order, theta in QUICK if args.quick else SIZES:
        # the same noise for every form
        found[order, theta] = [
            measured(order, theta, form, np.random.default_rng([args.seed, order, int(theta)]))
            for form in FORMS
        ]
        print(f"{order}, {theta:.0f} done", file=sys.stderr)
    coarse = [form for form in FORMS if form.halves == 1]
    table("Relative error of the state", found, lambda f: share(f.state))
    table("Relative error of the state, read in 8 bits", found, lambda f: share(f.read))
    table("Relative error of the input a whole window ago", found, lambda f: share(f.delays[-1]))
    table("Error by rounded weights, from theory", found, lambda f: share(f.expected), coarse)
    table("Spectral radius after rounding", found, lambda f: f"{f.radius:.5f}")
    table("Multiply-accumulates of a step, zeros skipped", found, lambda f: str(f.macs))
    if args.digits:
        print("\n| memory | accuracy | same decision as the float memory |\n|---|---|---|")
        print(f"| float | {float_accuracy(*args.digits, args.n_digits):.2%} | |")
        for form in FORMS:
            try:
                accuracy, same = digits_accuracy(form, *args.digits, args.n_digits)
                print(f"| {form} | {accuracy:.2%} | {same:.2%} |", flush=True)
            except ToleranceError:
                print(f"| {form} | grows | |", flush=True)


if __name__ == "__main__":
    main()
