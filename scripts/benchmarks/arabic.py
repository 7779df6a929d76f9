#!/usr/bin/env python3
"""Arabic Speech Commands, 12 words: train from recordings with the set's own speaker lists.

usage: arabic.py DATA OUT

DATA holds the folders arabic_12words and speech_commands_noise. OUT gets the models, the int8
TFLite files and arabic.md.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from kws12 import edgemem  # the same commands, the same JSON

RUNS = {
    "arabic-lmu": ["--recipe", "lmu-clean", "--epochs", "60", "--seed", "1"],
    "arabic-lem": ["--recipe", "lem-clean", "--epochs", "60", "--seed", "1"],
}
HEAD = (
    "| network | parameters | validation | test, float | test, int8 | bytes |\n"
    "|---|---|---|---|---|---|"
)


def make(name: str, data: Path, out: Path) -> str:
    """Train, convert and evaluate one network; its row of the table."""
    model, converted = out / f"{name}.model", out / f"{name}.tflite"
    noise = data / "speech_commands_noise" / "_background_noise_"
    words = data / "arabic_12words"
    if not model.exists():
        edgemem(
            *("train", "kws", *RUNS[name], "--name", name, "--out", model),
            *("--data", words, "--background", noise),
        )
    edgemem("convert", model, "--target", "tflite", "--out", converted)
    about = edgemem("info", model)
    found = [edgemem("evaluate", file, "--data", words)["accuracy"] for file in (model, converted)]
    return (
        f"| {name} | {about['parameters']:,} | {about['card']['validation_accuracy']:.2%} "
        f"| {found[0]:.2%} | {found[1]:.2%} | {converted.stat().st_size:,} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [make(name, options.data, options.out) for name in RUNS]
    table = "\n".join([HEAD, *rows, "", f"{datetime.date.today()}, seed 1"])
    (options.out / "arabic.md").write_text(table + "\n")
    print(table)


if __name__ == "__main__":
    main()
