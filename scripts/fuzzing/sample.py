"""Networks for the TFLite interpreter that were never trained: a small one with every operator that
edgemem writes and every table of the schema, and long ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edgemem.quantize import Format
from edgemem_tflite.flatbuffer import Op, Program, Tensor, serialize

F8, F16 = Format(8, 0.05, 3), Format(16, 2.0**-12)


@cache
def every_operator() -> Program:
    """Two rows of four through every operator, a state of 16 bits beside them."""
    r = np.random.default_rng(0)
    draw: dict[str, Tensor] = {}

    def add(name: str, shape: tuple[int, ...], form: Format | None = None, data: Any = None) -> int:
        dtype = "float32" if form is None else form.dtype
        if form is None and data is not None:
            dtype = str(data.dtype)
        draw[name] = Tensor(name, shape, dtype, form, data)
        return len(draw) - 1

    def integers(name: str, *values: int) -> int:
        return add(name, (len(values),), None, np.array(values, np.int32))

    ops: list[Op] = []

    def op(code: str, version: int, inputs: tuple[int, ...], output: int, **fields: int) -> int:
        ops.append(Op(code, version, inputs, (output,), fields))
        return output

    x, s = add("x", (1, 4)), add("s", (1, 4), F16)
    q = op("QUANTIZE", 2, (x,), add("q", (1, 4), F8))
    four, two = integers("four", 1, 1, 1, 4), integers("two", 1, 4)
    image = op("RESHAPE", 1, (q, four), add("image", (1, 1, 1, 4), F8))
    rows = Format(8, np.full(4, 0.02))
    kernel = r.integers(-9, 9, (4, 1, 1, 4), np.int8)
    weight = add("weight", kernel.shape, rows, kernel)
    bias = add("bias", (4,), Format(32, np.full(4, 0.001)), np.arange(4, dtype=np.int32))
    one_pixel = {"Padding": 1, "StrideW": 1, "StrideH": 1, "FusedActivationFunction": 1}
    deep = op("RESHAPE", 1, (s, four), add("deep", (1, 1, 1, 4), F16))
    pixel = op(
        "CONV_2D",
        4,
        (deep, weight, bias),
        add("pixel", (1, 1, 1, 4), F16),
        **one_pixel,
        QuantizedBiasType=2,
    )
    line = op("RESHAPE", 1, (pixel, two), add("line", (1, 4), F16))
    conv = op("CONV_2D", 3, (image, weight, bias), add("conv", (1, 1, 1, 4), F8), **one_pixel)
    flat = op("RESHAPE", 1, (conv, two), add("flat", (1, 4), F8))
    wide = op(
        "CAST", 1, (flat,), add("wide", (1, 4), Format(16, 0.05)), InDataType=9, OutDataType=7
    )
    fine = op("QUANTIZE", 2, (wide,), add("fine", (1, 4), F16))
    both = op("CONCATENATION", 3, (fine, s), add("both", (1, 8), F16), Axis=1)
    big = add("big", (4, 8), rows, r.integers(-9, 9, (4, 8), np.int8))
    long = add("long", (4,), Format(64, np.full(4, 0.02 * 2.0**-12)), np.arange(4, dtype=np.int64))
    fc = op(
        "FULLY_CONNECTED",
        7,
        (both, big, long),
        add("fc", (1, 4), F16),
        FusedActivationFunction=1,
        KeepNumDims=1,
    )
    # no default among the options, so that each is in the file
    own = {"PotScaleInt16": 0, "FusedActivationFunction": 1}
    added = op("ADD", 3, (fc, line), add("added", (1, 4), F16), **own)
    minus = op("SUB", 5, (added, s), add("minus", (1, 4), F16), **own)
    sigma = op("LOGISTIC", 3, (minus,), add("sigma", (1, 4), Format(16, 2.0**-15)))
    tanh = op("TANH", 3, (sigma,), add("tanh", (1, 4), Format(16, 2.0**-15)))
    one = add("one", (1,), F16, np.array([7], np.int16))
    times = op("MUL", 4, (tanh, one), add("times", (1, 4), F16), FusedActivationFunction=1)
    begin, size = integers("begin", 0, 1), integers("size", 1, 3)
    cut = op("SLICE", 4, (times, begin, size), add("cut", (1, 3), F16))
    real = op("DEQUANTIZE", 3, (cut,), add("real", (1, 3)))
    y = op("RELU", 1, (real,), add("y", (1, 3)))
    return Program(tuple(draw.values()), tuple(ops), {"x": x, "s": s}, {"y": y, "s.next": minus})


@cache
def payload() -> bytes:
    """Its flatbuffer."""
    return serialize(every_operator(), {"note": b"text"})


def chain(code: str, version: int, n: int, count: int, weight: Any = None) -> bytes:
    """``count`` operators in floats, one after the other, over rows of ``n``."""
    tensors = [Tensor("x", (1, n), "float32")]
    more: tuple[int, ...] = ()
    fields = {}
    if weight is not None:
        tensors.append(Tensor("", weight.shape, "float32", None, weight))
        more, fields = (1,), {"KeepNumDims": 1}
    made = []
    for i in range(count):
        before = len(tensors) - 1 if i else 0
        tensors.append(Tensor("", (1, n), "float32"))
        made.append(Op(code, version, (before, *more), (len(tensors) - 1,), fields))
    return serialize(Program(tuple(tensors), tuple(made), {"x": 0}, {"y": len(tensors) - 1}), {})
