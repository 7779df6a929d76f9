#!/usr/bin/env python3
"""Time of one network step: generated C beside TFLite int8, the same network, the same process.

By turns, in rounds; medians over many steps. Four figures for each network: TFLite's whole step
from Python (floats in, floats out, states carried), its interpreter's invoke alone, the C network
called from Python through ctypes (floats in, floats out), and the C step alone, timed by a loop in
C around integer steps. "whole" compares the first and the third, "alone" the second and the fourth.

usage: c_step.py [--rounds N] [--json] [MODEL ...]    (default: the pretrained models)
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgemem import artefact, conversion, pretrained, target
from edgemem.model import load
from edgemem.quantize.stored import read_program
from edgemem_c import names
from edgemem_c.compiler import load_library
from edgemem_c.runner import PREFIX, compiled_sources

STEPS = 200
"""Calls of each kind in a round."""

RUN = 10
"""Steps in a run of the loop in C: few, so that a run is seldom interrupted, as a call is."""

LOOP = """
#include "{prefix}.h"
#include <time.h>

double host_loop(void *state, const {prefix}_input *inputs, int count, {prefix}_logit *logits)
{{
    struct timespec begin, end;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < count; i++) {{
        {prefix}_step(state, &inputs[i * {PREFIX}_N_IN], logits);
    }}
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
}}
"""


class Loop:
    """The C step in a loop of C, with the sources and flags that the runner uses."""

    def __init__(self, opened: artefact.Artefact, inputs: Any) -> None:
        facts = opened.manifest[names.FACTS]
        sources = dict(compiled_sources(read_program(opened)).texts)
        loop = "#define _POSIX_C_SOURCE 199309L\n" + LOOP
        sources["loop.c"] = loop.format(prefix=PREFIX, PREFIX=PREFIX.upper())
        library = load_library(sources, [], opened.origin)
        self._loop = library.host_loop
        self._loop.restype = ctypes.c_double
        self._loop.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
        self._state = ctypes.create_string_buffer(int(facts["ram"]) + 64)
        self._kept = np.ascontiguousarray(inputs[:RUN])
        self._inputs = self._kept.ctypes.data
        self._logits = ctypes.create_string_buffer(2 * len(opened.labels))

    def __call__(self) -> float:
        """Seconds of one step, the mean of a short run."""
        return float(self._loop(self._state, self._inputs, RUN, self._logits)) / RUN


def timed(call: Callable[[], Any]) -> list[float]:
    """Seconds of each of many calls."""
    spent = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return spent


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Medians in microseconds."""
    model = load(pretrained.resolve(name, pretrained.MODEL))
    opened = {
        kind: artefact.from_bytes(conversion.convert(model, kind)[0], name)
        for kind in ("c", "tflite")
    }
    c, lite = (target.load(opened[kind]) for kind in ("c", "tflite"))
    frames = model.calibration.features[0]
    form = c.input_format
    integers = np.clip(
        np.rint(frames / form.scale) + form.zero_point, form.lowest, form.highest
    ).astype(form.dtype)
    loop = Loop(opened["c"], integers)
    frame = np.ascontiguousarray(frames[0])
    spent: dict[str, list[float]] = {"tflite": [], "invoke": [], "c": [], "c_alone": []}
    for _ in range(rounds):
        spent["tflite"] += timed(lambda: lite.step(frame))
        spent["invoke"] += timed(lite.interpreter.invoke)
        spent["c"] += timed(lambda: c.step(frame))
        spent["c_alone"] += [loop() for _ in range(STEPS // RUN)]
    found = {kind: 1e6 * float(np.median(times)) for kind, times in spent.items()}
    return {
        "network": name,
        "engine": [lite.engine, c.engine],
        **found,
        "whole": found["tflite"] / found["c"],
        "alone": found["invoke"] / found["c_alone"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", nargs="*")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [measure(name, options.rounds) for name in options.models or pretrained.names()]
    if options.json:
        print(json.dumps(rows))
        return
    print(
        "| network | TFLite int8 step, us | its invoke, us | C step from Python, us | C step, us "
        "| whole, times as fast | alone, times as fast |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            "| {network} | {tflite:.2f} | {invoke:.2f} | {c:.2f} | {c_alone:.2f} | {whole:.1f} "
            "| {alone:.1f} |".format(**row)
        )
    print(f"\n{rows[0]['engine'][0]}; {rows[0]['engine'][1]}")


if __name__ == "__main__":
    main()
