#!/usr/bin/env python3
"""What a network makes of sound or of feature vectors, frame by frame; run on either machine.

usage: hear.py FILE SOUND OUT.npz [--seconds S] [--reference-kernels]

SOUND is a wav, or an earlier OUT whose feature vectors are taken, moved to whole steps of the
network's 8-bit input as golden vectors are: half-way between two steps processors round a float
each in its own way. OUT gets ``x`` (t, n_in) feature vectors, ``y`` (t, n_out) logits, ``scale``
(one step of the logits, or 0), ``events``, JSON lines of what the detector heard, and ``halves``,
the number of features that lay half-way (-1: the kernels do not show their input).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from edgemem.runtime.loop import Listener
from edgemem.runtime.network import Network, open_network
from edgemem.runtime.sources import SAMPLE_RATE, read_clip
from edgemem.verification import scale_of

BLOCK = SAMPLE_RATE // 10
NEARLY = 1e-5
"""A float32 that is so near to a half may be rounded to either side."""


class Recording:
    """A runner that remembers its inputs and outputs."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        for name in ("step", "step_integers"):
            if hasattr(runner, name):
                setattr(self, name, self._kept(getattr(runner, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def _kept(self, step: Any) -> Any:
        def kept(x: Any) -> Any:
            y = step(x)
            self.inputs.append(np.array(x))
            self.outputs.append(np.array(y))
            return y

        return kept


def main() -> None:
    options = arguments()
    network = open_network(options.file, options.reference_kernels)
    runner = Recording(network.runner)
    if options.sound.suffix == ".npz":
        frames = np.load(options.sound)["x"]
        replay(runner, frames[: int(options.seconds / network.frontend.frame_period)])
        events: list[str] = []
    else:
        samples = read_clip(options.sound)[: int(options.seconds * SAMPLE_RATE)]
        events = hear(network, runner, samples)
    x = np.array(runner.inputs)
    integers = hasattr(network.runner, "step_integers")
    step = 0.0 if integers else input_step(network.runner)
    np.savez(
        options.out,
        x=x,
        y=np.array(runner.outputs),
        # the logits of an integer runner are integers already
        scale=1.0 if integers else scale_of(network.runner) or 0.0,
        events=np.array(events, dtype=str),
        halves=np.sum(np.abs(x / step % 1.0 - 0.5) < NEARLY) if step else -1,
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("sound", type=Path)
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--reference-kernels", action="store_true")
    return parser.parse_args()


def hear(network: Network, runner: Recording, samples: Any) -> list[str]:
    """Events that the sound brings, in blocks as from a microphone."""
    parts = network.frontend, runner, network.detector, network.labels
    listener = Listener(*parts)  # type: ignore[arg-type]
    found = []
    for start in range(0, len(samples), BLOCK):
        for event in listener.push(samples[start : start + BLOCK]):
            found.append(json.dumps({"time": round(event.time, 3), "label": event.label}))
    return found


def replay(runner: Recording, frames: Any) -> None:
    """Feature vectors on whole steps of the input, one after the other."""
    runner.reset()
    runner.step(frames[0])
    step = input_step(runner)
    runner.reset()
    runner.inputs.clear()
    runner.outputs.clear()
    for x in np.rint(frames / step) * step if step else frames:
        runner.step(x.astype(np.float32))


def input_step(runner: Any) -> float:
    """Size of one step of a network's input; 0 where its kernels do not show it."""
    shown = runner.tensors().get("x")
    return float(shown.scale or 0.0) if shown is not None else 0.0


if __name__ == "__main__":
    main()
