#!/usr/bin/env python3
"""What training on spikes gives: accuracy and spikes of networks, over simulator steps.

Every model runs on validation clips in its spiking form (``--target spiking``), with amplitudes
from its own calibration sequences, once for each number of simulator steps that a frame takes. The
models are the trained network and what ``edgemem train kws --from NETWORK --spiking-aware`` made
of it. Their best epochs were chosen on validation clips; the official test set is not read.

All clips of a row start from the zero state. Spikes and synaptic operations are simulated counts.

usage: spiking_aware.py DATA MODEL ... [--steps 16,32,64,128] [--clips N] [--seed N] [--json FILE]

DATA is a data set with a validation split, such as the folder of Speech Commands pictures with
``--frontend pictures``; MODEL is a .model file or the name of a pretrained network.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgemem import pretrained, spiking
from edgemem.data.readers import declared
from edgemem.energy import Execution
from edgemem.evaluate.simulation import Clips, Features, Point, measure
from edgemem.evaluate.validation import validation_clips
from edgemem.files import write_atomic
from edgemem.model import Model, load

HEAD = (
    "| network | trained for steps | rate penalty | steps | accuracy | spikes per frame "
    "| mean rate | dead units | synaptic operations per frame |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


class Machine:
    """A network on spikes."""

    def __init__(self, network: spiking.SpikingNetwork) -> None:
        self._network = network

    def simulate(self, x: Features, probes: Any = ()) -> Execution:
        return spiking.simulate(self._network, x, probes)


def points(model: Model, clips: Clips, steps: list[int]) -> list[Point]:
    """A run of all clips for each number of steps."""
    found = []
    for count in steps:
        network = spiking.prepare(model.graph(), model.calibration.features, steps=count)
        found.append(measure(Machine(network), clips, model.detector.window, name=str(count)))
        print(f"  {count} steps: {found[-1].accuracy:.2%}", file=sys.stderr, flush=True)
    return found


def row(model: Model, point: Point) -> str:
    """A line of the table."""
    aware = model.card.get("spiking_aware")
    trained = f"{aware['steps']} | {aware['rate_penalty']:g}" if aware else "- | -"
    units = sum(p.size for p in point.populations)
    rate = sum(p.share * p.size for p in point.populations) / units
    dead = sum(p.dead for p in point.populations)
    frames = point.counts.frames
    return (
        f"| {model.name} | {trained} | {point.name} | {point.accuracy:.2%} "
        f"| {point.counts.messages / frames:,.0f} | {rate:.3f} | {dead} of {units} "
        f"| {point.counts.synaptic_operations / frames:,.0f} |"
    )


def in_floats(model: Model, clips: Clips) -> float:
    """Accuracy of the network as floats."""
    logits, _ = model.graph().scan(clips.features.astype(np.float64))
    decisions = logits[:, -model.detector.window :].mean(axis=1).argmax(axis=1)
    return float(np.mean(decisions == clips.labels))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--frontend", help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--steps", default="16,32,64,128", help=argparse.SUPPRESS)
    parser.add_argument("--clips", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    steps = [int(count) for count in options.steps.split(",")]
    frontend = declared(options.frontend) if options.frontend else None
    found: dict[str, Any] = {}
    lines, floats = [], []
    for name in options.models:
        model = load(pretrained.resolve(name, pretrained.MODEL))
        sample = validation_clips(
            model,
            [options.data],
            frontend=frontend,
            cache=options.cache,
            count=options.clips,
            seed=options.seed,
        )
        clips = Clips(sample.features, sample.labels, f"validation clips of {options.data.name}")
        print(f"{name}: {len(clips.labels)} clips", file=sys.stderr, flush=True)
        floats.append(f"{model.name} {in_floats(model, clips):.2%}")
        measured = points(model, clips, steps)
        lines += [row(model, point) for point in measured]
        found[name] = {"card": dict(model.card), "points": [p.to_dict() for p in measured]}
    print("\n".join([HEAD, *lines]))
    print(f"\nIn floats: {', '.join(floats)}.")
    print(f"{len(clips.labels)} validation clips, seed {options.seed}; {datetime.date.today()}")
    if options.json:
        write_atomic(options.json, json.dumps(found, indent=1).encode())


if __name__ == "__main__":
    main()
