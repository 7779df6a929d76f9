#!/usr/bin/env python3
"""Shares of equal feature vectors, outputs, decisions and events of two files that hear.py wrote.

usage: compare.py HERE.npz THERE.npz       prints one JSON object
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgemem.verification import equal_steps, last_places

NEAR = 0.5
"""Two events of one label that are no further apart, in seconds, are of the same word."""


def main(here: str, there: str) -> None:
    with np.load(here) as a, np.load(there) as b:
        n = min(len(a["y"]), len(b["y"]))
        y, other = a["y"][:n].astype(np.float64), b["y"][:n].astype(np.float64)
        scale = float(a["scale"]) or None
        x, other_x = a["x"][:n], b["x"][:n]
        found = {
            "frames": n,
            "width": x.shape[1],
            "features_equal": float(np.mean((x == other_x).all(axis=1))),
            "halves": int(a["halves"]),
            "outputs_equal": float(np.mean(equal_steps(y, other, scale))),
            "last_places": None if scale is None else last_places(y, other, scale),
            "decisions_equal": float(np.mean(y.argmax(axis=1) == other.argmax(axis=1))),
            **events(a["events"].tolist(), b["events"].tolist()),
        }
    print(json.dumps(found))


def events(here: Sequence[str], there: Sequence[str]) -> dict[str, Any]:
    """How many events are the same, which moved by some frames, and which are on one side only."""
    same = set(here) & set(there)
    left = [json.loads(line) for line in here if line not in same]
    right = [json.loads(line) for line in there if line not in same]
    moved = []
    for event in list(left):
        near = [
            other
            for other in right
            if other["label"] == event["label"] and abs(other["time"] - event["time"]) <= NEAR
        ]
        if near:
            left.remove(event)
            right.remove(near[0])
            moved.append(round(near[0]["time"] - event["time"], 3))
    return {
        "events_here": len(here),
        "events_there": len(there),
        "events_equal": len(same),
        "events_moved": moved,
        "events_only_here": left,
        "events_only_there": right,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
