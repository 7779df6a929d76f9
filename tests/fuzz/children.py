"""Damaged artefacts in a process of their own, which may die: what became of each.

Run as a program it fuzzes the flatbuffers of TFLite files:

usage: children.py [--damage KIND] [--cases N] [--seed S] [--keep FOLDER] FILE.tflite ...
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np

from edgemem import artefact, target
from edgemem.artefact import PAYLOAD, Artefact
from edgemem.errors import EdgememError

LIMIT = 20.0
"""Seconds that one file may take, kernels of both kinds together."""

MEMORY = 300 << 20
"""Bytes that a process may have held at most."""

FRESH = 2000
"""Files after which a child is replaced, so that its peak memory means something."""

HARMLESS = ("ok", "refused")


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    ``kind`` is "ok", "refused" (an EdgememError), "traceback", "signal", "timeout" or "memory".
    """

    kind: str
    detail: str = ""


def resealed(opened: Artefact, payload: bytes) -> bytes:
    """The file of ``opened`` with another payload and the digest that fits it."""
    digests = {**opened.manifest["sha256"], PAYLOAD: artefact._digest(payload)}
    manifest = {**opened.manifest, "sha256": digests}
    return artefact.to_bytes(replace(opened, payload=payload, manifest=manifest))


class Child:
    """A process that opens and runs one file after the other; a new one follows a dead one."""

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit = limit
        self._process: subprocess.Popen[bytes] | None = None
        self._done = 0
        self.peak = 0
        """Bytes of the largest process so far."""

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, data: bytes) -> Outcome:
        """Open ``data`` as an edgemem user does, and take three steps with both sorts of kernel."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(struct.pack("<I", len(data)) + data)
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
        if answer["peak"] > MEMORY and answer["kind"] in HARMLESS:
            self._end()
            return Outcome("memory", f"{answer['peak'] >> 20} MB")
        return Outcome(answer["kind"], answer["detail"])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._done >= FRESH:
            self._end()
            self._done = 0
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__)), "--child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        self._done += 1
        return self._process

    def _died(self, process: subprocess.Popen[bytes]) -> Outcome:
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


# inside the child


def exercise(path: Path) -> None:
    """What ``run`` and ``verify`` do with a file."""
    opened = artefact.read(path)
    for reference_kernels in (False, True):
        runner = target.load(opened, reference_kernels)
        runner.reset()
        for x in np.random.default_rng(0).normal(size=(3, runner.n_in)).astype(np.float32):
            y = runner.step(x)
            assert y.shape == (runner.n_out,)
        runner.reset()
        if isinstance(runner, target.Inspectable):
            runner.tensors()
            float(runner.output_scale or 0.0)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an interpreter prints is no answer
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network"
        while True:
            head = sys.stdin.buffer.read(4)
            if len(head) < 4:
                return
            path.write_bytes(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))
            kind, detail = _outcome(path)
            answers.write(json.dumps({"kind": kind, "detail": detail, "peak": _peak()}) + "\n")
            answers.flush()


def _peak() -> int:
    """Bytes that this program held at most; getrusage counts those of its parent as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _outcome(path: Path) -> tuple[str, str]:
    try:
        exercise(path)
    except EdgememError as error:
        return "refused", str(error).replace(str(path), "FILE")
    except BaseException:  # noqa: BLE001
        return "traceback", traceback.format_exc()
    return "ok", ""


# the program


def fuzz(
    files: list[Path],
    mutate: Callable[[bytes, np.random.Generator], bytes],
    cases: int,
    seed: int,
    keep: Path | None = None,
    log: IO[str] = sys.stdout,
) -> Counter[str]:
    """Count what becomes of ``cases`` damaged files; case i is drawn from ``(seed, i)``."""
    opened = [artefact.read(path) for path in files]
    counts: Counter[str] = Counter()
    begun = time.monotonic()
    with Child() as child:
        for i in range(cases):
            rng = np.random.default_rng((seed, i))
            one = opened[int(rng.integers(len(opened)))]
            data = resealed(one, mutate(one.payload, rng))
            outcome = child.run(data)
            counts[outcome.kind] += 1
            if outcome.kind not in HARMLESS:
                print(f"case {i} of {one.origin}: {outcome}", file=log, flush=True)
                if keep is not None:
                    (keep / f"{seed}-{i}.tflite").write_bytes(data)
            if i % 5000 == 4999:
                print(
                    i + 1, dict(counts), f"{time.monotonic() - begun:.0f} s", file=log, flush=True
                )
        print(f"{cases} cases, seed {seed}: {dict(counts)}, peak {child.peak >> 20} MB", file=log)
    return counts


def _neighbour(name: str) -> ModuleType:
    """The module of that name beside this file, whatever else has it."""
    spec = importlib.util.spec_from_file_location(
        f"fuzz_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--damage", choices=("flatbuffers", "networks"), default="flatbuffers")
    asked = parser.parse_args()
    counts = fuzz(asked.files, _neighbour(asked.damage).mutate, asked.cases, asked.seed, asked.keep)
    return int(set(counts) - set(HARMLESS) != set())


if __name__ == "__main__":
    sys.path.pop(0)  # a neighbour has the name of a package
    if sys.argv[1:] == ["--child"]:
        _serve()
    else:
        sys.exit(main())
