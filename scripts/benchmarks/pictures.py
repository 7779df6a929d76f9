#!/usr/bin/env python3
"""Recordings of a training split as log-mel pictures, like those of Speech Commands at hand.

Those are JPEG of quality 75. Sound beside them in a training must have gone through the same, or a
network could tell it by what it lacks.

usage: pictures.py RECORDINGS OUT

RECORDINGS is a data set in any layout that edgemem reads; OUT gets a folder of pictures for each
word and the list train.csv.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

from edgemem.data import load
from edgemem.frontend import PICTURES

QUALITY = 75


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("recordings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    data = load(options.recordings, "folders", PICTURES, options.cache, ("train",))
    rows = []
    for frames, label, name in zip(data.train.features, data.train.labels, data.train.names):
        word = data.labels[label]
        path = options.out / word / f"{Path(name).stem}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(frames).astype(np.uint8)).save(path, quality=QUALITY)
        rows.append((str(path.relative_to(options.out)), word))
    with (options.out / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "class"), *rows])
    print(f"{options.out}: {len(rows)} pictures of {len(data.labels)} words")


if __name__ == "__main__":
    main()
