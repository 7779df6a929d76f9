"""Files that are read in a process of their own, which may die: what became of each."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 60.0
"""Seconds that one file may take, its making included."""

FRESH = 5000
"""Files after which a child is replaced, so that its peak memory means something."""

HARMLESS = ("ok", "refused")


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    ``kind`` is "ok", "refused" (an EdgememError), "traceback", "signal", "timeout" or "memory".
    """

    kind: str
    detail: str = ""


class Child:
    """A process that makes and reads one file after the other; a new one follows a dead one."""

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._process: subprocess.Popen[str] | None = None
        self._done = 0
        self.peak = 0
        """Bytes of the largest process so far."""

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, kind: str, seed: int, number: int, keep: Path | None = None) -> Outcome:
        """What becomes of file ``number`` of a kind, drawn from ``(seed, number)``."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        asked = [kind, seed, number, None if keep is None else str(keep)]
        try:
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._died(process)
        ready, _, _ = select.select([process.stdout], [], [], self._limit)
        if not ready:
            process.kill()
            self._end()
            return Outcome("timeout", f"{self._limit} s")
        line = process.stdout.readline()
        if not line:
            return self._died(process)
        answer: dict[str, Any] = json.loads(line)
        self.peak = max(self.peak, int(answer["peak"]))
        return Outcome(answer["kind"], answer["detail"])

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._done >= FRESH:
            self._end()
            self._done = 0
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fuzzing.children"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=Path(__file__).parents[1],
            )
        self._done += 1
        return self._process

    def _died(self, process: subprocess.Popen[str]) -> Outcome:
        code = process.wait()
        self._end()
        return Outcome("signal", f"signal {-code}" if code < 0 else f"exit {code}")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            process.wait()


def fuzz(
    kind: str,
    numbers: range,
    seed: int,
    keep: Path | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Counter[str], int]:
    """What became of so many files of a kind, counted, and the peak of memory in bytes."""
    counts: Counter[str] = Counter()
    with Child() as child:
        for number in numbers:
            outcome = child.run(kind, seed, number)
            counts[outcome.kind] += 1
            if outcome.kind not in HARMLESS:
                say(f"{kind} {number} of seed {seed}: {outcome.kind} {outcome.detail}")
                if keep is not None:
                    child.run(kind, seed, number, keep)
        return counts, child.peak


# inside the child


def _serve() -> None:
    from edgemem import target
    from fuzzing.cases import CASES

    # what is installed does not change here, and looking takes longer than reading a file
    target.available = cache(target.available)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an interpreter prints is no answer
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        for line in sys.stdin:
            kind, seed, number, keep = json.loads(line)
            case = CASES[kind]
            path = case.make(np.random.default_rng((seed, number)), Path(scratch))
            if keep is not None:
                (Path(keep) / f"{kind}-{seed}-{number}").write_bytes(path.read_bytes())
            _forget_peak()
            what, detail = _outcome(case.read, path)
            peak = _peak()
            answers.write(json.dumps({"kind": what, "detail": detail, "peak": peak}) + "\n")
            answers.flush()


def _peak() -> int:
    """Bytes that this process has held at most; what getrusage says may be its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) * 1024


def _forget_peak() -> None:
    """Let the peak begin anew: making a file may have taken more than reading it will."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _outcome(read: Callable[[Path], None], path: Path) -> tuple[str, str]:
    from edgemem.errors import EdgememError

    try:
        read(path)
    except EdgememError as error:
        return "refused", str(error)
    except BaseException:  # noqa: BLE001
        return "traceback", traceback.format_exc()
    return "ok", ""


if __name__ == "__main__":
    _serve()
