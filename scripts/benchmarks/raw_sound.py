#!/usr/bin/env python3
"""How often sound of another kind on a pipe is told, and sound of the right kind suspected.

Every recording of some folders is heard alone; 400 of each folder, drawn with a seed, are heard as
streams of 20, as they are and in seven other forms.

usage: raw_sound.py FOLDER ... [--seed 0] [--json FILE]
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.runtime.rawsound import Looks
from edgemem.runtime.sources import read_clip

Samples = NDArray[np.int16]

FORMS: dict[str, Callable[[Samples], bytes]] = {
    "as it is": lambda x: x.astype("<i2").tobytes(),
    "big-endian": lambda x: x.astype(">i2").tobytes(),
    "32-bit floats": lambda x: (x / 32768).astype("<f4").tobytes(),
    "8 bits": lambda x: ((x >> 8) + 128).astype(np.uint8).tobytes(),
    "24 bits": lambda x: (x.astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, :3].tobytes(),
    "32 bits": lambda x: (x.astype("<i4") << 16).tobytes(),
    "two equal channels": lambda x: np.repeat(x, 2).astype("<i2").tobytes(),
    "one of two channels": lambda x: np.stack([x, 0 * x], axis=1).astype("<i2").tobytes(),
}


def told(raw: bytes) -> bool:
    """Whether anything is said of bytes that come as raw sound."""
    looks, samples = Looks(), np.frombuffer(raw[: len(raw) // 2 * 2], "<i2")
    blocks = (samples[i : i + 1600] for i in range(0, len(samples), 1600))
    return any(looks.add(block) for block in blocks) or bool(looks.end())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {"date": str(datetime.date.today()), "seed": options.seed, "sets": {}}
    for folder in options.folders:
        paths = sorted(folder.rglob("*.wav"))
        alone = sum(told(FORMS["as it is"](read_clip(path))) for path in paths)
        drawn = np.random.default_rng(options.seed).permutation(len(paths))[:400]
        streams = [
            np.concatenate([read_clip(paths[k]) for k in drawn[i : i + 20]])[: 60 * 16000]
            for i in range(0, len(drawn), 20)
        ]
        counts = {name: sum(told(form(x)) for x in streams) for name, form in FORMS.items()}
        row = {"recordings": len(paths), "suspected": alone, "streams": len(streams), **counts}
        found["sets"][folder.name] = row
        print(folder.name, row, flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
