#!/usr/bin/env python3
"""Training throughput of two stacks of frameworks, by turns on one machine.

A stack is an interpreter and a checkout of edgemem that trains with what is installed there. Each
turn is a process of each stack, which trains every cell fused in NengoDL on the drawn sequences of
training_throughput.py (case "frames"); the median of turns is kept. CPU seconds of an import of all
that trains, and of a whole process, are measured in the same turns.

usage: stacks.py --out FILE.json [--units N ...] [--turns N] NAME=PYTHON=CHECKOUT NAME=...
       stacks.py --table FILE.json
       stacks.py --demos FILE.json     (a list of what scripts/demo leaves in demo.json)
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

WORKER = """
import json, os, sys, time, warnings
from contextlib import ExitStack
from dataclasses import replace
warnings.filterwarnings("ignore")
import edgemem.train.run
import tensorflow as tf
tf.get_logger().setLevel("ERROR")
from importlib.metadata import version
from training_throughput import CASES, medians
from throughput_forms import FUSED, made
case = replace(CASES["frames"], n_units=int(sys.argv[1]))
x, y = case.sequences(case.most)
with ExitStack() as opened:
    cells = [cell for cell, form in case.forms() if form == FUSED]
    fits = {cell: made(case, cell, FUSED, x, y, opened) for cell in cells}
    rates = medians(fits, case, 3, 1.0)
names = ("tensorflow", "nengo", "nengo-dl", "numpy")
versions = {"python": sys.version.split()[0], **{name: version(name) for name in names}}
print(json.dumps({"rates": rates, "versions": versions}))
"""
IMPORT = """
import os
import edgemem.train.run
print(sum(os.times()[:4]))
"""


def told(python: str, checkout: Path, code: str, *arguments: str) -> Any:
    """What one process of a stack measures."""
    parts = (checkout, checkout / "targets", checkout / "scripts/benchmarks")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, parts)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # what is imported first is what lies in the folder that it runs in
    done = subprocess.run(
        [python, "-c", code, *arguments],
        cwd=checkout,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def import_cost(python: str, checkout: Path) -> float:
    """CPU seconds of a process that imports all that trains, its children's included."""
    told(python, checkout, IMPORT)  # compiles
    return statistics.median(told(python, checkout, IMPORT) for _ in range(3))


def measure(stacks: dict[str, tuple[str, Path]], units: list[int], turns: int) -> dict[str, Any]:
    """Medians of turns, for each stack and width."""
    about: dict[str, Any] = {
        name: {"rates": {}, "import_cpu_s": import_cost(*stack)} for name, stack in stacks.items()
    }
    for n_units in units:
        kept: dict[str, list[dict[str, Any]]] = {name: [] for name in stacks}
        for number in range(turns):
            for name, (python, checkout) in stacks.items():
                kept[name].append(told(python, checkout, WORKER, str(n_units)))
                print(f"{n_units} units, turn {number + 1}/{turns}: {name}", file=sys.stderr)
        for name, found in kept.items():
            about[name]["versions"] = found[0]["versions"]
            about[name]["rates"][str(n_units)] = {
                cell: statistics.median(one["rates"][cell] for one in found)
                for cell in found[0]["rates"]
            }
    return about


def table(about: dict[str, Any]) -> str:
    """The figures in Markdown: the second stack against the first."""
    old, new = about["stacks"]
    first, second = about["stacks"][old], about["stacks"][new]
    lines = [
        f"| units | cell | {old}, samples/s | {new}, samples/s | {new} / {old} |",
        "| --- | --- | --- | --- | --- |",
    ]
    for n_units, rates in first["rates"].items():
        for cell, rate in rates.items():
            if cell != "limit":
                other = second["rates"][n_units][cell]
                lines.append(
                    f"| {n_units} | {cell} | {rate:,.0f} | {other:,.0f} | {other / rate:.2f} |"
                )
    for name, one in about["stacks"].items():
        versions = ", ".join(f"{package} {found}" for package, found in one["versions"].items())
        lines += ["", f"{name}: {versions}; an import takes {one['import_cpu_s']:.1f} CPU seconds"]
    lines += ["", f"{about['date']}, load {about['load']:.1f}, {about['turns']} turns."]
    return "\n".join(lines)


def demos(runs: list[dict[str, Any]]) -> str:
    """Runs of the demonstration in Markdown."""
    lines = [
        "| Python | TensorFlow, Nengo, NumPy | seconds | cell | float | int8 | file |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for run in runs:
        found = run["versions"]
        about = f"{found['tensorflow']}, {found['nengo']}, {found['numpy']}"
        for row in run["rows"]:
            lines.append(
                f"| {found['python']} | {about} | {run['seconds']} | {row['cell']} | "
                f"{row['float']} | {row['int8']} | {row['file']} |"
            )
    return "\n".join([*lines, "", f"{runs[0]['command']}, {runs[0]['date']}."])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stack", nargs="*", help="NAME=PYTHON=CHECKOUT, the older first")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--demos", type=Path)
    parser.add_argument("--units", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    if options.demos:
        print(demos(json.loads(options.demos.read_text())))
        return
    if options.table:
        print(table(json.loads(options.table.read_text())))
        return
    if len(options.stack) != 2 or options.out is None:
        parser.error("needs two stacks and --out")
    stacks = {}
    for text in options.stack:
        name, python, checkout = text.split("=", 2)
        stacks[name] = (python, Path(checkout).resolve())
    about = {
        "command": "scripts/benchmarks/stacks.py",
        "date": datetime.date.today().isoformat(),
        "load": os.getloadavg()[0],
        "turns": options.turns,
        "seed": 0,
        "stacks": measure(stacks, options.units, options.turns),
    }
    options.out.write_text(json.dumps(about, indent=1) + "\n")
    print(table(about))


if __name__ == "__main__":
    main()
