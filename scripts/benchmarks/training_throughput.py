#!/usr/bin/env python3
"""Training throughput: the fused form in NengoDL beside the stepped form, keras-lmu and an LSTM.

Every network reads 98 steps of 40 features into 64 units and gives 12 labels at the last step; the
LMUs have one memory of order 12 and every coupling of the paper. All train on the same drawn
sequences with Adam, in one process, by turns: the NengoDL forms through ``Simulator.fit``, the
others through Keras' own. Tracing and compilation come before, and a round is timed from the end of
its first batch to the end of its last, as an epoch has hundreds; the median of rounds is printed.

usage: training_throughput.py [--rounds N] [--batches N] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

LSTM, KERAS_LMU = "Keras LSTM", "keras-lmu"
FUSED, STEPPED = "{} fused, NengoDL", "{} stepped, NengoDL"


@dataclass(frozen=True)
class Task:
    """Sizes of what is trained."""

    n_steps: int = 98
    n_in: int = 40
    n_units: int = 64
    order: int = 12
    n_out: int = 12
    batch: int = 64

    def sequences(self, batches: int) -> tuple[Any, Any]:
        """Inputs (n, n_steps, n_in) and labels (n,)."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(batches * self.batch, self.n_steps, self.n_in)).astype(np.float32)
        return x, rng.integers(0, self.n_out, len(x))


Fit = Callable[..., Any]
"""``fit`` over all sequences; takes the callbacks."""


def networks_of(task: Task) -> dict[str, Any]:
    """Our networks by the name of their cell."""
    from edgemem.cells import LEM, LMU, Dense, Stack

    head = Dense(task.n_units, task.n_out)
    theta = float(task.n_steps)
    return {
        "LEM": Stack((LEM(task.n_in, task.n_units), head)),
        "LMU": Stack((LMU.paper(task.n_in, task.n_units, task.order, theta), head)),
    }


def last_step_loss(task: Task) -> Any:
    """Cross-entropy of the last logits of a sequence, however the steps are laid out."""
    import tensorflow as tf

    def loss(target: Any, output: Any) -> Any:
        logits = tf.reshape(output, [-1, task.n_steps, task.n_out])[:, -1]
        return tf.keras.losses.sparse_categorical_crossentropy(
            tf.reshape(target, [-1]), logits, from_logits=True
        )

    return loss


def fused(task: Task, stack: Any, x: Any, y: Any, opened: ExitStack) -> Fit:
    """``fit`` of the fused form."""
    from edgemem.train.fused import FusedStack
    from edgemem.train.network import fused_network

    start = stack.init(np.random.default_rng(0))
    layer = FusedStack(stack, start, task.n_steps, task.batch)
    network = fused_network(layer)
    return nengo_fit(task, network.network, network, x.reshape(len(x), 1, -1), y, opened)


def stepped(task: Task, stack: Any, x: Any, y: Any, opened: ExitStack) -> Fit:
    """``fit`` of the stepped form."""
    from edgemem import networks

    network = networks.build(stack, seed=0)
    return nengo_fit(task, network, network, x, y, opened)


def nengo_fit(task: Task, model: Any, ends: Any, x: Any, y: Any, opened: ExitStack) -> Fit:
    import nengo_dl
    import tensorflow as tf

    simulator = opened.enter_context(
        nengo_dl.Simulator(model, minibatch_size=task.batch, progress_bar=False)
    )
    simulator.compile(tf.keras.optimizers.Adam(1e-3), loss={ends.probe: last_step_loss(task)})
    target = y.reshape(-1, 1, 1)
    return partial(simulator.fit, {ends.input: x}, {ends.probe: target}, verbose=0)


def keras(task: Task, layer: Any, x: Any, y: Any) -> Fit:
    """``fit`` of a recurrent Keras layer under a dense one."""
    import tensorflow as tf

    model = tf.keras.Sequential(
        [tf.keras.Input((task.n_steps, task.n_in)), layer, tf.keras.layers.Dense(task.n_out)]
    )
    model.compile(
        tf.keras.optimizers.Adam(1e-3),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return partial(model.fit, x, y, batch_size=task.batch, verbose=0)


def keras_lmu_layer(task: Task) -> Any:
    """The LMU of the paper as keras-lmu has it."""
    import keras_lmu
    import tensorflow as tf

    return keras_lmu.LMU(
        memory_d=1,
        order=task.order,
        theta=task.n_steps,
        hidden_cell=tf.keras.layers.SimpleRNNCell(task.n_units),
        hidden_to_memory=True,
        memory_to_memory=True,
        input_to_hidden=True,
    )


def rate_of(fit: Fit, batch: int) -> float:
    """Samples per second between the first and the last batch of a fit."""
    import tensorflow as tf

    ends: list[float] = []
    watch = tf.keras.callbacks.LambdaCallback(
        on_batch_end=lambda batch, logs: ends.append(time.perf_counter())
    )
    fit(callbacks=[watch])
    return batch * (len(ends) - 1) / (ends[-1] - ends[0])


def medians(fits: dict[str, Fit], batch: int, rounds: int) -> dict[str, float]:
    """Samples per second of each form, median of rounds by turns."""
    rates: dict[str, list[float]] = {name: [] for name in fits}
    for turn in range(-1, rounds):  # one round that does not count traces and compiles
        for name, fit in fits.items():
            rate = rate_of(fit, batch)
            if turn >= 0:
                rates[name].append(rate)
            print(f"round {turn + 1}/{rounds}: {name}, {rate:,.0f} samples/s", file=sys.stderr)
    return {name: float(np.median(found)) for name, found in rates.items()}


def measure(task: Task, batches: int, rounds: int) -> list[dict[str, Any]]:
    """A row for each form."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    x, y = task.sequences(batches)
    with ExitStack() as opened:
        fits: dict[str, Fit] = {}
        for cell, stack in networks_of(task).items():
            fits[FUSED.format(cell)] = fused(task, stack, x, y, opened)
            fits[STEPPED.format(cell)] = stepped(task, stack, x, y, opened)
        fits[KERAS_LMU] = keras(task, keras_lmu_layer(task), x, y)
        fits[LSTM] = keras(task, tf.keras.layers.LSTM(task.n_units), x, y)
        rates = medians(fits, task.batch, rounds)
    rows = []
    for name, rate in rates.items():
        beside = rates.get(STEPPED.format(name.split()[0]))
        rows.append(
            {
                "form": name,
                "samples_per_second": rate,
                "over_stepped": rate / beside if beside else None,
                "over_keras_lmu": rate / rates[KERAS_LMU],
                "over_lstm": rate / rates[LSTM],
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| form | samples/s | times stepped | times keras-lmu | times a Keras LSTM |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        stepped = f"{row['over_stepped']:.1f}" if row["over_stepped"] else ""
        lines.append(
            f"| {row['form']} | {row['samples_per_second']:,.0f} | {stepped} | "
            f"{row['over_keras_lmu']:.1f} | {row['over_lstm']:.2f} |"
        )
    packages = ("tensorflow", "nengo-dl", "keras-lmu")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return "\n".join([*lines, "", f"{datetime.date.today()}; {os.cpu_count()} cores; {versions}"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=10, help="batches in a round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore")
    if options.quick:
        rows = measure(Task(6, 3, 4, 2, 3, 4), 3, 1)
    else:
        rows = measure(Task(), options.batches, options.rounds)
    print(json.dumps(rows) if options.json else table(rows))


if __name__ == "__main__":
    main()
