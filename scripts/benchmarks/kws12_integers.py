#!/usr/bin/env python3
"""What integers cost on Speech Commands v0.02, 12 classes: the official test set, form by form.

Every model is read once in these forms, the state reset before each of the 4,890 clips:

    float            float64, float front end
    integers         the integer program in NumPy behind the float front end
    tflite, plain    the same in TFLite with its reference kernels (must be the same integers)
    tflite, fast     the same with the interpreter's default kernels
    integers, sound  integers from the samples to the logits, NumPy
    c, sound         the generated C behind the integer front end (must be the same integers)

usage: kws12_integers.py TEST MODEL[:WEIGHTS] ... [--json FILE]

TEST is the folder of the official test archive. MODEL is a .model file or the name of a pretrained
network; WEIGHTS is 8, 4 or 2, or what training fixed. Bytes are those of the parameters as C holds
them: packed weights, biases, multipliers and shifts.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgemem import artefact, conversion, pretrained, target
from edgemem.data.clips import list_clips, read_samples
from edgemem.frontend.integer import IntegerFrontEnd
from edgemem.model import Model, load
from edgemem.quantize import IntegerOps, Program, build
from edgemem.quantize.features import FeatureInput
from edgemem.quantize.scheme import choose
from edgemem.quantize.size import parameter_bytes
from edgemem.runtime.detector import decide

Array = np.ndarray[Any, Any]

CHUNK = 500
HEAD = (
    "| network | weights | bytes | float | integers | TFLite, plain | TFLite, fast "
    "| integers, sound | C, sound |\n|---|---|---|---|---|---|---|---|---|"
)


def run(program: Program, x: Array) -> Array:
    """Output integers over clips (n, t, n_in) of input integers, all side by side."""
    ops = IntegerOps(program)
    parts = []
    for clips in np.array_split(x, max(1, len(x) // CHUNK)):
        states, outputs = program.zero_state((len(clips),)), []
        for t in range(clips.shape[1]):
            states, values = ops.step(states, clips[:, t])
            outputs.append(values[program.output])
        parts.append(np.stack(outputs, axis=1))
    return np.concatenate(parts)


def stepped(step: Any, reset: Any, clips: Iterable[Array]) -> Array:
    """Outputs of a runner, clip by clip."""
    outputs = []
    for clip in clips:
        reset()
        outputs.append([step(frame) for frame in clip])
    return np.array(outputs)


def opened(model: Model, name: str, weights: str, plain: bool = False) -> Any:
    """A runner of the model converted to a target."""
    data, _ = conversion.convert(model, name, {"weights": weights})
    return target.load(artefact.from_bytes(data, name), plain)


def measure(model: Model, weights: str, clips: list[Array], labels: Array) -> dict[str, Any]:
    """Accuracy in every form."""
    window = model.detector.window
    scheme = choose(model.scheme, "int8", weights)
    program = build(model.graph(), scheme, model.calibration.features).program
    output = program.tensors[program.output].form
    decisions: dict[str, Array] = {}

    def keep(form: str, logits: Array) -> None:
        decisions[form] = decide(logits, window)
        print(f"  {form:<16} {np.mean(decisions[form] == labels):.2%}", file=sys.stderr, flush=True)

    def whole(logits: Array) -> Array:
        # means of integers are exact, so that ties between labels fall alike in every form
        return np.rint(logits / output.scale)

    x = np.stack([model.frontend.features(clip) for clip in clips])
    keep("float", model.graph().scan(x.astype(np.float64))[0])
    integers = run(program, IntegerOps(program).quantize(x)).astype(np.float64) - output.zero_point
    keep("integers", integers)
    plain = opened(model, "tflite", weights, plain=True)
    logits = whole(stepped(plain.step, plain.reset, x))
    same = {"tflite": float(np.mean(logits == integers))}
    keep("tflite, plain", logits)
    fast = opened(model, "tflite", weights)
    keep("tflite, fast", whole(stepped(fast.step, fast.reset, x)))

    ears = IntegerFrontEnd.of(model.frontend)
    take = FeatureInput(ears.scale, program.tensors[program.input].form)
    heard = take(np.stack([ears.features(clip) for clip in clips]))
    integers = run(program, heard)
    keep("integers, sound", integers)
    compiled = opened(model, "c", weights)
    logits = stepped(compiled.step_integers, compiled.reset, heard)
    same["c"] = float(np.mean(logits == integers))
    keep("c, sound", logits)
    return {
        "weights": {**scheme.layers, "default": scheme.weights},
        "bytes": parameter_bytes(program),
        "clips": len(labels),
        "accuracy": {form: float(np.mean(d == labels)) for form, d in decisions.items()},
        "differing_decisions": {
            form: int((d != decisions["integers"]).sum()) for form, d in decisions.items()
        },
        "equal_to_numpy": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("test", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    found = {}
    print(HEAD)
    for text in options.models:
        file, _, weights = text.partition(":")
        model = load(pretrained.resolve(file, pretrained.MODEL))
        listed, _ = list_clips(options.test, model.protocol, "test", labels=model.labels)
        clips = [read_samples(clip, model.frontend.sample_rate) for clip in listed]
        labels = np.array([model.labels.index(clip.label) for clip in listed])
        print(f"{text}: {len(clips)} clips", file=sys.stderr)
        row = found[text] = measure(model, weights or "model", clips, labels)
        shares = " | ".join(f"{share:.2%}" for share in row["accuracy"].values())
        bits = "mixed" if len(row["weights"]) > 1 else row["weights"]["default"]
        print(f"| {model.name} | {bits} | {row['bytes']:,} | {shares} |", flush=True)
    equal = all(share == 1.0 for row in found.values() for share in row["equal_to_numpy"].values())
    print(f"\nTFLite's reference kernels and C gave NumPy's bits: {'all' if equal else 'NOT all'}.")
    print(f"{datetime.date.today()}")
    if options.json:
        with tempfile.NamedTemporaryFile("w", dir=options.json.parent, delete=False) as file:
            json.dump(found, file, indent=1)
        Path(file.name).replace(options.json)


if __name__ == "__main__":
    main()
