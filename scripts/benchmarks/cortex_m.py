#!/usr/bin/env python3
"""What a network in C takes of a Cortex-M4 and a Cortex-M7: executed instructions, flash, RAM.

Each generated source is compiled with arm-none-eabi-gcc and run under QEMU with one instruction to
64 ns of virtual time; SysTick then counts instructions, exactly and repeatably. One frame is one
feature vector (20 ms of sound in the networks that come with the package): the front end's part,
the network's step and the detector's, the median of several frames of sound. Flash is code and
constants of the one generated source; RAM is what the listener struct holds (states, scratch,
front end, detector); stack is the deepest that a frame reached. Cycles, time and energy are not
measured: they depend on flash wait states, caches and dual issue, which QEMU does not have.

usage: cortex_m.py [--json] [--weights 8,4] [MODEL ...]    (default: the pretrained models)
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgemem import pretrained
from edgemem.model import load
from edgemem_c import TARGET, COptions, emulation
from edgemem_c.emulation import BOARDS, TICKS_PER_INSTRUCTION
from edgemem_c.parts import rows

FRAMES = 9

MAIN = """
#include "board.h"
#include "PREFIX.h"
#include "sound.h"

static PREFIX_listener l;
static int16_t features[UPPER_N_IN];
static PREFIX_input input[UPPER_N_IN];
static PREFIX_logit logits[UPPER_N_OUT];
static uint16_t posteriors[UPPER_N_OUT];

static uint32_t spent(uint32_t begin)
{
    return (board_ticks() - begin) & 0xFFFFFFU;
}

int main(void)
{
    uint32_t found[5];

    PREFIX_listener_init(&l);
    for (int t = 0; t < FRAMES; t++) {
        const int16_t *now = &sound[t * UPPER_SAMPLES];
        uint32_t begin = board_ticks();
        found[3] = spent(begin);
        begin = board_ticks();
        (void)PREFIX_frontend_push(&l.frontend, now, features);
        found[0] = spent(begin);
        begin = board_ticks();
        PREFIX_step(&l.network, input, logits);
        found[1] = spent(begin);
        begin = board_ticks();
        (void)PREFIX_detector_push(&l.detector, logits, posteriors);
        found[2] = spent(begin);
        for (int i = 0; i < UPPER_N_IN; i++) {
            input[i] = (PREFIX_input)(features[i] >> 4);
        }
        board_paint();
        (void)PREFIX_listen(&l, now);
        found[4] = board_stack();
        board_write(found, sizeof found);
    }
    return 0;
}
"""


def measure(name: str, weights: str) -> Iterator[dict[str, Any]]:
    """A row for each core and each way to build."""
    model = load(pretrained.resolve(name, pretrained.MODEL))
    made = TARGET.convert(model, COptions(weights=weights), model.calibration.features)
    facts = made.facts["c"]
    prefix = facts["prefix"]
    texts = {n: data.decode("ascii") for n, data in made.parts.items() if n.endswith((".c", ".h"))}
    main = MAIN.replace("PREFIX", prefix).replace("UPPER", prefix.upper())
    texts["main.c"] = main.replace("FRAMES", str(FRAMES))
    config = model.frontend
    samples = FRAMES * config.stack * config.hop_length
    noise = np.random.default_rng(0).normal(scale=3000, size=samples).astype(np.int16)
    texts["sound.h"] = (
        f"#include <stdint.h>\nstatic const int16_t sound[] = {{\n    {rows(noise.tolist())}\n}};\n"
    )
    for core in ("cortex-m4", "cortex-m7"):
        for build, flags in (("plain C", ()), ("DSP", (f"-D{prefix.upper()}_USE_DSP",))):
            yield {
                "network": name,
                "weights": weights,
                "core": core,
                "build": build,
                "macs": facts["macs"],
                "ram": facts["listener_ram"],
                **_run(core, prefix, texts, ("-O2", *flags)),
            }


def _run(core: str, prefix: str, texts: dict[str, str], flags: Iterable[str]) -> dict[str, int]:
    board = BOARDS[core]
    with tempfile.TemporaryDirectory() as folder:
        program = emulation.build(board, Path(folder), texts, flags, ram=1 << 16, flash=1 << 20)
        output = emulation.run(board, program)
        flash, _ = emulation.sizes(board, [Path(folder) / f"{prefix}.c.o"])
    found = list(struct.iter_unpack("<5I", output))
    # the first calls of the front end wait for a whole vector
    ticks = [median(row[i] - row[3] for row in found[3:]) for i in range(3)]
    frontend, network, detector = (round(t / TICKS_PER_INSTRUCTION) for t in ticks)
    return {
        "frontend": frontend,
        "step": network,
        "detector": detector,
        "frame": frontend + network + detector,
        "flash": flash,
        "stack": max(row[4] for row in found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", nargs="*")
    parser.add_argument("--weights", default="8,4")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = [
        row
        for name in options.models or pretrained.names()
        for weights in options.weights.split(",")
        for row in measure(name, weights)
    ]
    if options.json:
        print(json.dumps(table))
        return
    print(
        "| network | weights | core | build | network, instructions | per multiply-accumulate "
        "| front end | detector | frame | flash, bytes | RAM, bytes | stack, bytes |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for row in table:
        print(
            "| {network} | {weights} bits | {core} | {build} | {step:,} | {each:.2f} "
            "| {frontend:,} | {detector:,} | {frame:,} | {flash:,} | {ram:,} | {stack:,} |".format(
                each=row["step"] / row["macs"], **row
            )
        )


if __name__ == "__main__":
    main()
