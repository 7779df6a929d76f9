#!/usr/bin/env python3
"""Permuted sequential MNIST with one memory of order 256 and 784 steps, in floats and in integers.

The 784 pixels of a digit come one by one in a fixed order (``numpy.random.default_rng(0)``'s
permutation) into one linear memory; a hidden layer reads it behind the last pixel. What a linear
memory holds then is one matrix product, so that training, and the float form, need final states
alone: 50,000 digits, the epoch chosen on 10,000 others of the training set. The integer form runs
step by step over the test set.

usage: psmnist_memory.py DATA OUT [--epochs N] [--test N] [--activations int8|int16]

DATA holds the four idx files of MNIST, OUT gets the trained arrays (and is read if it has them).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgemem.cells import LMU, Dense, Stack
from edgemem.cells.lmu import legendre_delay
from edgemem.ir import trace
from edgemem.quantize.build import build
from edgemem.quantize.integer import IntegerOps
from edgemem.quantize.program import Program
from edgemem.quantize.scheme import Scheme

ORDER, THETA, N_STEPS, N_UNITS, N_CLASSES = 256, 784.0, 784, 384, 10
N_TRAIN, N_CALIBRATION, BATCH = 50_000, 32, 250

Features = NDArray[np.float32]
CELL = Stack((LMU(1, N_UNITS, ORDER, THETA, activation="relu"), Dense(N_UNITS, N_CLASSES)))


def read_idx(path: Path, header: int) -> NDArray[np.uint8]:
    return np.frombuffer(path.read_bytes(), np.uint8, offset=header)


def sequences(data: Path, part: str) -> tuple[Features, NDArray[np.int64]]:
    """Permuted pixels between 0 and 1, (n, 784), and labels."""
    pixels = read_idx(data / f"{part}-images-idx3-ubyte", 16).reshape(-1, N_STEPS)
    labels = read_idx(data / f"{part}-labels-idx1-ubyte", 8).astype(np.int64)
    order = np.random.default_rng(0).permutation(N_STEPS)
    return (pixels[:, order] / 255.0).astype(np.float32), labels


def final_states(x: Features) -> Features:
    """``m_T = sum_k A^(T-1-k) B x_k``, (n, order)."""
    A, B = legendre_delay(ORDER, THETA)
    responses = np.empty((N_STEPS, ORDER))
    now = B[:, 0]
    for k in reversed(range(N_STEPS)):
        responses[k] = now
        now = A @ now
    return np.asarray(x @ responses, np.float32)


def train(x: Features, labels: NDArray[np.int64], epochs: int) -> dict[str, NDArray[np.float64]]:
    """Arrays of ``CELL``, of the epoch that is best on what training left out."""
    from edgemem.frameworks import tf

    tf.keras.utils.set_random_seed(0)
    states = final_states(x)
    # one input gain and units of like size for the classifier; the gains go back into W_m
    gain = 1.0 / states[:N_TRAIN].std(axis=0)
    states *= gain
    hidden = tf.keras.layers.Dense(N_UNITS, "relu")
    top = tf.keras.layers.Dense(N_CLASSES)
    model = tf.keras.Sequential([hidden, tf.keras.layers.Dropout(0.3), top])
    rate = tf.keras.optimizers.schedules.CosineDecay(2e-3, epochs * (N_TRAIN // 250))
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    best: tuple[float, list[NDArray[np.float64]]] = (0.0, [])
    for epoch in range(epochs):
        model.fit(states[:N_TRAIN], labels[:N_TRAIN], 250, 1, verbose=0)
        share = model.evaluate(states[N_TRAIN:], labels[N_TRAIN:], 1000, verbose=0)[1]
        print(f"epoch {epoch + 1}: validation {share:.2%}", flush=True)
        if share > best[0]:
            best = share, [w.astype(np.float64) for w in model.get_weights()]
    W, b, V, c = best[1]
    return {
        "0.lmu.e_x": np.ones((1, 1)),
        "0.lmu.W_m": W.T * gain,
        "0.lmu.b": b,
        "1.dense.W": V.T,
        "1.dense.b": c,
    }


def classified(arrays: Mapping[str, NDArray[np.float64]], states: Features) -> NDArray[np.int64]:
    """Decisions of the two layers behind final states (n, order)."""
    hidden = np.maximum(states @ arrays["0.lmu.W_m"].T + arrays["0.lmu.b"], 0.0)
    return np.asarray((hidden @ arrays["1.dense.W"].T + arrays["1.dense.b"]).argmax(axis=1))


def integer_labels(program: Program, x: Features) -> NDArray[np.int64]:
    ops, states = IntegerOps(program), program.zero_state((len(x),))
    for t in range(N_STEPS):
        states, values = ops.step(states, ops.quantize(x[:, t : t + 1]))
    return np.asarray(values[program.output].argmax(axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--activations", default="int8")
    args = parser.parse_args()

    x, labels = sequences(args.data, "train")
    # numpy gives a name without an ending its own
    path = args.out if args.out.suffix == ".npz" else args.out.with_name(args.out.name + ".npz")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **train(x, labels, args.epochs))
    with np.load(path) as stored:
        arrays = dict(stored)
    graph = trace(CELL, arrays)
    calibration = x[:N_CALIBRATION, :, None]
    built = build(graph, Scheme(args.activations), calibration)

    x, labels = sequences(args.data, "t10k")
    x, labels = x[: args.test], labels[: args.test]
    start = time.perf_counter()
    batches = [x[i : i + BATCH] for i in range(0, len(x), BATCH)]
    found = {
        "float": classified(arrays, final_states(x)),
        args.activations: np.concatenate([integer_labels(built.program, b) for b in batches]),
    }
    seconds = time.perf_counter() - start
    weights = sum(a.size for n, a in built.program.arrays.items() if n.endswith("weight"))
    print(f"{len(x)} test digits, {seconds:.0f} s; {weights} weight bytes, zeros counted")
    for name, got in found.items():
        print(f"{name}: {np.mean(got == labels):.2%}")
    print(f"same decision: {np.mean(found['float'] == found[args.activations]):.2%}")


if __name__ == "__main__":
    main()
