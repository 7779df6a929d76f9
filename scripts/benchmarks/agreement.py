#!/usr/bin/env python3
"""How far runtimes and processors agree on a network's integers: the tables of docs/agreement.md.

Each pretrained network is converted afresh; clips of a folder are streamed whole, the state carried
through each. The integer semantics (edgemem.quantize.IntegerOps) are what everything is held
against: the targets in NumPy and C, and TFLite with its fast kernels (as edgemem opens a file),
without any delegate, and with its reference kernels.

A second table takes single operations: a copy of the file gives all tensors out, and each
operation's result is held against what the semantics make of the operation's own inputs there. A
third one holds the fast kernels of the other runtimes against those of this Python's.

usage: agreement.py DATA [--clips N] [--traced N] [--only NETWORK ...]
                    [--python 'NAME=COMMAND'] ... [--slow 'NAME=COMMAND'] ... [--slow-clips N]

DATA is a folder of recordings, a folder a word. COMMAND starts another Python that has NumPy and an
interpreter; --slow is for one under emulation, which gets fewer clips. This Python takes part with
its own interpreter and, where TensorFlow is installed, with TensorFlow's.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgemem import conversion, pretrained, target
from edgemem.evaluate.pair import hear, recordings
from edgemem.model import load
from edgemem.quantize import IntegerOps, Program, build
from edgemem.quantize.scheme import choose
from edgemem.runtime.detector import decide
from edgemem.runtime.network import open_network
from edgemem.verification import equal_steps, last_places

HERE = "this machine"
NONE = "none"
ENGINE = "runtime, processor"
"""Head of the column by which rows are brought together."""
WORKER = Path(__file__).with_name("agreement_worker.py")
TFLITE = ("default", "plain", "reference")
KERNELS = {
    "default": "fast",
    "plain": "fast, no delegate",
    "reference": "reference",
    "tensorflow": "fast",
    "tensorflow-reference": "reference",
}


@dataclass(frozen=True)
class Python:
    """A Python that runs the worker."""

    name: str
    command: tuple[str, ...]
    slow: bool = False


@dataclass(frozen=True)
class Case:
    """A network in every form, and what its integers are.

    Parameters
    ----------
    name : str
    folder : Path
        Where its files are.
    program : Program
    x : (n, t, n_in) array
    labels : (n,) array
    window : int
        Number of logit vectors that a decision is made of.
    y : (n, t, n_out) array
        Outputs of the integer semantics.
    truth : mapping
        Every tensor of them, over the first few clips.
    """

    name: str
    folder: Path
    program: Program
    x: Any
    labels: Any
    window: int
    y: Any
    truth: Mapping[str, Any]

    @property
    def scale(self) -> float:
        """One last place of the output."""
        return float(self.program.tensors[self.program.output].form.scale)

    def file(self, form: str) -> Path:
        return self.folder / f"{self.name}.{form}"


@dataclass(frozen=True)
class Run:
    """What one runtime made of a case: outputs, and its tensors over the first few clips."""

    form: str
    kernels: str
    engine: str
    y: Any
    traced: Mapping[str, Any]


def main() -> None:
    options = arguments()
    outputs, operations, pairs = [], [], []
    with tempfile.TemporaryDirectory() as work:
        features = listen(options.data, options.clips)
        for name in options.only or pretrained.names():
            case = prepare(name, Path(work), features, options.traced)
            here: Run | None = None
            for python, form, kernels in jobs(options):
                clips = options.slow_clips if python.slow else options.clips
                print(f"{name}: {python.name}, {form}, {kernels}", file=sys.stderr)
                run = stream(case, python, form, kernels, clips, options.traced)
                if run is None:
                    continue
                outputs.append(output_row(case, run))
                if run.traced:
                    operations += operation_rows(case, run)
                if form == "tflite" and kernels in ("default", "tensorflow"):
                    if here is not None:
                        pairs.append(pair_row(case, run, here))
                    here = here or run
    print_table(
        f"network | form | kernels | {ENGINE} | clips | outputs equal "
        "| decisions equal | last places | accuracy",
        outputs,
    )
    print_table(
        f"network | operation | kernels | {ENGINE} | values | equal | last places "
        "| first difference in the stream",
        operations,
    )
    print_table(
        f"network | {ENGINE} | clips | outputs equal | decisions equal | last places "
        "| first difference",
        pairs,
    )


def arguments() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--slow-clips", type=int, default=24)
    parser.add_argument("--traced", type=int, default=4)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--slow", action="append", default=[], metavar="NAME=COMMAND")
    return parser.parse_args()


def jobs(options: Any) -> Iterator[tuple[Python, str, str]]:
    """Which Python runs which form with which kernels."""
    here = Python(HERE, (sys.executable,))
    yield here, "fixed", "default"
    if "c" in target.available():
        yield here, "c", "default"
    others = [(text, False) for text in options.python] + [(text, True) for text in options.slow]
    pythons = [here]
    for text, slow in others:
        name, _, command = text.partition("=")
        pythons.append(Python(name, tuple(shlex.split(command)), slow))
    for python in pythons:
        if python is not here:
            yield python, "fixed", "default"
        for kernels in TFLITE:
            yield python, "tflite", kernels
        if python is here and importlib.util.find_spec("tensorflow"):
            yield python, "tflite", "tensorflow"
            yield python, "tflite", "tensorflow-reference"


def listen(data: Path, clips: int) -> dict[str, Any]:
    """Feature vectors (n, t, n_in) and labels (n,) of the clips, for each network."""
    found = {}
    for name in pretrained.names():
        network = open_network(name)
        listed, _ = recordings(network, data, clips)
        heard = list(hear(listed, network.frontend, network.frontend, []))
        labels = np.array([network.labels.index(str(clip.label)) for clip in heard])
        # they are sorted by word: mixed, so that the first few are of many
        order = np.random.default_rng(0).permutation(len(heard))
        found[name] = (np.stack([heard[i].features[0] for i in order]), labels[order])
    return found


def prepare(name: str, folder: Path, features: dict[str, Any], traced: int) -> Case:
    """Convert a network to every form, and compute what its integers are."""
    model = load(pretrained.resolve(name, pretrained.MODEL))
    scheme = choose(model.scheme, "int8", "model")
    program = build(model.graph(), scheme, model.calibration.features).program
    x, labels = features[name]
    case = Case(name, folder, program, x, labels, model.detector.window, None, {})
    for form in {"fixed", "tflite", "c"} & set(target.available()):
        case.file(form).write_bytes(conversion.convert(model, form)[0])
    case.file("exposed").write_bytes(exposed(program))
    y = semantics(program, x)[program.output]
    form = program.tensors[program.output].form
    return replace(
        case, y=form.dequantize(y).astype(np.float32), truth=semantics(program, x[:traced])
    )


def semantics(program: Program, x: Any) -> dict[str, Any]:
    """Every tensor (n, t, ...) by the integer semantics."""
    ops, states = IntegerOps(program), program.zero_state((len(x),))
    rows: dict[str, list[Any]] = defaultdict(list)
    for t in range(x.shape[1]):
        states, values = ops.step(states, ops.quantize(x[:, t]))
        for name in (program.input, *(op.output for op in program.operations)):
            rows[name].append(values[name])
    return {name: np.stack(row, axis=1) for name, row in rows.items()}


def exposed(program: Program) -> bytes:
    """The TFLite network with every tensor as an output, by the names of the integer program."""
    from edgemem_tflite.flatbuffer import serialize
    from edgemem_tflite.lower import lower

    drawn = lower(program)
    names = {op.outputs[0]: drawn.tensors[op.outputs[0]].name for op in drawn.ops}
    first = next(op for op in drawn.ops if op.inputs[0] == drawn.inputs["x"])
    names[first.outputs[0]] = "x:integers"
    there = set(drawn.outputs.values())
    more = {name: tensor for tensor, name in names.items() if name and tensor not in there}
    return serialize(replace(drawn, outputs={**drawn.outputs, **more}), {})


def stream(
    case: Case, python: Python, form: str, kernels: str, clips: int, traced: int
) -> Run | None:
    """What the worker found; None with a line on standard error where it cannot run."""
    features, out = case.file("npy"), case.folder / "out.npz"
    np.save(features, case.x[:clips])
    command = [*python.command, str(WORKER), str(case.file(form)), kernels, str(features), str(out)]
    if form == "tflite":
        command += [str(case.file("exposed")), str(traced)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  cannot: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    with np.load(out) as arrays:
        found = dict(arrays)
    runtime, processor = str(found["engine"]).split("|")
    engine = f"{runtime.partition(',')[0] if form != 'c' else runtime}, {processor}"
    if python.name != HERE:
        engine += f" ({python.name})"
    shown = tensors_of(case.program, found) if form == "tflite" else {}
    if shown:
        y = found["t/y"]
        if not np.array_equal(y.reshape(found["y"][: len(y)].shape), found["y"][: len(y)]):
            print("  note: outputs change when every tensor is one", file=sys.stderr)
    return Run(form, KERNELS[kernels] if form == "tflite" else "", engine, found["y"], shown)


def tensors_of(program: Program, found: dict[str, Any]) -> dict[str, Any]:
    """The program's tensors (n, t, ...) as the runtime had them."""
    held = {}
    for key, values in found.items():
        name = program.input if key == "t/x:integers" else key[2:]
        if key.startswith("t/") and name in program.tensors and name not in program.states:
            held[name] = values
    for state, after in program.states.items():
        held.setdefault(after, found[f"t/{state}.next"])
    return {n: v.reshape(*v.shape[:2], *program.tensors[n].shape) for n, v in held.items()}


def output_row(case: Case, run: Run) -> list[str]:
    n = len(run.y)
    decisions = decide(run.y, case.window)
    accuracy = np.mean(decisions == case.labels[:n])
    who = [case.name, run.form, run.kernels, run.engine, str(n)]
    return [*who, *alike(case, run.y, case.y), f"{accuracy:.1%}"]


def pair_row(case: Case, run: Run, here: Run) -> list[str]:
    first = first_difference(case.program, run.traced, here.traced)
    who = [case.name, run.engine, str(len(run.y))]
    return [*who, *alike(case, run.y, here.y), first]


def alike(case: Case, y: Any, other: Any) -> list[str]:
    """Shares of equal outputs and decisions, and the greatest difference in last places."""
    other = other[: len(y)]
    equal = np.mean(equal_steps(y, other, case.scale))
    same = np.mean(decide(y, case.window) == decide(other, case.window))
    places = last_places(y, other, case.scale)
    return [f"{equal:.2%}", f"{same:.2%}", f"{places:.0f}"]


def operation_rows(case: Case, run: Run) -> Iterator[list[str]]:
    """For each kind of operation that differs, how often and how far, given its own inputs."""
    sums: dict[str, list[int]] = {}
    for op, y, expected in operations_of(case.program, run.traced):
        off = np.abs(y.astype(np.int64) - expected)
        total = sums.setdefault(op.kind, [0, 0, 0])
        total[0] += off.size
        total[1] += int(np.count_nonzero(off))
        total[2] = max(total[2], int(off.max()))
    first = first_difference(case.program, run.traced, case.truth)
    for kind, (count, unequal, places) in sums.items():
        if unequal:
            share = f"{1 - unequal / count:.3%}"
            yield [
                case.name,
                kind,
                run.kernels,
                run.engine,
                f"{count:,}",
                share,
                f"{places}",
                first,
            ]
    if not any(unequal for _, unequal, _ in sums.values()):
        count = sum(count for count, _, _ in sums.values())
        yield [case.name, "all", run.kernels, run.engine, f"{count:,}", "100%", "0", first]


def operations_of(program: Program, traced: Mapping[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Each operation with its result there, and what the semantics make of its inputs there."""
    held = {**program.constants, **traced}
    for state, after in program.states.items():
        later = traced[after]
        held[state] = np.concatenate([np.zeros_like(later[:, :1]), later[:, :-1]], axis=1)
    ops = IntegerOps(program)
    for op in program.operations:
        expected = ops.apply(op, held)
        if op.output in held:
            yield op, held[op.output], expected
        else:  # the same memory in another shape
            held[op.output] = expected


def first_difference(program: Program, a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """The earliest frame of any clip, and in it the first operation, where two runs differ."""
    kinds = {program.input: "input", **{op.output: op.kind for op in program.operations}}
    frames = {}
    for name in kinds:
        if name in a and name in b:
            n = min(len(a[name]), len(b[name]))
            unequal = (a[name][:n] != b[name][:n]).any(axis=(0, *range(2, a[name].ndim)))
            if unequal.any():
                frames[name] = int(unequal.argmax())
    if not frames:
        return NONE
    first = min(frames, key=lambda name: frames[name])
    return f"frame {frames[first]}, {first} ({kinds[first]})"


def print_table(head: str, rows: list[list[str]]) -> None:
    """A table; rows that differ in the runtime alone become one."""
    print(f"| {head} |\n|{'---|' * (head.count('|') + 1)}")
    place = head.split(" | ").index(ENGINE)
    merged: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        engines = merged.setdefault((*row[:place], *row[place + 1 :]), [])
        if row[place] not in engines:
            engines.append(row[place])
    for key, engines in merged.items():
        cells = [*key[:place], "; ".join(engines), *key[place:]]
        print(f"| {' | '.join(cells)} |")
    print()


if __name__ == "__main__":
    main()
