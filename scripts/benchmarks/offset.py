#!/usr/bin/env python3
"""What an offset, hum and a telephone's band cost keyword spotters, without and with a DC blocker.

Clips that are drawn from the official test set, as recorded and with one thing wrong, go through
the network's own front end and through the same one behind a DC blocker: once clip by clip, the
state reset before each, and once as one stream, the state kept; there a clip's decision is that of
its last vectors.

With --poles poles are compared instead, for which no test clip may be used: on recordings of any
words (the Arabic set), by the decisions that stay those of the recordings as they are, without a
blocker. Of those with an offset the blocker must keep as many as it can.

usage: offset.py TEST NETWORK ... [--clips 480] [--seed 0] [--pole 0.995] [--json FILE]
       offset.py FILE --table       the table of docs/listen.md from such a file
       offset.py RECORDINGS NETWORK ... --poles 0.98 0.99 0.995 0.998 0.999 [--json FILE]

TEST is the folder of the official test archive. NETWORK is a file or a pretrained name.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.data import list_clips, read_samples
from edgemem.data.types import Clip
from edgemem.frontend.blocker import POLE
from edgemem.runtime.detector import decide
from edgemem.runtime.network import Network, open_network

RATE = 16000
FULL = 32768.0
Samples = NDArray[np.int16]


def plus(extra: Callable[[NDArray[Any]], Any]) -> Callable[[Samples], Samples]:
    """Sound with something added, of full scale 1, that is a function of time."""

    def changed(samples: Samples) -> Samples:
        time = np.arange(len(samples)) / RATE
        both = np.rint(samples + FULL * extra(time))
        return np.clip(both, -32768, 32767).astype(np.int16)

    return changed


def telephone(samples: Samples) -> Samples:
    """300 to 3,400 Hz."""
    spectrum = np.fft.rfft(samples.astype(float))
    bins = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(bins < 300) | (bins > 3400)] = 0
    heard = np.rint(np.fft.irfft(spectrum, len(samples)))
    return np.clip(heard, -32768, 32767).astype(np.int16)


def hum(level: float) -> Callable[[Samples], Samples]:
    """A sine of 50 Hz whose RMS is so many dB of full scale."""
    height = np.sqrt(2.0) * 10 ** (level / 20)
    return plus(lambda time: height * np.sin(2 * np.pi * 50 * time))


CONDITIONS: dict[str, Callable[[Samples], Samples]] = {
    "as recorded": lambda samples: samples,
    "offset 0.01 (-40 dB)": plus(lambda _: 0.01),
    "offset 0.032 (-30 dB)": plus(lambda _: 10**-1.5),
    "offset 0.1 (-20 dB)": plus(lambda _: 0.1),
    "offset 0.2 (-14 dB)": plus(lambda _: 0.2),
    "hum -40 dB": hum(-40.0),
    "hum -30 dB": hum(-30.0),
    "300 to 3,400 Hz": telephone,
    "that, offset 0.032": lambda samples: CONDITIONS["offset 0.032 (-30 dB)"](telephone(samples)),
}


def drawn(folder: Path, labels: tuple[str, ...] | None, count: int, seed: int) -> list[Clip]:
    """Clips in the order in which they were drawn."""
    named = (folder, "12", "test") if labels else (folder, "folders", "train")
    clips, _ = list_clips(*named, labels=labels)
    order = np.random.default_rng(seed).permutation(len(clips))[:count]
    return [clips[number] for number in order]


def behind(network: Network, pole: float | None) -> Network:
    """The network behind a blocker."""
    return replace(network, frontend=replace(network.frontend, dc_pole=pole))


def by_clip(network: Network, sound: list[Samples]) -> NDArray[np.intp]:
    """Decisions, the state reset before each clip."""
    listener = network.listener()
    found = []
    for samples in sound:
        listener.reset()
        found.append(decide(listener.logits(samples), network.detector.window))
    return np.array(found)


def in_a_row(network: Network, sound: list[Samples]) -> NDArray[np.intp]:
    """Decisions at the ends of the clips of one stream."""
    front = network.frontend
    logits = network.listener().logits(np.concatenate(sound))
    first = round(front.lead * front.sample_rate)
    ends = first + front.stack * front.hop_length * np.arange(1, len(logits) + 1)
    found, end = [], 0
    for samples in sound:
        own = logits[(ends > end) & (ends <= end + len(samples))]
        found.append(decide(own, network.detector.window))
        end += len(samples)
    return np.array(found)


def accuracies(network: Network, clips: list[Clip], pole: float) -> dict[str, Any]:
    """Share of right decisions by condition, blocker, and whether the state was reset."""
    right = np.array([network.labels.index(clip.label) for clip in clips])
    sound = [read_samples(clip, RATE) for clip in clips]
    rows: dict[str, Any] = {}
    for name, change in CONDITIONS.items():
        # a stream has no seams in its hum, and one offset
        ends = np.cumsum([len(samples) for samples in sound])[:-1]
        heard = np.split(change(np.concatenate(sound)), ends)
        rows[name] = {
            f"{way} {kind}": float(np.mean(method(behind(network, blocked), heard) == right))
            for way, method in (("clips", by_clip), ("stream", in_a_row))
            for kind, blocked in (("without", None), ("with", pole))
        }
        shown = " | ".join(f"{value:.1%}" for value in rows[name].values())
        print(f"| {name} | {shown} |", flush=True)
    return rows


def agreements(network: Network, clips: list[Clip], poles: list[float]) -> dict[str, Any]:
    """Share of decisions that stay what they are as recorded and without a blocker."""
    sound = [read_samples(clip, RATE) for clip in clips]
    before = by_clip(network, sound)
    rows: dict[str, Any] = {}
    for pole in (None, *poles):
        rows[str(pole)] = {
            name: float(np.mean(by_clip(behind(network, pole), heard) == before))
            for name in ("as recorded", "offset 0.032 (-30 dB)", "offset 0.2 (-14 dB)")
            if (heard := [CONDITIONS[name](samples) for samples in sound])
        }
        shown = " | ".join(f"{value:.1%}" for value in rows[str(pole)].values())
        print(f"| {pole} | {shown} |", flush=True)
    return rows


def table(found: dict[str, Any]) -> str:
    """Accuracy by condition: clip by clip / as one stream."""
    names = list(found["networks"])
    lines = [
        "| sound | " + " | ".join(f"`{n}` without | with" for n in names) + " |",
        "| --- |" + " --- | --- |" * len(names),
    ]
    for condition in found["networks"][names[0]]:
        cells = []
        for name in names:
            row = found["networks"][name][condition]
            for kind in ("without", "with"):
                both = (f"{100 * row[f'{way} {kind}']:.1f}" for way in ("clips", "stream"))
                cells.append(f"{' / '.join(both)} %")
        lines.append(f"| {condition} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--clips", type=int, default=480)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pole", type=float, default=POLE)
    parser.add_argument("--poles", type=float, nargs="+")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        print(table(json.loads(options.data.read_text(encoding="utf-8"))))
        return
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    found: dict[str, Any] = {
        "command": f"scripts/benchmarks/offset.py {options.data.name} {' '.join(options.networks)}",
        "date": str(datetime.date.today()),
        "commit": commit.stdout.strip(),
        "clips": options.clips,
        "seed": options.seed,
        "networks": {},
    }
    for name in options.networks:
        network = open_network(name)
        labels = None if options.poles else network.labels
        clips = drawn(options.data, labels, options.clips, options.seed)
        print(f"{name}, {len(clips)} clips", flush=True)
        if options.poles:
            found["networks"][name] = agreements(network, clips, options.poles)
        else:
            found["pole"] = options.pole
            found["networks"][name] = accuracies(network, clips, options.pole)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
