#!/usr/bin/env python3
"""What an interpreter's kernels make of 16-bit values times 8-bit weights, operator by operator.

Random vectors through a random matrix, written as FULLY_CONNECTED and as CONV_2D, without a bias,
with one of 32 and one of 64 bits, and with ``quantized_bias_type`` said or not. Told is the share
of results that is that of the integer semantics (rounded twice), of one rounding of the product in
doubles, and of multipliers of 15 bits.

usage: product_rounding.py [--module MODULE] [--json FILE]

MODULE is one of edgemem_tflite.interpreter's; by default the one that edgemem finds.
"""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgemem.errors import ArtefactError
from edgemem.quantize import Format, IntegerOps, Operation, multipliers
from edgemem.quantize import Program as IntegerProgram
from edgemem.quantize import Tensor as IntegerTensor
from edgemem_tflite import interpreter
from edgemem_tflite.flatbuffer import Op, Program, Tensor, serialize
from edgemem_tflite.schema import TYPES

ROWS, COLUMNS, VECTORS = 64, 72, 200
X = Y = Format(16, 1.0)
RNG = np.random.default_rng(0)
WEIGHT = RNG.integers(-3, 4, (ROWS, COLUMNS)).astype(np.int8)
# the second of two roundings loses one bit: rounded once, one result in eight is another
W = Format(8, RNG.uniform(0.27, 0.48, ROWS))
BIAS = RNG.integers(-5000, 5000, ROWS).astype(np.int32)
VALUES = RNG.integers(-400, 401, (VECTORS, COLUMNS)).astype(np.int16)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--module", choices=interpreter.MODULES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.module:
        importlib.import_module(options.module)
        interpreter.MODULES = (options.module,)
    rows = list(every_row())
    print("| operator | bias | said | kernels | " + " | ".join(rows[0]["equal"]) + " |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        shares = " | ".join(f"{share:.3%}" for share in row["equal"].values())
        print(
            f"| {row['operator']} | {row['bias']} | {row['said']} | {row['kernels']} | {shares} |"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def every_row() -> Iterator[dict[str, Any]]:
    for code in ("FULLY_CONNECTED", "CONV_2D"):
        for bits in (0, 32, 64):
            for said in ("", "int32") if bits < 64 else ("",):
                for reference in (True, False):
                    y, engine = computed(code, bits, said, reference)
                    if y is None:
                        continue
                    equal = {name: float(np.mean(y == z)) for name, z in meanings(bits).items()}
                    kernels = f"{engine}{'' if reference else ', fast'}"
                    yield {
                        "operator": code,
                        "bias": bits,
                        "said": said,
                        "kernels": kernels,
                        "equal": equal,
                    }


def computed(code: str, bits: int, said: str, reference: bool) -> tuple[Any, str]:
    """What the interpreter makes of the values; None where it refuses the operator."""
    conv = code == "CONV_2D"
    ends = [(1, 1, 1, n) if conv else (1, n) for n in (COLUMNS, ROWS)]
    shape = (ROWS, 1, 1, COLUMNS) if conv else (ROWS, COLUMNS)
    tensors = [
        Tensor("x", ends[0], "int16", X),
        Tensor("w", shape, "int8", W, WEIGHT.reshape(shape)),
    ]
    if bits:
        form = Format(bits, float(X.scale) * np.asarray(W.scale))
        tensors.append(Tensor("b", (ROWS,), f"int{bits}", form, BIAS.astype(f"int{bits}")))
    reads = tuple(range(len(tensors)))
    tensors.append(Tensor("y", ends[1], "int16", Y))
    fields = {"Padding": 1, "StrideW": 1, "StrideH": 1} if conv else {"KeepNumDims": 1}
    if said:
        fields["QuantizedBiasType"] = TYPES[said]
    op = Op(code, 4 if conv else 7, reads, (len(reads),), fields)
    program = Program(tuple(tensors), (op,), {"x": 0}, {"y": len(reads)})
    try:
        opened = interpreter.open_interpreter(serialize(program, {}), code, reference)
    except ArtefactError:
        return None, ""
    found = []
    for row in VALUES:
        opened.set_tensor(0, row.reshape(ends[0]))
        opened.invoke()
        found.append(opened.get_tensor(len(reads)).reshape(-1).copy())
    return np.array(found), interpreter.engine(opened, reference)


def meanings(bits: int) -> dict[str, Any]:
    """The results by every rule."""
    arrays = {"weight": WEIGHT, **({"bias": BIAS} if bits else {})}
    m, s = multipliers.of_product(X, W, Y)
    arrays["multiplier"], arrays["shift"] = m, s
    op = Operation("wide_product", "y", ("x",), {"relu": 0}, {name: name for name in arrays})
    tensors = {"x": IntegerTensor((COLUMNS,), X), "y": IntegerTensor((ROWS,), Y)}
    program = IntegerProgram(tensors, (op,), arrays, {}, {"weight": W}, {}, "x", "y")
    _, values = IntegerOps(program).step({}, VALUES)
    sums = VALUES.astype(np.int64) @ WEIGHT.T.astype(np.int64) + (BIAS if bits else 0)
    real = sums * (float(X.scale) * np.asarray(W.scale, np.float32).astype(float) / float(Y.scale))
    m, s = np.asarray(m, np.int64), np.asarray(s, np.int64)
    reduced = np.where(m < 0x7FFF0000, (m + (1 << 15)) >> 16, 0x7FFF)
    short = (sums * reduced + (1 << (14 - s))) >> (15 - s)
    once = np.copysign(np.floor(np.abs(real) + 0.5), real)
    low, high = Y.lowest, Y.highest
    return {
        "rounded twice": values["y"],
        "once, in doubles": np.clip(once, low, high),
        "multipliers of 15 bits": np.clip(short, low, high),
    }


if __name__ == "__main__":
    main()
