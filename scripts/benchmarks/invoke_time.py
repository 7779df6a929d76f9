#!/usr/bin/env python3
"""Time of `invoke` alone: the same network in several interpreters, by turns in one process.

Machines like these are noisy: only ratios within a run are read. Each round gives every pair of
interpreter and file some hundreds of steps, in an order that turns round, and the median of the
rounds' ratios to the first pair is what counts.

usage: invoke_time.py [--rounds N] [--steps N] [--json FILE] NAME=FILE.tflite ...

Interpreters are those of ai-edge-litert and tflite-runtime that are installed here; NAME tells
files apart, one of which may have been written by another edgemem.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from edgemem import artefact
from edgemem_tflite import interpreter

MODULES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = dict(text.split("=", 1) for text in options.files)
    there = [m for m in MODULES if importlib.util.find_spec(m.partition(".")[0])]
    opened = {(m, name): open_with(m, file) for m in there for name, file in files.items()}
    taken = measure(opened, options.rounds, options.steps)
    rows = [row(opened[pair], pair[1], times, taken) for pair, times in taken.items()]
    print("| network | interpreter | us, least | of the first |\n|---|---|---|---|")
    for r in rows:
        print(f"| {r['network']} | {r['engine']} | {r['least']:.2f} | {r['ratio']:.2f} |")
    if options.json:
        facts = {
            "date": f"{datetime.date.today()}",
            "processor": platform.machine(),
            "python": platform.python_version(),
            "rounds": options.rounds,
            "steps": options.steps,
        }
        options.json.write_text(json.dumps({**facts, "rows": rows}, indent=1) + "\n", "utf-8")


def open_with(module: str, file: str) -> Any:
    """As edgemem opens it, in that interpreter."""
    interpreter.MODULES = (module,)
    made = interpreter.open_interpreter(artefact.read(file).payload, file)
    for _ in range(300):
        made.invoke()
    return made


def measure(opened: dict[Any, Any], rounds: int, steps: int) -> dict[Any, list[float]]:
    """Microseconds of a step in each round."""
    taken: dict[Any, list[float]] = {pair: [] for pair in opened}
    for i in range(rounds):
        pairs = list(opened)
        turned = pairs[i % len(pairs) :] + pairs[: i % len(pairs)]
        for pair in turned:
            invoke = opened[pair].invoke
            start = time.perf_counter()
            for _ in range(steps):
                invoke()
            taken[pair].append(1e6 * (time.perf_counter() - start) / steps)
    return taken


def row(made: Any, name: str, times: list[float], taken: dict[Any, list[float]]) -> dict[str, Any]:
    first = next(iter(taken.values()))
    ratio = statistics.median(a / b for a, b in zip(times, first))
    engine = interpreter.engine(made, False)
    return {"network": name, "engine": engine, "least": min(times), "ratio": ratio}


if __name__ == "__main__":
    main()
