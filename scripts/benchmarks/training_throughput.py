#!/usr/bin/env python3
"""Training throughput of every cell in its forms, and the share of the machine's limit it reaches.

Three cases. "frames": 98 steps of 40 features, batches of 64, 12 labels, every cell with 64 and
with 128 units, LMUs with one memory of order 12. "picture": 784 steps of 1 feature, batches of 100,
10 labels, the LMU without feedback with 346 units and one memory of order 468. "long": 10,000 steps
of 2 features, batches of 50, 128 units. All networks are read at the last step and train on the
same drawn sequences with Adam, in one process, by turns: the NengoDL forms through
``Simulator.fit``, the others through Keras' own. Tracing and compilation come before, and a round
is timed from the end of its first batch to the end of its last, as an epoch has hundreds; the
median of rounds is printed.

The limit is what the machine does in products of 1024 x 1024 matrices, measured in the same turns;
the share is that of the products that the training of a sequence takes at least (forward, and
backward without the gradient of the data) in a second. The peak memory of a form is that of a
process of its own that trains on three batches; importing TensorFlow and NengoDL takes the part
that stands under the table.

usage: training_throughput.py [--case frames|picture|long ...] [--units N ...] [--rounds N]
                              [--seconds S] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
import warnings
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from throughput_forms import KERAS, KERAS_LMU, OTHERS, PARALLEL, STEPPED, Case, Fit, flop, made

CASES = {
    "frames": Case(98, 40, 64, 12, 12, 64, tuple(OTHERS)),
    "picture": Case(784, 1, 346, 468, 10, 100, (PARALLEL,)),
    "long": Case(10_000, 2, 128, 1, 2, 50, ("LEM", "LSTM"), without=(STEPPED,), most=4),
}
QUICK = {
    "frames": Case(6, 3, 4, 2, 3, 4, tuple(OTHERS)),
    "picture": Case(12, 1, 4, 3, 3, 4, (PARALLEL,)),
    "long": Case(50, 2, 4, 1, 2, 4, ("LEM", "LSTM"), without=(STEPPED,), most=4),
}
UNITS = (64, 128)
"""Widths in the case of frames."""

Peaks = dict[tuple[str, str], float]

LIMIT, SIDE = "limit", 1024
FEWEST_BATCHES = 3


def rate_of(fit: Fit, case: Case, batches: int) -> float:
    """Samples per second between the first and the last batch of a fit."""
    ends: list[float] = []
    fit(batches, lambda batch, logs: ends.append(time.perf_counter()))
    return case.batch * (len(ends) - 1) / (ends[-1] - ends[0])


def limit(seconds: float) -> float:
    """Floating-point operations per second of large products."""
    from edgemem.frameworks import tf

    a = tf.random.stateless_normal([SIDE, SIDE], [0, 0])
    tf.matmul(a, a).numpy()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        tf.matmul(a, a).numpy()
        count += 1
    return 2.0 * SIDE**3 * count / (time.perf_counter() - began)


def medians(fits: dict[str, Fit], case: Case, rounds: int, seconds: float) -> dict[str, float]:
    """Samples per second of each form and the limit, median of rounds by turns."""
    batches = {}
    for name, fit in fits.items():
        rate_of(fit, case, FEWEST_BATCHES)  # traces and compiles
        wanted = int(seconds * rate_of(fit, case, FEWEST_BATCHES) / case.batch)
        batches[name] = min(max(wanted, FEWEST_BATCHES), case.most)
    found: dict[str, list[float]] = {name: [] for name in (LIMIT, *fits)}
    for turn in range(rounds):
        found[LIMIT].append(limit(seconds / 4))
        for name, fit in fits.items():
            found[name].append(rate_of(fit, case, batches[name]))
            message = f"round {turn + 1}/{rounds}: {name}, {found[name][-1]:,.0f} samples/s"
            print(message, file=sys.stderr)
    return {name: float(np.median(values)) for name, values in found.items()}


def measure(key: str, case: Case, peaks: Peaks, rounds: int, seconds: float) -> dict[str, Any]:
    """Figures of a case: the limit, and a row for each form."""
    rates = rates_of(case, rounds, seconds)
    rows = []
    for cell, form in case.forms():
        rate = rates[f"{cell} | {form}"]
        ratios = {
            "over_stepped": rates.get(f"{cell} | {STEPPED}"),
            "over_keras_lmu": rates.get(f"{cell} | {KERAS_LMU}"),
            "over_lstm": rates.get(f"LSTM | {KERAS}"),
        }
        done = rate * flop(case, cell)
        rows.append(
            {
                "cell": cell,
                "form": form,
                "samples_per_second": rate,
                "gflop_per_second": done / 1e9,
                "share": done / rates[LIMIT],
                "peak_mib": peaks[cell, form],
                **{name: rate / other if other else None for name, other in ratios.items()},
            }
        )
    return {
        "case": key,
        "n_steps": case.n_steps,
        "n_in": case.n_in,
        "n_units": case.n_units,
        "limit_gflop_per_second": rates[LIMIT] / 1e9,
        "imports_mib": peaks["", ""],
        "rows": rows,
    }


def rates_of(case: Case, rounds: int, seconds: float) -> dict[str, float]:
    """Samples per second of each form of a case, and the limit."""
    from edgemem.frameworks import tf

    tf.get_logger().setLevel("ERROR")
    x, y = case.sequences(case.most)
    with ExitStack() as opened:
        fits = {" | ".join(f): made(case, *f, x, y, opened) for f in case.forms()}
        return medians(fits, case, rounds, seconds)


def peaks_of(key: str, case: Case, quick: bool) -> Peaks:
    """Peak memory in MiB of a process that trains a form on three batches, for each form.

    Under ("", "") stands that of the imports alone. To be asked while this process is small: the
    peak of a child begins with the size of its parent.
    """
    found = {}
    for cell, form in (("", ""), *case.forms()):
        asked = json.dumps([key, case.n_units, cell, form, quick])
        command = [sys.executable, __file__, "--peak", asked]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        found[cell, form] = float(told)
    return found


def print_peak(asked: str) -> None:
    """What :func:`peaks_of` asks for."""
    key, n_units, cell, form, quick = json.loads(asked)
    case = replace((QUICK if quick else CASES)[key], n_units=n_units)
    # its import is a part of every peak
    from edgemem.frameworks import tf

    tf.get_logger().setLevel("ERROR")
    if form:
        x, y = case.sequences(FEWEST_BATCHES)
        with ExitStack() as opened:
            made(case, cell, form, x, y, opened)(FEWEST_BATCHES, lambda batch, logs: None)
    # not ru_maxrss, which begins with that of the process that started this one
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1024)


def table(found: list[dict[str, Any]]) -> str:
    """The figures in Markdown."""
    lines = []
    for one in found:
        lines += [
            f"{one['n_steps']} x {one['n_in']}, {one['n_units']} units; limit "
            f"{one['limit_gflop_per_second']:.0f} GFLOP/s; imports {one['imports_mib']:.0f} MiB",
            "",
            "| cell | form | samples/s | GFLOP/s | share of the limit | peak MiB | times stepped | "
            "times keras-lmu | times a Keras LSTM |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for row in one["rows"]:
            ratios = (row["over_stepped"], row["over_keras_lmu"], row["over_lstm"])
            cells = " | ".join("" if r is None else f"{r:,.{0 if r >= 10 else 2}f}" for r in ratios)
            lines.append(
                f"| {row['cell']} | {row['form']} | {row['samples_per_second']:,.0f} | "
                f"{row['gflop_per_second']:.2f} | {row['share']:.1%} | {row['peak_mib']:.0f} | "
                f"{cells} |"
            )
        lines.append("")
    packages = ("tensorflow", "nengo-dl", "keras-lmu")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = os.getloadavg()[0]
    return "\n".join(
        [*lines, f"{datetime.date.today()}; {os.cpu_count()} cores, load {load:.1f}; {versions}"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--case", nargs="+", choices=sorted(CASES), default=sorted(CASES))
    parser.add_argument("--units", nargs="+", type=int, default=list(UNITS), help="of frames")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="about, of a form in a round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore")
    if options.peak:
        print_peak(options.peak)
        return
    cases = QUICK if options.quick else CASES
    rounds, seconds = (1, 0.05) if options.quick else (options.rounds, options.seconds)
    wanted = [
        (key, replace(cases[key], n_units=n))
        for key in options.case
        for n in (options.units if key == "frames" and not options.quick else [cases[key].n_units])
    ]
    peaks = [peaks_of(key, case, options.quick) for key, case in wanted]
    found = [measure(*one, peak, rounds, seconds) for one, peak in zip(wanted, peaks)]
    print(json.dumps(found) if options.json else table(found))


if __name__ == "__main__":
    main()
