"""Damage to TFLite networks whose flatbuffer stays sound: what only the rules of operators refuse.

A payload is read into the writer's own program, changed there, and written again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from edgemem.quantize import Format
from edgemem_tflite.flatbuffer import Op, Program, Tensor, serialize
from edgemem_tflite.operators import OPERATORS
from edgemem_tflite.schema import TABLES, TYPES
from edgemem_tflite.structure import read

_TYPES = {number: name for name, number in TYPES.items()}
_NAMES = {operator.number: name for name, operator in OPERATORS.items()}
_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_LARGEST = 1 << 20
_SIZES = (1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257, 1000)


@lru_cache(maxsize=128)
def program(payload: bytes) -> Program:
    """What a sound payload was written from."""
    model = read(payload)
    graph = model["subgraphs"][0]
    codes = [(_NAMES[c["builtin_code"]], c["version"]) for c in model["operator_codes"]]
    named = model["signature_defs"][0]
    return Program(
        tuple(_tensor(tensor, model["buffers"]) for tensor in graph["tensors"]),
        tuple(_op(operator, codes) for operator in graph["operators"]),
        {entry["name"]: entry["tensor_index"] for entry in named["inputs"]},
        {entry["name"]: entry["tensor_index"] for entry in named["outputs"]},
    )


def _tensor(tensor: Any, buffers: Any) -> Tensor:
    dtype, shape = _TYPES[tensor["type"]], tuple(tensor["shape"].tolist())
    form = None
    if tensor["quantization"] is not None:
        scale = tensor["quantization"]["scale"]
        zero_point = int(tensor["quantization"]["zero_point"][0])
        form = Format(_BITS[dtype], scale if len(scale) > 1 else float(scale[0]), zero_point)
    data = None
    if tensor["buffer"]:
        data = buffers[tensor["buffer"]]["data"].view(dtype).reshape(shape)
    return Tensor(tensor["name"] or "", shape, dtype, form, data)


def _op(operator: Any, codes: list[tuple[str, int]]) -> Op:
    code, version = codes[operator["opcode_index"]]
    fields = {
        name.title().replace("_", ""): value
        for name, value in (operator["builtin_options"] or {}).items()
    }
    inputs = tuple(operator["inputs"].tolist())
    return Op(code, version, inputs, tuple(operator["outputs"].tolist()), fields)


def mutate(payload: bytes, rng: np.random.Generator) -> bytes:
    """``payload`` with one to four things of its network changed.

    Parameters
    ----------
    payload : bytes
        A flatbuffer that edgemem wrote.
    rng : numpy.random.Generator
    """
    changed = program(payload)
    for way in rng.integers(len(_WAYS), size=int(rng.choice([1, 1, 2, 3, 4]))):
        changed = _WAYS[way](changed, rng)
    return serialize(changed, {})


def _one(rng: np.random.Generator, among: Any) -> Any:
    return among[int(rng.integers(len(among)))]


def _with_tensor(p: Program, index: int, **changes: Any) -> Program:
    tensors = list(p.tensors)
    tensors[index] = replace(tensors[index], **changes)
    return replace(p, tensors=tuple(tensors))


def _with_op(p: Program, index: int, **changes: Any) -> Program:
    ops = list(p.ops)
    ops[index] = replace(ops[index], **changes)
    return replace(p, ops=tuple(ops))


def _scaled(form: Format, rng: np.random.Generator) -> Format:
    factor = 2.0 ** int(rng.integers(-60, 61)) if rng.random() < 0.5 else rng.uniform(0.5, 2)
    scale = np.clip(np.asarray(form.scale) * factor, 2.0**-126, 2.0**100)
    zero_point = int(rng.integers(-128, 128)) if form.bits == 8 and rng.random() < 0.3 else 0
    return Format(form.bits, scale, zero_point)


def _scale(p: Program, rng: np.random.Generator) -> Program:
    index = _one(rng, range(len(p.tensors)))
    form = p.tensors[index].format
    return p if form is None else _with_tensor(p, index, format=_scaled(form, rng))


def _scales_alike(p: Program, rng: np.random.Generator) -> Program:
    """Whoever counts in the same steps goes on doing so."""
    forms = [t.format for t in p.tensors if t.format is not None and np.ndim(t.format.scale) == 0]
    if not forms:
        return p
    old = _one(rng, forms)
    new = _scaled(old, rng)
    return replace(
        p,
        tensors=tuple(
            replace(t, format=replace(t.format, scale=new.scale))
            if t.format is not None and np.ndim(t.format.scale) == 0 and t.format.scale == old.scale
            else t
            for t in p.tensors
        ),
    )


def _code(p: Program, rng: np.random.Generator) -> Program:
    if not p.ops:
        return p
    index = _one(rng, range(len(p.ops)))
    old = p.ops[index]
    families = (
        ("ADD", "SUB", "MUL"),
        ("LOGISTIC", "TANH", "RELU", "QUANTIZE", "DEQUANTIZE", "CAST"),
        ("CONV_2D", "FULLY_CONNECTED"),
        tuple(OPERATORS),
    )
    family = next(f for f in families if old.code in f) if rng.random() < 0.8 else families[-1]
    code = _one(rng, family)
    known = {f.name.title().replace("_", "") for f in TABLES.get(OPERATORS[code].options, ())}
    fields = {name: value for name, value in old.fields.items() if name in known}
    if code == "CAST":
        fields = {"InDataType": TYPES["int8"], "OutDataType": TYPES["int16"]}
    version = int(_one(rng, OPERATORS[code].versions))
    return _with_op(p, index, code=code, version=version, fields=fields)


def _field(p: Program, rng: np.random.Generator) -> Program:
    with_fields = [i for i, op in enumerate(p.ops) if op.fields]
    if not with_fields:
        return p
    index = _one(rng, with_fields)
    name = _one(rng, sorted(p.ops[index].fields))
    most = 2 if name in ("PotScaleInt16", "KeepNumDims") else 5
    value = int(rng.integers(most))
    return _with_op(p, index, fields={**p.ops[index].fields, name: value})


def _version(p: Program, rng: np.random.Generator) -> Program:
    if not p.ops:
        return p
    index = _one(rng, range(len(p.ops)))
    return _with_op(p, index, version=int(_one(rng, OPERATORS[p.ops[index].code].versions)))


def _operand(p: Program, rng: np.random.Generator) -> Program:
    """Another tensor, often one of the same shape or type; or an operand more or less."""
    if not p.ops:
        return p
    index = _one(rng, range(len(p.ops)))
    inputs = list(p.ops[index].inputs)
    draw = rng.random()
    place = _one(rng, range(len(inputs)))
    old = p.tensors[inputs[place]]
    if draw < 0.4:
        alike = [i for i, t in enumerate(p.tensors) if t.shape == old.shape]
        inputs[place] = _one(rng, alike)
    elif draw < 0.6:
        inputs[place] = _one(rng, [i for i, t in enumerate(p.tensors) if t.dtype == old.dtype])
    elif draw < 0.7:
        inputs[place] = _one(rng, range(len(p.tensors)))
    elif draw < 0.8 and len(inputs) > 1:
        inputs.pop()
    elif draw < 0.9:
        inputs.append(_one(rng, inputs))
    else:
        rng.shuffle(inputs)
    return _with_op(p, index, inputs=tuple(inputs))


def _resized(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    if t.data is not None and math.prod(shape) > _LARGEST:
        return t
    data = None if t.data is None else np.resize(t.data, shape)
    form = t.format
    if form is not None and np.ndim(form.scale) == 1:
        form = replace(form, scale=np.resize(np.asarray(form.scale), shape[0]))
    return replace(t, shape=shape, data=data, format=form)


def _size(p: Program, rng: np.random.Generator) -> Program:
    """One length becomes another wherever it stands, or only in one tensor."""
    old = _one(rng, sorted({n for t in p.tensors for n in t.shape}))
    new = int(_one(rng, _SIZES))
    only = None if rng.random() < 0.8 else _one(rng, range(len(p.tensors)))
    tensors = []
    for i, t in enumerate(p.tensors):
        if t.dtype == "int32" and t.format is None and t.data is not None:  # a list of lengths
            tensors.append(replace(t, data=np.where(t.data == old, new, t.data).astype(np.int32)))
        elif only in (None, i):
            tensors.append(_resized(t, tuple(new if n == old else n for n in t.shape)))
        else:
            tensors.append(t)
    return replace(p, tensors=tuple(tensors))


def _rank(p: Program, rng: np.random.Generator) -> Program:
    index = _one(rng, range(len(p.tensors)))
    t = p.tensors[index]
    if rng.random() < 0.5:
        shape = (1, *t.shape)
    else:
        shape = t.shape[1:] if t.shape[0] == 1 and len(t.shape) > 1 else t.shape[::-1]
    return _with_tensor(
        p, index, shape=shape, data=None if t.data is None else t.data.reshape(shape)
    )


def _type(p: Program, rng: np.random.Generator) -> Program:
    index = _one(rng, range(len(p.tensors)))
    t = p.tensors[index]
    dtype = _one(rng, tuple(TYPES))
    data = None if t.data is None else np.asarray(t.data).astype(dtype)
    form = None
    if dtype in _BITS and (t.format is not None or rng.random() < 0.5):
        form = Format(_BITS[dtype], 0.5 if t.format is None else t.format.scale)
    return _with_tensor(p, index, dtype=dtype, data=data, format=form)


def _values(p: Program, rng: np.random.Generator) -> Program:
    constants = [i for i, t in enumerate(p.tensors) if t.data is not None]
    if not constants:
        return p
    index = _one(rng, constants)
    data = np.array(p.tensors[index].data)
    if data.dtype.kind == "f":
        drawn: Any = _one(rng, (0.0, 1e38, -1e38, 1e-45, np.nan, np.inf))
    else:
        info = np.iinfo(data.dtype)
        drawn = _one(rng, (info.min, info.max, 0, 1, -1, 2))
    if rng.random() < 0.5:
        data[...] = drawn
    else:
        data.reshape(-1)[int(rng.integers(data.size))] = drawn
    return _with_tensor(p, index, data=data)


def _constant(p: Program, rng: np.random.Generator) -> Program:
    """What is computed becomes a constant, or the other way round."""
    index = _one(rng, range(len(p.tensors)))
    t = p.tensors[index]
    small = math.prod(t.shape) <= _LARGEST
    data = np.zeros(t.shape, t.dtype) if t.data is None and small else None
    ops = tuple(op for op in p.ops if op.outputs != (index,)) if rng.random() < 0.7 else p.ops
    return replace(_with_tensor(p, index, data=data), ops=ops)


def _order(p: Program, rng: np.random.Generator) -> Program:
    if len(p.ops) < 2:
        return p
    at = int(rng.integers(len(p.ops) - 1))
    ops = list(p.ops)
    draw = rng.random()
    if draw < 0.4:
        ops[at], ops[at + 1] = ops[at + 1], ops[at]
    elif draw < 0.7:
        ops.pop(at)
    else:
        ops.insert(at, _one(rng, ops))
    return replace(p, ops=tuple(ops))


def _facing(p: Program, rng: np.random.Generator) -> Program:
    """Another tensor goes in or comes out, or one less."""
    side = _one(rng, ("inputs", "outputs"))
    named = dict(getattr(p, side))
    name = _one(rng, sorted(named))
    draw = rng.random()
    if draw < 0.5:
        named[name] = _one(rng, range(len(p.tensors)))
    elif draw < 0.7 and len(named) > 1:
        del named[name]
    else:
        other = _one(rng, sorted(named))
        named[name], named[other] = named[other], named[name]
    return replace(p, **{side: named})


_WAYS: tuple[Callable[[Program, np.random.Generator], Program], ...] = (
    _scale,
    _scale,
    _scales_alike,
    _code,
    _code,
    _field,
    _version,
    _operand,
    _operand,
    _size,
    _size,
    _rank,
    _type,
    _values,
    _constant,
    _order,
    _facing,
)
