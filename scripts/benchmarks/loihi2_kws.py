#!/usr/bin/env python3
"""Speech Commands v0.02, 12 classes, on units with graded messages (``--target loihi``).

Accuracy against messages: the threshold is the share of how far a value moves below which a change
is not sent. Every threshold is run on validation clips, which choose two points: the fewest
messages with at most 0.2, and with at most 1.0, points of accuracy lost against the int8 form. The
official test set, 4,890 clips, is then read in float, as int8 and at each threshold.

Messages and synaptic operations are those of a frame (20 ms); messages count once for each core
that hears them.

usage: loihi2_kws.py TEST PICTURES MODEL ... [--clips N] [--thresholds T,T,...] [--json FILE]

TEST is the folder of the official test archive, PICTURES the data set of log-mel pictures whose
validation split is read, MODEL a .model file or the name of a pretrained network.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from edgemem import artefact, pretrained, target
from edgemem.evaluate.simulation import Clips, Point, measure
from edgemem.evaluate.subject import recorded
from edgemem.evaluate.validation import validation_clips
from edgemem.files import write_atomic
from edgemem.frontend import PICTURES
from edgemem.model import Model, load
from edgemem.quantize import IntegerOps, build
from edgemem.quantize.scheme import choose
from edgemem.runtime.detector import decide

THRESHOLDS = "0,0.05,0.1,0.15,0.2,0.3,0.4"
LOSSES = {"at most 0.2 points": 0.002, "at most 1.0 point": 0.01}
STREAMED = 30_000
HEAD = (
    "| network | threshold | validation | test | messages per frame | of those at 0 "
    "| synaptic operations per frame | of those at 0 |\n|---|---|---|---|---|---|---|---|"
)


def machine(model: Model, threshold: float) -> Any:
    """The network on units; a conversion whose loss is not yet known is not refused."""
    chosen = target.get("loihi")
    made = chosen.convert(model, chosen.Options(threshold=threshold), model.calibration.features)
    golden = artefact.Golden(np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32))
    fields = {"target": "loihi", **made.facts}
    return target.load(artefact.build(made.payload, fields, model.labels, golden, made.parts))


def accuracy_of_floats(model: Model, clips: Clips) -> float:
    """Share of clips that the trained network decides as labelled."""
    logits, _ = model.graph().scan(clips.features.astype(np.float64))
    return float(np.mean(decide(logits, model.detector.window) == clips.labels))


def accuracy_of_integers(model: Model, clips: Clips) -> float:
    """The same of the int8 form, run by the target ``fixed``'s arithmetic."""
    program = build(
        model.graph(), choose(model.scheme, "int8", "model"), model.calibration.features
    ).program
    ops, right = IntegerOps(program), 0
    for part in np.array_split(np.arange(len(clips.features)), max(1, len(clips.features) // 256)):
        states, outputs = program.zero_state((len(part),)), []
        x = ops.quantize(clips.features[part])
        for t in range(x.shape[1]):
            states, values = ops.step(states, x[:, t])
            outputs.append(ops.dequantize(values[program.output]))
        decisions = decide(np.stack(outputs, axis=1), model.detector.window)
        right += int(np.sum(decisions == clips.labels[part]))
    return right / len(clips.features)


def chosen_points(points: dict[float, Point], full: float) -> dict[str, float]:
    """The greatest threshold with so small a loss on validation clips, for each loss."""
    return {
        name: max(t for t, p in points.items() if full - (p.accuracy or 0.0) <= loss + 1e-9)
        for name, loss in LOSSES.items()
    }


def streamed_seconds(runner: Any, features: Any) -> float:
    """CPU time of ten minutes of frames, one at a time."""
    frames = features.reshape(-1, features.shape[-1])
    runner.reset()
    start = process_time()
    for t in range(STREAMED):
        runner.step(frames[t % len(frames)])
    return process_time() - start


def said(name: str, found: dict[str, Any]) -> str:
    """The chosen points and the streamed time, in words."""
    lines = []
    for loss, t in found["chosen"].items():
        point = found["test"][t]
        per, gained = point["per_frame"], 100 * (point["accuracy"] - found["int8"])
        lines.append(
            f"{name}, {loss} lost on validation clips: threshold {t:g}, test accuracy "
            f"{point['accuracy']:.2%} ({gained:+.2f} points against int8), "
            f"{per['messages']:,.0f} messages and {per['synaptic_operations']:,.0f} synaptic "
            "operations per frame."
        )
    size = found["units"]
    lines.append(
        f"{name}: {size['units']:,} units, {size['accumulators']:,} accumulators, "
        f"{size['synapses']:,} synapses on {found['cores']} cores, "
        f"{size['chip_steps_per_frame']} chip steps per frame; ten minutes of frames, one at a "
        f"time, took {found['streamed_seconds']:.0f} s of CPU."
    )
    return "\n".join(lines)


def study(name: str, thresholds: list[float], roots: tuple[Path, Path], clips: int) -> Any:
    """Everything of one network."""
    model = load(pretrained.resolve(name, pretrained.MODEL))
    window = model.detector.window
    sample = validation_clips(
        model, [roots[1]], protocol=model.protocol, frontend=PICTURES, count=clips
    )
    seen = Clips(sample.features, sample.labels, "validation")
    runners = {threshold: machine(model, threshold) for threshold in thresholds}
    tuned = {t: measure(runner, seen, window) for t, runner in runners.items()}
    picked = chosen_points(tuned, tuned[0.0].accuracy or 0.0)
    test = recorded(model, roots[0])
    found = {t: measure(runner, test, window) for t, runner in runners.items()}
    floats, integers = accuracy_of_floats(model, test), accuracy_of_integers(model, test)
    base = found[0.0].counts.per_frame()
    print(f"| {name} | float | | {floats:.2%} | | | | |")
    print(f"| {name} | int8 (fixed) | | {integers:.2%} | | | | |")
    for t, point in found.items():
        per = point.counts.per_frame()
        shares = {what: per[what] / base[what] for what in ("messages", "synaptic_operations")}
        print(
            f"| {name} | {t:g} | {tuned[t].accuracy:.2%} | {point.accuracy:.2%} "
            f"| {per['messages']:,.0f} | {shares['messages']:.0%} "
            f"| {per['synaptic_operations']:,.0f} | {shares['synaptic_operations']:.0%} |",
            flush=True,
        )
    return {
        "float": floats,
        "int8": integers,
        "validation_clips": len(seen.features),
        "validation": {t: p.to_dict() for t, p in tuned.items()},
        "test": {t: p.to_dict() for t, p in found.items()},
        "chosen": picked,
        "streamed_seconds": streamed_seconds(runners[0.0], test.features[:200]),
        "units": runners[0.0].network.facts(),
        "cores": len(runners[0.0].placement.cores),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("test", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--clips", type=int, default=3000, help="validation clips")
    parser.add_argument("--thresholds", default=THRESHOLDS)
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    thresholds = sorted({0.0, *(float(t) for t in options.thresholds.split(","))})
    roots = (options.test, options.pictures)
    print(HEAD, flush=True)
    found = {name: study(name, thresholds, roots, options.clips) for name in options.models}
    print("", *(said(name, row) for name, row in found.items()), sep="\n")
    print(f"\nEmulated; {options.clips} validation clips; {datetime.date.today()}.")
    if options.json:
        write_atomic(options.json, json.dumps(found, indent=1).encode())


if __name__ == "__main__":
    main()
