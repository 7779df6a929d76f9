#!/usr/bin/env python3
"""Speech Commands v0.02, 12 classes: train, convert, and read the official test set once.

Trains on the log-mel pictures (training speakers), first on clips and then for continuous sound in
noise, with Arabic words of other speakers beside; chooses the epoch on validation speakers,
converts to int8 TFLite, and evaluates float and int8 on the 4,890 official test recordings through
the streaming front end: with the state reset at each clip, and carried on from a second of
background before it (the set's own silence clips). Models that are there are not trained again.

usage: kws12.py DATA OUT [--only NAME ...]

DATA holds the folders speech_commands_v0.02_logmel40, speech_commands_v0.02_test,
speech_commands_noise and arabic_12words. OUT gets NAME.model, NAME.tflite and kws12.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

OTHERS = "OTHERS"
"""Stands for the folder of pictures of Arabic words."""

RUNS: dict[str, list[str]] = {
    "kws12-lmu": [
        "--recipe lmu-clean",
        "--recipe lmu --epochs 12 --learning-rate 0.002 --smoothing 0.1",
        "--recipe lmu --epochs 4 --learning-rate 0.001 --others OTHERS",
        "--recipe lmu --epochs 6 --learning-rate 0.0015 --others OTHERS --hard 3 --seed 2",
    ],
    "kws12-lem": [
        "--recipe lem-clean",
        "--recipe lem --epochs 6 --learning-rate 0.0015 --others OTHERS",
        "--recipe lem --epochs 4 --learning-rate 0.001 --others OTHERS --hard 3 --seed 2",
    ],
    "kws12-lmu-small": ["--recipe lmu-small-clean"],
    # floats first, then in the roundings of 4-bit weights
    "kws12-lmu-small-w4": ["--recipe lmu-small-clean", "--qat --weights 4"],
    "kws12-lmu-tiny": ["--recipe lmu-tiny-clean", "--qat --weights 4 --qat-epochs 30"],
}
"""The options of each training; every one goes on from the one before."""

SEED = ["--seed", "1"]
HEAD = (
    "| network | parameters | form | bytes | reset at each clip | after 1 s of background |\n"
    "|---|---|---|---|---|---|"
)


def edgemem(*arguments: str | Path) -> dict[str, Any]:
    """Run a command of edgemem and read its JSON."""
    command = [sys.executable, "-m", "edgemem.cli", *map(str, arguments), "--json"]
    print("$ edgemem", *map(str, arguments), file=sys.stderr, flush=True)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def train(name: str, data: Path, model: Path) -> None:
    """Run the trainings of a network, one after the other."""
    noise = data / "speech_commands_noise" / "_background_noise_"
    others = model.with_name("arabic_pictures")
    if any(OTHERS in options for options in RUNS[name]) and not others.exists():
        script = Path(__file__).with_name("pictures.py")
        subprocess.run([sys.executable, script, data / "arabic_12words", others], check=True)
    before: list[str | Path] = []
    for number, options in enumerate(RUNS[name]):
        last = number == len(RUNS[name]) - 1
        out = model if last else model.with_suffix(f".{number}.model")
        if not out.exists():
            given = options.replace(OTHERS, str(others)).split()
            edgemem(
                *("train", "kws", *SEED, *given, *before, "--name", name, "--out", out),
                *("--data", data / "speech_commands_v0.02_logmel40", "--frontend", "pictures"),
                *("--protocol", "12", "--background", noise),
            )
        before = ["--from", out]


def make(name: str, data: Path, out: Path) -> list[str]:
    """Train, convert and evaluate one network; its rows of the table."""
    model, converted = out / f"{name}.model", out / f"{name}.tflite"
    test = data / "speech_commands_v0.02_test"
    if not model.exists():
        train(name, data, model)
    edgemem("convert", model, "--target", "tflite", "--out", converted)
    parameters = edgemem("info", model)["parameters"]
    rows = []
    for form, file in (("float", model), ("int8", converted)):
        common = ("evaluate", file, "--data", test, "--protocol", "12")
        reset = edgemem(*common)
        carried = edgemem(*common, "--carry", "1")
        size = f"{file.stat().st_size:,}" if form == "int8" else ""
        rows.append(
            f"| {name} | {parameters:,} | {form} | {size} | {reset['accuracy']:.2%} "
            f"({reset['clips']} clips) | {carried['accuracy']:.2%} |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [row for name in options.only for row in make(name, options.data, options.out)]
    table = "\n".join([HEAD, *rows, "", f"{datetime.date.today()}, seed 1"])
    (options.out / "kws12.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main()
