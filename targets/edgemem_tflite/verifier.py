"""Whether a flatbuffer is a network as edgemem writes them, before an interpreter sees it.

Interpreters take a file at its word: tflite-runtime 2.14 ends the process on a single wrong bit.
Nothing is allocated here by what a file declares.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError
from edgemem.reading import DamageError

from .names import INPUT, NEXT, OUTPUT, SIGNATURE
from .operators import OPERATORS, PRODUCTS, Call, Value, plain
from .schema import OPTIONS, RANK, TYPES
from .structure import Table, ask, read

MEMORY = 1 << 25
"""Bytes of all that one step is given and computes."""

CONSTANTS = 1 << 26
"""Bytes of all constants as kernels lay them out, one that is read twice counted twice; those of a
file that is larger itself may take twice its size more."""

MACS = 1 << 26
"""Multiplications in the products of one step."""

_BLOCK = 16
"""Kernels fill rows and columns of a weight up to a multiple of this."""

_SENTENCE = 300
"""Characters of what is said to be wrong."""

_SMALLEST, _LARGEST = 2.0**-126, 2.0**64
"""Between these a scale lies."""

_TYPES = {number: name for name, number in TYPES.items()}
_NAMES = {operator.number: name for name, operator in OPERATORS.items()}

Buffers = Sequence[Optional[NDArray[np.uint8]]]


def verify(payload: bytes, origin: str) -> None:
    """Refuse a flatbuffer that no edgemem wrote.

    Parameters
    ----------
    payload : bytes
        The flatbuffer.
    origin : str
        Where it came from, for messages.

    Raises
    ------
    ArtefactError
        It says what is wrong and where.
    """
    try:
        check(payload)
    except DamageError as damage:
        # names in a file may be long, and many
        what = str(damage) if len(str(damage)) <= _SENTENCE else f"{str(damage)[:_SENTENCE]}..."
        raise ArtefactError(
            f"{origin}: the TFLite model is damaged ({what}); "
            "copy the file again or convert the model again"
        ) from None


def check(payload: bytes) -> None:
    """As :func:`verify`, for who wrote the flatbuffer.

    Raises
    ------
    DamageError
        It says what is wrong and where.
    """
    _check_model(read(payload), CONSTANTS + 2 * len(payload))


def _check_model(model: Table, room: int) -> None:
    graph, codes = model["subgraphs"][0], _codes(model)
    values = _values(graph["tensors"], _buffers(model), room)
    inputs, outputs = _signature(model["signature_defs"][0], graph, values)
    calls = _calls(graph["operators"], codes, len(values))
    _check_order(calls, values, inputs.values(), outputs.values())
    for i, (name, options, reads, writes) in enumerate(calls):
        with _inside(f"operator {i}, {name}"):
            call = Call(tuple(values[t] for t in reads), values[writes], options)
            OPERATORS[name].check(call)
    _check_room(calls, values, room)
    _check_names(inputs, outputs, values)


@contextmanager
def _inside(where: str) -> Iterator[None]:
    """Say where a damage was met."""
    try:
        yield
    except DamageError as damage:
        raise DamageError(f"{where}: {damage}") from None


# tensors


def _buffers(model: Table) -> Buffers:
    buffers = [buffer["data"] for buffer in model["buffers"]]
    # a tensor of this one is computed
    ask(buffers[0] is None, "buffer 0 is not empty")
    for entry in model["metadata"]:
        ask(0 < entry["buffer"] < len(buffers), f"metadata {entry['name']!r} has no buffer")
    return buffers


def _values(tensors: Sequence[Table], buffers: Buffers, room: int) -> list[Value]:
    found, left = [], room
    for i, tensor in enumerate(tensors):
        with _inside(f"tensor {i}"):
            value = _value(tensor, buffers)
        left -= 0 if value.data is None else value.data.nbytes
        ask(left >= 0, f"more than {room} bytes of constants")
        found.append(value)
    return found


def _value(tensor: Table, buffers: Buffers) -> Value:
    shape, number, buffer = tuple(tensor["shape"].tolist()), tensor["type"], tensor["buffer"]
    # kernels of products end the process over a single axis
    ask(min(shape) > 0 and (buffer > 0 or len(shape) > 1), f"shape {shape}")
    ask(number in _TYPES, f"type {number}, which edgemem never writes")
    ask(buffer < len(buffers), f"buffer {buffer} of {len(buffers)}")
    dtype = _TYPES[number]
    data = _data(buffers[buffer], shape, np.dtype(dtype)) if buffer else None
    if tensor["quantization"] is None:
        listed = dtype == "int32" and data is not None and len(shape) == 1 and shape[0] <= RANK
        ask(dtype == "float32" or listed, f"{dtype} of shape {shape} without a scale")
        return Value(shape, dtype, data=data)
    ask(dtype != "float32", "float32 with a scale")
    ask(data is not None or dtype in ("int8", "int16"), f"{dtype} that is computed")
    scale, zero_points = tensor["quantization"]["scale"], tensor["quantization"]["zero_point"]
    ask(len(scale) == 1 or (data is not None and len(scale) == shape[0]), f"{len(scale)} scales")
    ask(len(zero_points) == len(scale), f"{len(zero_points)} zero points for {len(scale)} scales")
    # a comparison with NaN is false
    ask(bool(np.all((scale >= _SMALLEST) & (scale < _LARGEST))), "a scale that cannot be")
    zero_point = int(zero_points[0])
    ask(bool(np.all(zero_points == zero_point)), "zero points that differ")
    within = -128 <= zero_point <= 127 if dtype == "int8" else zero_point == 0
    ask(within, f"zero point {zero_point} of {dtype}")
    return Value(shape, dtype, scale, zero_point, data)


def _data(
    buffer: NDArray[np.uint8] | None, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    size = math.prod(shape) * dtype.itemsize
    held = 0 if buffer is None else len(buffer)
    ask(buffer is not None and held == size, f"{held} bytes for {dtype} {shape}")
    data = np.asarray(buffer).view(dtype.newbyteorder("<"))
    ask(dtype.kind != "f" or bool(np.isfinite(data).all()), "a constant that is no number")
    return data.reshape(shape)


# operators

_Row = tuple[str, Mapping[str, int], tuple[int, ...], int]
"""Name and options of an operator, and the numbers of the tensors that it reads and writes."""


def _codes(model: Table) -> list[str]:
    """Names of the operators that the file uses."""
    found = []
    for i, code in enumerate(model["operator_codes"]):
        number, version = code["builtin_code"], code["version"]
        # readers from before schema 3a look at the 8-bit field only
        ask(code["deprecated_builtin_code"] == number, f"operator code {i} has two numbers")
        ask(number in _NAMES, f"operator {number}, which edgemem never writes")
        name = _NAMES[number]
        ask(version in OPERATORS[name].versions, f"{name} of version {version}")
        found.append(name)
    return found


def _calls(operators: Sequence[Table], codes: Sequence[str], tensors: int) -> list[_Row]:
    rows = []
    for i, operator in enumerate(operators):
        code, options = operator["opcode_index"], operator["builtin_options"]
        ask(code < len(codes), f"operator {i} has code {code} of {len(codes)}")
        with _inside(f"operator {i}, {codes[code]}"):
            wanted = OPTIONS.get(OPERATORS[codes[code]].options, 0)
            there = operator["builtin_options_type"] == wanted and (options is None) == (not wanted)
            ask(there, "options of another operator")
            reads, writes = operator["inputs"].tolist(), int(operator["outputs"][0])
            ask(
                all(0 <= t < tensors for t in (*reads, writes)),
                f"a tensor that is none of the {tensors}",
            )
        rows.append((codes[code], options or {}, tuple(reads), writes))
    return rows


def _check_order(
    calls: Sequence[_Row],
    values: Sequence[Value],
    inputs: Collection[int],
    outputs: Collection[int],
) -> None:
    """Each tensor is given, constant or computed once, before it is read."""
    known = {i for i, value in enumerate(values) if value.data is not None}
    unread = set(known)
    for tensor in inputs:
        ask(tensor not in known, f"the input tensor {tensor} is a constant, or two inputs")
        known.add(tensor)
    for i, (name, _, reads, writes) in enumerate(calls):
        late = [t for t in reads if t not in known]
        ask(not late, f"operator {i}, {name}, reads tensor {min(late, default=0)} too early")
        ask(writes not in known, f"operator {i}, {name}, writes tensor {writes}, which is there")
        known.add(writes)
        unread.difference_update(reads)
    left = (set(range(len(values))) - known) | (unread - set(outputs)) | (set(outputs) - known)
    ask(not left, f"tensor {min(left, default=0)} is not computed, or a constant never read")


def _check_room(calls: Sequence[_Row], values: Sequence[Value], room: int) -> None:
    """Bound what an interpreter allocates, and how long it computes."""
    memory = sum(_bytes(value) for value in values if value.data is None)
    ask(memory <= MEMORY, f"{memory} bytes computed in a step, {MEMORY} at most")
    constants = macs = 0
    for name, _, reads, writes in calls:
        held = [values[t] for t in reads if values[t].data is not None]
        constants += sum(_bytes(value, _BLOCK if name in PRODUCTS else 1) for value in held)
        if name in PRODUCTS:
            macs += values[writes].size * values[reads[1]].shape[-1]
    ask(constants <= room, f"{constants} bytes of constants, {room} at most")
    ask(macs <= MACS, f"{macs} multiplications in a step, {MACS} at most")


def _bytes(value: Value, block: int = 1) -> int:
    """Of a tensor whose first and last axes are filled up to ``block``."""
    size = value.size
    for n in {0: value.shape[0], len(value.shape) - 1: value.shape[-1]}.values():
        size = size // n * -(-n // block) * block
    return size * np.dtype(value.dtype).itemsize


# the outside


def _signature(
    signature: Table, graph: Table, values: Sequence[Value]
) -> tuple[dict[str, int], dict[str, int]]:
    """Tensors that go in and come out, by name."""
    key = signature["signature_key"]
    ask(key == SIGNATURE, f"the signature {key!r}, not {SIGNATURE!r}")
    found = []
    for side in ("inputs", "outputs"):
        named = {entry["name"]: entry["tensor_index"] for entry in signature[side]}
        ask(len(named) == len(signature[side]), f"two {side} of one name")
        facing = graph[side].tolist()
        ask(list(named.values()) == facing, f"other {side} in the signature than in the graph")
        ask(min(facing) >= 0 and max(facing) < len(values), f"{side} that are no tensors")
        found.append(named)
    return found[0], found[1]


def _check_names(
    inputs: Mapping[str, int], outputs: Mapping[str, int], values: Sequence[Value]
) -> None:
    """The network takes and gives floats, and every state as it went in."""
    states = {name: name + NEXT for name in inputs if name != INPUT}
    ask(
        INPUT in inputs and set(outputs) == {OUTPUT, *states.values()},
        f"the signature has inputs {', '.join(sorted(inputs))} and outputs "
        f"{', '.join(sorted(outputs))}, expected {INPUT!r}, {OUTPUT!r} and each state, "
        f"its end in {NEXT!r}",
    )
    for name, value in (
        (INPUT, values[inputs[INPUT]]),
        (OUTPUT, values[outputs[OUTPUT]]),
    ):
        ask(value.dtype == "float32", f"{name!r} is {value.dtype}")
    ask(values[inputs[INPUT]].size == values[inputs[INPUT]].shape[-1], "the input is no row")
    for state, after in states.items():
        before, then = values[inputs[state]], values[outputs[after]]
        same = plain(before.shape) == plain(then.shape) and before.like(then)
        ask(same, f"the state {state!r} does not come back as it went in")
