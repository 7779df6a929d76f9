#!/usr/bin/env python3
"""Speech Commands v0.02, 12 classes, on spikes (``--target spiking``): accuracy against spikes.

Steps of a frame, code and scale are swept. Every setting is run on validation clips, which choose
for each loss the one with the fewest spikes; the official test set, 4,890 clips, is then read in
float and in every setting. Spikes and synaptic operations are counts of a simulation, those of a
frame (20 ms) or of an inference (a clip of a second); the input is injected as a current unless
the setting says otherwise. Rates are spikes per second of the network's own time.

usage: spiking_kws.py TEST PICTURES MODEL ... [--clips N] [--settings S,S,...] [--json FILE]

TEST is the folder of the official test archive, PICTURES the data set of log-mel pictures whose
validation split is read, MODEL a .model file or the name of a pretrained network. A setting is
CODE:STEPS:SCALE, with ``:input`` behind it if the input is sent as spikes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgemem import pretrained
from edgemem.energy import Activity, Execution
from edgemem.evaluate.simulation import Clips, Features, Point, measure
from edgemem.evaluate.subject import recorded
from edgemem.evaluate.validation import validation_clips
from edgemem.files import write_atomic
from edgemem.frontend import PICTURES
from edgemem.model import Model, load
from edgemem.runtime.detector import decide
from edgemem.spiking import SpikingNetwork, prepare, simulate
from edgemem.spiking.network import Code

SETTINGS = ",".join(
    [f"delta:{steps}:1" for steps in (8, 16, 24, 32, 48, 64, 96, 128, 256)]
    + [f"delta:64:{scale}" for scale in (0.5, 0.7, 1.4, 2)]
    + ["delta:72:1:input"]
    + [f"rate:{steps}:1" for steps in (8, 16, 32, 64, 128, 256)]
    + [f"rate:64:{scale}" for scale in (0.5, 2)]
)
LOSSES = {"at most 0.3 points": 0.003, "at most 1.0 point": 0.01}
HEAD = (
    "| network | code | steps | scale | input | validation | test | same decision "
    "| spikes per frame | spikes per inference | synaptic operations per frame | mean Hz "
    "| peak Hz | dead units |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Setting:
    """One form of a network."""

    code: Code
    steps: int
    scale: float
    input_spikes: bool

    @classmethod
    def parse(cls, text: str) -> Setting:
        code, steps, scale, *more = text.split(":")
        return cls(cast(Code, code), int(steps), float(scale), more == ["input"])

    def form(self, model: Model) -> SpikingNetwork:
        return prepare(
            model.graph(),
            model.calibration.features,
            steps=self.steps,
            scale=self.scale,
            code=self.code,
            input_spikes=self.input_spikes,
            hop=model.frontend.frame_period,
        )

    def cells(self) -> str:
        sent = "spikes" if self.input_spikes else "current"
        return f"{self.code} | {self.steps} | {self.scale:g} | {sent}"


class Machine:
    """A network on spikes."""

    def __init__(self, network: SpikingNetwork) -> None:
        self.network = network

    def simulate(self, x: Features, probes: Any = ()) -> Execution:
        return simulate(self.network, x, probes)


def runs(model: Model, settings: dict[str, Setting], clips: Clips) -> tuple[float, dict[str, Any]]:
    """Accuracy of the trained network, and every setting on all clips."""
    window = model.detector.window
    trained = np.asarray(model.graph().scan(clips.features.astype(np.float64))[0], np.float32)
    found: dict[str, Point] = {}
    for name, setting in settings.items():
        machine = Machine(setting.form(model))
        found[name] = measure(machine, clips, window, trained, name)
        print(f"  {name} {found[name].accuracy:.2%}", file=sys.stderr, flush=True)
    return float(np.mean(decide(trained, window) == clips.labels)), found


def fewest_spikes(points: dict[str, Point], full: float) -> dict[str, str]:
    """For each loss the setting that keeps it with the fewest spikes."""
    chosen = {}
    for name, loss in LOSSES.items():
        kept = [n for n, p in points.items() if full - (p.accuracy or 0.0) <= loss + 1e-9]
        if kept:
            chosen[name] = min(kept, key=lambda n: points[n].counts.messages)
    return chosen


def rates(populations: tuple[Activity, ...]) -> tuple[float, float, int, int]:
    """Mean and peak rate over all units, in Hz, units that sent nothing, and units."""
    every = np.concatenate([population.rates() for population in populations])
    dead = sum(population.dead for population in populations)
    return float(every.mean()), float(every.max()), dead, len(every)


def row(name: str, setting: Setting, tuned: Point, found: Point) -> str:
    per = found.counts.per_frame()
    mean, peak, dead, units = rates(found.populations)
    return (
        f"| {name} | {setting.cells()} | {tuned.accuracy:.2%} | {found.accuracy:.2%} "
        f"| {found.agreement:.2%} | {per['messages']:,.0f} | {found.per_clip()['messages']:,.0f} "
        f"| {per['synaptic_operations']:,.0f} | {mean:.1f} | {peak:.0f} | {dead} of {units} |"
    )


def said(name: str, full: float, chosen: dict[str, str], test: dict[str, Point]) -> str:
    """The chosen points in words, and the populations of the last one."""
    lines = []
    for loss, setting in chosen.items():
        point = test[setting]
        assert point.accuracy is not None
        lines.append(
            f"{name}, {loss} lost on validation clips: {setting}, test accuracy "
            f"{point.accuracy:.2%} ({100 * (point.accuracy - full):+.2f} points against float), "
            f"{point.counts.per_frame()['messages']:,.0f} spikes per frame, "
            f"{point.per_clip()['messages']:,.0f} per inference."
        )
    if chosen:
        lines.append("\n| population | units | mean Hz | peak Hz | dead |\n|---|---|---|---|---|")
        lines += [
            f"| {r['name']} | {r['units']} | {r['mean_rate']:.1f} | {r['peak_rate']:.0f} "
            f"| {r['dead']} |"
            for r in (population.to_dict() for population in point.populations)
        ]
    return "\n".join(lines) + "\n"


def study(name: str, settings: dict[str, Setting], roots: tuple[Path, Path], clips: int) -> Any:
    """Everything of one network."""
    model = load(pretrained.resolve(name, pretrained.MODEL))
    sample = validation_clips(
        model, [roots[1]], protocol=model.protocol, frontend=PICTURES, count=clips
    )
    seen = Clips(sample.features, sample.labels, "validation")
    tuned_full, tuned = runs(model, settings, seen)
    chosen = fewest_spikes(tuned, tuned_full)
    full, found = runs(model, settings, recorded(model, roots[0]))
    print(f"| {name} | float | | | | {tuned_full:.2%} | {full:.2%} | | | | | | | |")
    for text, setting in settings.items():
        print(row(name, setting, tuned[text], found[text]), flush=True)
    return {
        "float": full,
        "float_validation": tuned_full,
        "validation_clips": len(seen.features),
        "validation": {n: p.to_dict() for n, p in tuned.items()},
        "test": {n: p.to_dict() for n, p in found.items()},
        "chosen": chosen,
        "words": said(name, full, chosen, found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("test", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--clips", type=int, default=2000, help="validation clips")
    parser.add_argument("--settings", default=SETTINGS)
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    settings = {text: Setting.parse(text) for text in options.settings.split(",")}
    roots = (options.test, options.pictures)
    print(HEAD, flush=True)
    found = {name: study(name, settings, roots, options.clips) for name in options.models}
    print("", *(result["words"] for result in found.values()), sep="\n")
    print(f"Simulated; {options.clips} validation clips, seed 0; {datetime.date.today()}.")
    if options.json:
        write_atomic(options.json, json.dumps(found, indent=1).encode())


if __name__ == "__main__":
    main()
