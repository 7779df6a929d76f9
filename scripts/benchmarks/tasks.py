#!/usr/bin/env python3
"""The tasks of the papers, cell by cell, each trained as its recipe says and tested once.

usage: tasks.py OUT [--data DIR] [--only GROUP ...] [--seeds N] [--json] [--list]

OUT gets a model and a result for each run; a run whose result is there is not repeated, and one
that was cut goes on from its checkpoint. DIR holds the sets that are not made: mnist_idx,
sktime_ts, tinyshakespeare.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A network on a task.

    Parameters
    ----------
    group : str
        What is compared: one table.
    task, recipe : str
    arguments : tuple of str
        Further ones of ``edgemem train TASK``.
    data : str
        Below the folder of data; empty for none.
    seeds : int
        Seeds 0, 1, ...
    published : str
        The figure of the paper, as it is printed in the table.
    """

    group: str
    task: str
    recipe: str
    arguments: tuple[str, ...] = ()
    data: str = ""
    seeds: int = 1
    published: str = ""

    @property
    def name(self) -> str:
        return f"{self.group}-{self.recipe}"

    def command(self, data: Path, out: Path, seed: int) -> list[str]:
        """The command of a run, without what says how it reports."""
        where = ["--data", str(data / self.data)] if self.data else []
        said = ["train", self.task, "--recipe", self.recipe, *where, *self.arguments]
        return [*said, "--seed", str(seed), "--test", "--out", str(out)]


CELLS = ("lmu", "lem", "lstm", "gru")


def _four(group: str, task: str, *arguments: str, **values: Any) -> Iterator[Case]:
    for cell in CELLS:
        yield Case(group, task, cell, arguments, **values)


CASES: tuple[Case, ...] = (
    Case("psmnist", "psmnist", "lmu", (), "mnist_idx", 1, "98.49 % (165k parameters)"),
    Case("fitzhugh-nagumo", "fitzhugh-nagumo", "lem", published="2.38e-3"),
    Case("fitzhugh-nagumo", "fitzhugh-nagumo", "lem-paper", published="2.38e-3"),
    *(Case("fitzhugh-nagumo", "fitzhugh-nagumo", cell) for cell in ("lmu", "lstm", "gru")),
    Case("adding-2000", "adding", "lem-small", published="1.1e-5 (128 units, 30,000 steps)"),
    Case("adding-2000", "adding", "lstm-small"),
    Case("mackey-glass", "mackey-glass", "lmu", published="0.0487"),
    Case("mackey-glass", "mackey-glass", "hybrid", published="0.0447"),
    Case("mackey-glass", "mackey-glass", "lstm", published="0.0587"),
    *_four("japanese-vowels", "ucr", "--problem", "JapaneseVowels", data="sktime_ts", seeds=3),
    *_four("basic-motions", "ucr", "--problem", "BasicMotions", data="sktime_ts", seeds=3),
    *_four("char", "char", data="tinyshakespeare/input.txt", seeds=3),
)


@dataclass(frozen=True)
class Row:
    """What the seeds of a case came to."""

    case: Case
    found: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)

    def cells(self) -> list[str]:
        """The row of a table."""
        from edgemem.train.tasks.metrics import METRICS

        metric = METRICS[self.found[0]["metric"]]
        values = {part: [run[part] for run in self.found] for part in ("validation", "test")}
        minutes = np.mean([run["seconds"] for run in self.found]) / 60.0
        return [
            self.case.recipe,
            f"{self.found[0]['parameters']:,}",
            *(_spread(metric.shown, values[part]) for part in ("validation", "test")),
            str(len(self.found)),
            f"{np.mean([run['epochs'] for run in self.found]):.0f}",
            f"{minutes:.1f}",
            self.case.published,
        ]


def _spread(shown: Any, values: Sequence[float]) -> str:
    if len(values) == 1:
        return str(shown(values[0]))
    return f"{shown(float(np.mean(values)))} ± {shown(float(np.std(values, ddof=1)))}"


def run_case(case: Case, data: Path, out: Path, seed: int) -> Mapping[str, Any]:
    """The result of a run, from its file if it is there."""
    result = out / f"{case.name}-{seed}.json"
    if not result.exists():
        model = out / f"{case.name}-{seed}.model"
        again = ["--resume"] if model.with_name(model.name + ".checkpoint").exists() else []
        command = case.command(data, model, seed)
        print(f"{datetime.datetime.now():%T}  edgemem {' '.join(command)}", file=sys.stderr)
        edgemem = [sys.executable, "-m", "edgemem.cli"]
        done = subprocess.run(
            [*edgemem, *command, *again, "--quiet", "--json"], stdout=subprocess.PIPE, check=True
        )
        dated = {**json.loads(done.stdout), "date": str(datetime.date.today()), "seed": seed}
        result.write_text(json.dumps(dated))
    found: Mapping[str, Any] = json.loads(result.read_text())
    return found


def table(rows: Sequence[Row]) -> str:
    """A Markdown table for each group."""
    lines: list[str] = []
    for group in dict.fromkeys(row.case.group for row in rows):
        of_group = [row for row in rows if row.case.group == group]
        metric = of_group[0].found[0]["metric"]
        head = ("recipe", "parameters", f"validation {metric}", f"test {metric}")
        head = (*head, "seeds", "epochs", "minutes", "published")
        lines += [f"### {group}", "", _line(head), _line(["---"] * len(head))]
        lines += [*(_line(row.cells()) for row in of_group), ""]
    return "\n".join([*lines, f"{datetime.date.today()}; {os.cpu_count()} cores"])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--only", nargs="+", help="groups, or group-recipe")
    parser.add_argument("--seeds", type=int, help="at most that many")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true", help="say what would run")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    chosen = [
        case for case in CASES if not options.only or {case.group, case.name} & {*options.only}
    ]
    if options.list:
        print("\n".join(case.name for case in chosen))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for case in chosen:
        seeds = range(min(case.seeds, options.seeds or case.seeds))
        found = tuple(run_case(case, options.data, options.out, seed) for seed in seeds)
        rows.append(Row(case, found))
    if options.json:
        print(json.dumps([{"case": row.case.name, "runs": row.found} for row in rows]))
    else:
        print(table(rows))


if __name__ == "__main__":
    main()
