#!/usr/bin/env python3
"""How long a listener is silent to its watchdog, and how soon SIGTERM ends it, whatever hangs.

Runs the tests of tests/listen/test_watchdog_loop.py and writes down what they measured; needs
edgemem's test environment.

usage: listen_waits.py [--json FILE]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/listen/test_watchdog_loop.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", TESTS],
            cwd=ROOT,
            env={**os.environ, "EDGEMEM_FIGURES": str(figures)},
        )
        rows = [json.loads(line) for line in figures.read_text().splitlines()]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    found = {
        "command": "scripts/benchmarks/listen_waits.py",
        "date": str(datetime.date.today()),
        "commit": commit.stdout.strip(),
        "tests": rows,
    }
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("| what hangs | longest silence to the watchdog, s | SIGTERM answered after, s |")
    print("| --- | --- | --- |")
    for row in rows:
        print(f"| `{row['test']}` | {row['silence']:.2f} | {row['answer']:.2f} |")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
