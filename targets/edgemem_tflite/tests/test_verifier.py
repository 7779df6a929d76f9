"""What the verifier takes for a network: everything edgemem writes, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
import tflite
from fuzzing.flatbuffers import Map, Place, chart

from edgemem import artefact, pretrained
from edgemem.cells import LEM, Cell
from edgemem.errors import ArtefactError, UnsupportedOpError
from edgemem.ir import Graph, trace
from edgemem.quantize import Format, Scheme
from edgemem_tflite import Mode, TFLiteOptions, verifier
from edgemem_tflite.convert import convert
from edgemem_tflite.flatbuffer import Op, Program, Tensor, serialize
from edgemem_tflite.operators import OPERATORS
from edgemem_tflite.schema import (
    OPTIONS,
    TABLES,
    TYPES,
    Child,
    Children,
    Choice,
    Field,
    Numbers,
    Scalar,
    Text,
)
from edgemem_tflite.structure import read
from edgemem_tflite.verifier import CONSTANTS, MACS, MEMORY, verify

F8, F16 = Format(8, 0.05, 3), Format(16, 2.0**-12)


def refused(payload: bytes, why: str) -> None:
    with pytest.raises(ArtefactError, match=why) as found:
        verify(payload, "net.tflite")
    message = str(found.value)
    assert message.startswith("net.tflite: the TFLite model is damaged (")
    assert message.endswith("; copy the file again or convert the model again")
    assert "\n" not in message


# the tables against the packages that follow the published schema


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def test_numbers_are_those_of_the_schema() -> None:
    assert {n: op.number for n, op in OPERATORS.items()} == {
        name: getattr(tflite.BuiltinOperator, name) for name in OPERATORS
    }
    assert {name: getattr(tflite.BuiltinOptions, name) for name in OPTIONS} == OPTIONS
    assert {name: getattr(tflite.TensorType, name.upper()) for name in TYPES} == TYPES
    assert {op.options for op in OPERATORS.values()} - {""} == set(OPTIONS)


def test_fields_are_those_of_the_schema() -> None:
    """Each field of every table, as the published accessors read it out of the shipped networks."""
    compared = set()
    for payload in (*shipped().values(), made(LEM(4, 5), "none")):
        compared |= set(_compared(read(payload), tflite.Model.GetRootAs(payload), "Model"))
    # an empty buffer, an empty table: nothing to compare
    assert compared == {(of, f.name) for of, fields in TABLES.items() for f in fields}


def _compared(ours: Any, theirs: Any, of: str) -> Iterator[tuple[str, str]]:
    for field in TABLES[of]:
        value, name, kind = ours[field.name], camel(field.name), field.kind
        yield of, field.name
        if isinstance(kind, Scalar):
            assert getattr(theirs, name)() == value, (of, field.name)
        elif value is None:
            continue
        elif isinstance(kind, Text):
            assert getattr(theirs, name)().decode() == value
        elif isinstance(kind, Numbers):
            np.testing.assert_array_equal(getattr(theirs, f"{name}AsNumpy")(), value)
        elif isinstance(kind, Child):
            yield from _compared(value, getattr(theirs, name)(), kind.of)
        elif isinstance(kind, Children):
            assert getattr(theirs, f"{name}Length")() == len(value)
            for i, child in enumerate(value):
                yield from _compared(child, getattr(theirs, name)(i), kind.of)
        else:
            assert isinstance(kind, Choice)
            table = kind.among[ours[kind.by]]
            options = getattr(tflite, table)()
            place = getattr(theirs, name)()
            options.Init(place.Bytes, place.Pos)
            yield from _compared(value, options, table)


# everything that edgemem writes


@cache
def shipped() -> dict[str, bytes]:
    return {
        name: artefact.read(pretrained.resolve(name, pretrained.CONVERTED)).payload
        for name in pretrained.names()
    }


@dataclass(frozen=True)
class Rows(Cell):
    """Every row of a matrix and one of parameters: what no cell of edgemem's has."""

    name: ClassVar[str] = "rows"
    n_in: int = 12
    n_out: int = 12

    @property
    def params(self) -> dict[str, tuple[int, ...]]:
        return {"W": (12, 12), "b": (4,)}

    def step(self, ops: Any, p: Any, s: Any, x: Any) -> tuple[dict[str, Any], Any]:
        table = ops.split(ops.matvec(p["W"], x), 3)
        return {}, ops.tanh(ops.merge(ops.add(table, p["b"])))


@dataclass(frozen=True)
class Net:
    cell: Cell
    name: str = "net"
    labels: tuple[str, ...] = ()
    scheme: Scheme | None = None

    def graph(self) -> Graph:
        rng = np.random.default_rng(3)
        arrays = {name: rng.normal(size=shape) for name, shape in self.cell.params.items()}
        return trace(self.cell, {**arrays, **self.cell.constants})

    reference = graph


@cache
def made(cell: Cell, quantize: Mode) -> bytes:
    x = np.random.default_rng(0).normal(size=(4, 20, cell.n_in)).astype(np.float32)
    return convert(Net(cell), TFLiteOptions(quantize=quantize), x).payload


@pytest.mark.parametrize("quantize", get_args(Mode))
def test_rows_over_a_matrix_are_sound(quantize: Mode) -> None:
    verify(made(Rows(), quantize), "rows")


@pytest.mark.parametrize("name", pretrained.names())
def test_shipped_networks_are_sound(name: str) -> None:
    verify(shipped()[name], name)


# damage to the structure: every rule of every field


def written(at: Place, value: int) -> bytes:
    data = bytearray(floats_and_integers())
    width = np.dtype(at.dtype).itemsize
    data[at.at : at.at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(data)


@cache
def floats_and_integers() -> bytes:
    """A small network with every table of the schema."""
    return serialize(every_operator(), {"note": b"text"})


def places(of: str, name: str) -> Map:
    every = chart(floats_and_integers())
    return Map(
        *(
            [place for place in kind if place.name == f"{of}.{name}"]
            for kind in vars(every).values()
        )
    )


FIELDS = [(of, field) for of, fields in TABLES.items() for field in fields]


def _kinds(*kinds: type) -> pytest.MarkDecorator:
    found = [pytest.param(of, f, id=f"{of}.{f.name}") for of, f in FIELDS if type(f.kind) in kinds]
    return pytest.mark.parametrize(("of", "field"), found)


@_kinds(Text, Numbers, Child, Children, Choice)
def test_an_offset_that_leads_nowhere(of: str, field: Field) -> None:
    size = len(floats_and_integers())
    for at in places(of, field.name).offsets:
        for value in (0, 1, 2, 3, size - at.at - 3, size, 2**31, 2**32 - 1):
            refused(written(at, value), rf"{field.name}(\[\d+\])? (leads to byte|.* no multiple)")


@_kinds(Numbers, Children, Text)
def test_a_length_beyond_the_file(of: str, field: Field) -> None:
    found = places(of, field.name).lengths
    assert found
    for at in found:
        for value in (len(floats_and_integers()), 2**31 - 1, 2**32 - 1):
            # equal vectors are stored once: another field may come to it first
            refused(written(at, value), "entries")


@_kinds(Scalar)
def test_a_number_out_of_its_range(of: str, field: Field) -> None:
    kind = field.kind
    assert isinstance(kind, Scalar)
    found = places(of, field.name).scalars
    assert found
    info = np.iinfo(kind.dtype)
    wrong = {kind.low - 1, kind.high + 1, int(info.min), int(info.max)}
    wrong -= set(range(kind.low, kind.high + 1))
    for at in found:
        for value in sorted(v for v in wrong if info.min <= v <= info.max):
            refused(written(at, value), field.name)


@pytest.mark.parametrize(
    ("of", "field"),
    [pytest.param(of, f, id=f"{of}.{f.name}") for of, f in FIELDS if f.required],
)
def test_a_required_field_that_is_missing(of: str, field: Field) -> None:
    data, at, size, entries = layout(of)
    entries[field.slot] = 0
    refused(laid_out(data, at, size, entries), f"{field.name} is missing")


@pytest.mark.parametrize("of", [of for of in TABLES if of != "SliceOptions"])
def test_a_field_that_edgemem_never_writes(of: str) -> None:
    """A table's layout with one slot more, put at the end of the file."""
    data, at, size, entries = layout(of)
    slots = max(field.slot for field in TABLES[of]) + 2
    entries += [0] * (slots - 1 - len(entries)) + [4]
    refused(laid_out(data, at, size, entries), "edgemem never writes")


def layout(of: str) -> tuple[bytes, int, int, list[int]]:
    """The file, where the first table of a kind is, its size, and where its fields are."""
    data = floats_and_integers()
    at = next(p.at for p in chart(data).layouts if p.name == of and p.dtype == "int32")
    vtable = at - struct.unpack_from("<i", data, at)[0]
    length, size = struct.unpack_from("<HH", data, vtable)
    return data, at, size, [*struct.unpack_from(f"<{length // 2 - 2}H", data, vtable + 4)]


def laid_out(data: bytes, at: int, size: int, entries: list[int]) -> bytes:
    """The file with a layout for that table alone, at its end."""
    changed = bytearray(data)
    struct.pack_into("<i", changed, at, at - len(data))
    changed += struct.pack(f"<HH{len(entries)}H", 4 + 2 * len(entries), size, *entries)
    return bytes(changed) + bytes(8)


@pytest.mark.parametrize("value", [0, 1, 2, 3, 5, 0x7FFF, 0xFFFF])
def test_a_layout_that_cannot_be(value: int) -> None:
    data = floats_and_integers()
    found = {p.at: p for p in chart(data).layouts if p.dtype == "uint16"}
    heads = {
        p.at - struct.unpack_from("<i", data, p.at)[0]
        for p in chart(data).layouts
        if p.dtype == "int32"
    }
    for at in sorted(heads):
        refused(written(found[at], value), "layout|never writes|missing| is ")


@pytest.mark.parametrize("length", [0, 3, 4, 7, 8, 9, 100])
def test_a_file_cut_short(length: int) -> None:
    refused(floats_and_integers()[:length], "no TFL3|leads to")


def test_a_name_that_a_terminal_obeys() -> None:
    network = every_operator()
    tensors = tuple(replace(t, name="\x1b[2J") if t.name == "tanh" else t for t in network.tensors)
    refused(serialize(replace(network, tensors=tensors), {}), "cannot be printed")


# damage to the network: one program with every operator, and what may not be said of it


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
    image = op("RESHAPE", 1, (q, integers("four", 1, 1, 1, 4)), add("image", (1, 1, 1, 4), F8))
    rows = Format(8, np.full(4, 0.02))
    kernel = r.integers(-9, 9, (4, 1, 1, 4), np.int8)
    weight = add("weight", kernel.shape, rows, kernel)
    bias = add("bias", (4,), Format(32, np.full(4, 0.001)), np.arange(4, dtype=np.int32))
    conv = op(
        "CONV_2D",
        3,
        (image, weight, bias),
        add("conv", (1, 1, 1, 4), F8),
        Padding=1,
        StrideW=1,
        StrideH=1,
        FusedActivationFunction=1,
    )
    flat = op("RESHAPE", 1, (conv, integers("two", 1, 4)), add("flat", (1, 4), F8))
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
    added = op("ADD", 3, (fc, s), add("added", (1, 4), F16), **own)
    minus = op("SUB", 5, (added, s), add("minus", (1, 4), F16), **own)
    sigma = op("LOGISTIC", 3, (minus,), add("sigma", (1, 4), Format(16, 2.0**-15)))
    tanh = op("TANH", 3, (sigma,), add("tanh", (1, 4), Format(16, 2.0**-15)))
    one = add("one", (1,), F16, np.array([7], np.int16))
    times = op("MUL", 4, (tanh, one), add("times", (1, 4), F16), FusedActivationFunction=1)
    begin, size = integers("begin", 0, 1), integers("size", 1, 2)
    cut = op("SLICE", 4, (times, begin, size), add("cut", (1, 2), F16))
    real = op("DEQUANTIZE", 3, (cut,), add("real", (1, 2)))
    y = op("RELU", 1, (real,), add("y", (1, 2)))
    return Program(tuple(draw.values()), tuple(ops), {"x": x, "s": s}, {"y": y, "s.next": minus})


def test_the_program_with_every_operator_is_sound_and_runs() -> None:
    from edgemem_tflite.interpreter import open_interpreter

    network = every_operator()
    assert {op.code for op in network.ops} == set(OPERATORS)
    verify(floats_and_integers(), "every operator")
    for reference_kernels in (False, True):
        open_interpreter(floats_and_integers(), "test", reference_kernels).invoke()


Change = Callable[[Program], Program]


def tensor(name: str, **changes: Any) -> Change:
    def change(p: Program) -> Program:
        return replace(
            p, tensors=tuple(replace(t, **changes) if t.name == name else t for t in p.tensors)
        )

    return change


def op(code: str, **changes: Any) -> Change:
    """Of the last operator of that code."""

    def change(p: Program) -> Program:
        last = max(i for i, one in enumerate(p.ops) if one.code == code)
        ops = list(p.ops)
        ops[last] = replace(ops[last], **changes)
        return replace(p, ops=tuple(ops))

    return change


def number(name: str) -> int:
    return next(i for i, t in enumerate(every_operator().tensors) if t.name == name)


def reads(code: str, *names: str) -> Change:
    return op(code, inputs=tuple(map(number, names)))


def facing(**sides: dict[str, str]) -> Change:
    found = {side: {n: number(t) for n, t in named.items()} for side, named in sides.items()}
    return lambda p: replace(p, **found)  # type: ignore[arg-type]


def ops(change: Callable[[tuple[Op, ...]], tuple[Op, ...]]) -> Change:
    return lambda p: replace(p, ops=change(p.ops))


def scale(bits: int, value: Any, zero_point: Any = 0) -> Format:
    """A format that may be impossible."""
    form = Format(bits, 1.0, zero_point)
    object.__setattr__(form, "scale", np.asarray(value) if np.ndim(value) else value)
    return form


LIST = np.array

DAMAGE: dict[str, tuple[Change, str]] = {
    # tensors
    "no length": (tensor("tanh", shape=(1, 0)), r"tensor \d+: shape \(1, 0\)"),
    "negative": (tensor("tanh", shape=(1, -4)), "shape"),
    "one axis": (tensor("tanh", shape=(4,)), "shape"),
    "five axes": (tensor("tanh", shape=(1, 1, 1, 1, 4)), "5 entries"),
    "a constant too short": (tensor("big", data=np.zeros(31, np.int8)), "31 bytes for int8"),
    "a constant too long": (tensor("big", data=np.zeros(33, np.int8)), "33 bytes for int8"),
    "no scale": (tensor("tanh", format=None), r"int16 of shape \(1, 4\) without a scale"),
    "floats with a scale": (tensor("real", format=F16), "float32 with a scale"),
    "NaN for a scale": (tensor("tanh", format=scale(16, np.nan)), "scale that cannot be"),
    "endless scale": (tensor("tanh", format=scale(16, np.inf)), "scale that cannot be"),
    "no step": (tensor("tanh", format=scale(16, 0.0)), "scale that cannot be"),
    "negative scale": (tensor("tanh", format=scale(16, -1.0)), "scale that cannot be"),
    "a scale too small to divide by": (tensor("q", format=scale(8, 1e-44)), "scale that cannot be"),
    "zero point of 16 bits": (tensor("tanh", format=Format(16, 2.0**-15, 1)), "zero point 1"),
    "zero point out of 8 bits": (tensor("q", format=Format(8, 0.05, 128)), "zero point 128"),
    "zero points that differ": (
        tensor("big", format=scale(8, np.full(4, 0.02), np.array([0, 0, 0, 1]))),
        "zero points that differ",
    ),
    "scales for other rows": (tensor("big", format=Format(8, np.full(3, 0.02))), "3 scales"),
    "scales along what is computed": (tensor("q", format=Format(8, np.full(4, 0.02))), "4 scales"),
    "computed in 32 bits": (tensor("tanh", dtype="int32", format=Format(32, 1.0)), "is computed"),
    # order
    "read before it is made": (ops(lambda o: (*o[::-1],)), "too early"),
    "made twice": (ops(lambda o: (*o, o[-1])), "which is there"),
    "never made": (ops(lambda o: o[:-1]), "not computed"),
    "a constant that nobody reads": (reads("FULLY_CONNECTED", "both", "big"), "never read"),
    "an input is written": (op("RELU", outputs=(0,)), "which is there"),
    "a tensor that is not there": (op("RELU", inputs=(99,)), "none of the"),
    "an operand left out": (op("RELU", inputs=(-1,)), "none of the"),
    # operators
    "a version of nobody": (op("TANH", version=9), "TANH of version 9"),
    "other types": (reads("TANH", "real"), "too early|makes int16 of float32"),
    "too few operands": (reads("MUL", "tanh"), "makes int16 of int16|never read"),
    "too many": (reads("TANH", "sigma", "minus"), "makes int16 of int16 and int16"),
    "another shape of a result": (tensor("tanh", shape=(1, 5)), "the result has shape"),
    "rows that do not fit": (reads("MUL", "tanh", "both"), "an operand of shape|never read"),
    "shifts over unequal shapes": (
        lambda p: reads("ADD", "fc", "one")(op("ADD", fields={"PotScaleInt16": 1})(p)),
        "an operand has shape",
    ),
    "a step too fine to add": (tensor("added", format=Format(16, 2.0**-30)), "multiplies by"),
    "a step too fine to multiply": (tensor("times", format=Format(16, 2.0**-70)), "multiplies by"),
    "a step too fine for a product": (tensor("fc", format=Format(16, 2.0**-70)), "multiplies by"),
    "a reshape of other size": (
        lambda p: tensor("four", data=LIST([1, 1, 1, 5], np.int32))(
            tensor("image", shape=(1, 1, 1, 5))(p)
        ),
        "becomes",
    ),
    "a reshape to another shape": (tensor("four", data=LIST([1, 1, 4, 1], np.int32)), "asked for"),
    "a reshape to a guess": (tensor("four", data=LIST([1, 1, 1, -1], np.int32)), "asked for"),
    "a reshape in other steps": (tensor("image", format=Format(8, 0.06, 3)), "other steps"),
    "a slice beyond the end": (tensor("begin", data=LIST([0, 3], np.int32)), "out of"),
    "a slice before the start": (tensor("begin", data=LIST([0, -1], np.int32)), "out of"),
    "a slice of other size": (tensor("size", data=LIST([1, 3], np.int32)), "the result has shape"),
    "a slice to the end": (tensor("size", data=LIST([1, -1], np.int32)), "the result has shape"),
    "a slice in other steps": (tensor("cut", format=Format(16, 0.5)), "other steps"),
    "a join along no axis": (op("CONCATENATION", fields={"Axis": 2}), "joins along"),
    "a join along the rows": (op("CONCATENATION", fields={"Axis": 0}), "joins along"),
    "a join too long": (tensor("both", shape=(1, 9)), "the result has shape"),
    "a join in other steps": (tensor("both", format=Format(16, 0.5)), "other steps"),
    "a weight that is computed": (
        lambda p: facing(inputs={"x": "x", "s": "s", "b": "big"})(
            tensor("big", data=None, format=Format(8, 0.02))(p)
        ),
        "the weight is no constant",
    ),
    "a weight of other width": (
        tensor("big", shape=(4, 7), data=np.zeros((4, 7), np.int8)),
        "the input has shape",
    ),
    "a weight with a zero point": (tensor("big", format=Format(8, 0.02, 1)), "zero point 1"),
    "a bias too short": (
        tensor("long", shape=(3,), data=np.zeros(3, np.int64), format=Format(64, np.full(3, 1e-4))),
        "the bias has shape",
    ),
    "a wide kernel": (
        tensor("weight", shape=(4, 2, 2, 1)),
        "a weight of shape",
    ),
    "a strange activation": (
        op("MUL", fields={"FusedActivationFunction": 4}),
        "fused_activation_function is 4",
    ),
    "padding": (
        op("CONV_2D", fields={"Padding": 0, "StrideW": 1, "StrideH": 1}),
        "padding is 0",
    ),
    "strides": (op("CONV_2D", fields={"Padding": 1, "StrideW": 0, "StrideH": 1}), "stride_w is 0"),
    "axes that go": (op("FULLY_CONNECTED", fields={"KeepNumDims": 0}), "keep_num_dims is 0"),
    "a cast of others": (op("CAST", fields={"InDataType": 7, "OutDataType": 7}), "in_data_type"),
    # the outside
    "no input": (facing(inputs={"s": "s"}), "not computed|too early"),
    "other names": (facing(inputs={"x": "x", "t": "s"}), "the signature has inputs"),
    "an output more": (
        facing(outputs={"y": "y", "s.next": "minus", "z": "fc"}),
        "the signature has inputs",
    ),
    "a state that comes back in other rows": (
        tensor("s", shape=(2, 4)),
        "an operand of shape|a part|does not come back",
    ),
    "a state that comes back otherwise": (
        facing(outputs={"y": "y", "s.next": "sigma"}),
        "the state 's' does not come back",
    ),
    "an output of integers": (facing(outputs={"y": "cut", "s.next": "minus"}), "not comp|'y' is"),
    "an input that is a constant": (facing(inputs={"x": "x", "s": "one"}), "is a constant"),
    "an input twice": (facing(inputs={"x": "x", "s": "x"}), "or two inputs"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_network_that_no_edgemem_wrote(name: str) -> None:
    change, why = DAMAGE[name]
    refused(serialize(change(every_operator()), {}), why)


def test_other_tensors_in_the_signature_than_in_the_graph() -> None:
    refused(written(places("TensorMap", "tensor_index").scalars[-1], 2), "in the signature than in")


def test_zero_points_for_other_rows() -> None:
    data = floats_and_integers()
    lengths = places("QuantizationParameters", "zero_point").lengths
    four = next(at for at in lengths if struct.unpack_from("<I", data, at.at) == (4,))
    refused(written(four, 3), "3 zero points for 4 scales")


def test_a_buffer_that_is_not_there() -> None:
    refused(written(places("Tensor", "buffer").scalars[0], 4000), "buffer 4000 of")
    refused(written(places("Metadata", "buffer").scalars[0], 4000), "metadata 'note' has no")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_constant_that_is_no_number(value: float) -> None:
    weight = np.eye(8, dtype=np.float32)
    weight[3, 4] = value
    refused(chain("FULLY_CONNECTED", 5, 8, 1, weight), "a constant that is no number")


@pytest.mark.parametrize("value", [tflite.TensorType.FLOAT16, tflite.TensorType.STRING, 99])
def test_a_type_that_edgemem_never_writes(value: int) -> None:
    refused(written(places("Tensor", "type").scalars[0], value), f"type {value}, which edgemem")


def test_a_first_buffer_that_holds_something() -> None:
    # the offset of the vector, then those of its buffers
    _, first, second, *_ = places("Model", "buffers").offsets
    at = struct.unpack_from("<I", floats_and_integers(), second.at)[0] + second.at
    refused(written(first, at - first.at), "buffer 0 is not empty")


def test_another_signature() -> None:
    data = floats_and_integers()
    refused(data.replace(b"serving_default\0", b"serving_nothing\0"), "'serving_nothing', not")


def test_two_outputs_of_one_name() -> None:
    network = every_operator()
    twice = replace(network, outputs={**network.outputs, "y.next": network.outputs["y"]})
    data = serialize(twice, {}).replace(b"y.next\0", b"s.next\0")
    refused(data, "two outputs of one name")


def test_an_output_that_is_no_tensor() -> None:
    network = every_operator()
    refused(serialize(replace(network, outputs={"y": 99}), {}), "outputs that are no tensors")


def test_an_input_that_is_no_row() -> None:
    table = Tensor("", (2, 4), "float32")
    made = (Op("RELU", 1, (0,), (1,)),)
    refused(serialize(Program((table, table), made, {"x": 0}, {"y": 1}), {}), "the input is no row")


def test_an_operator_code_that_is_not_there() -> None:
    at = places("Operator", "opcode_index").scalars[-1]
    refused(written(at, 4000), r"operator \d+ has code 4000 of")


def test_two_numbers_of_one_operator() -> None:
    at = places("OperatorCode", "deprecated_builtin_code").scalars[0]
    refused(written(at, 5), "has two numbers")


def test_an_operator_of_others() -> None:
    every = chart(floats_and_integers()).scalars
    data = bytearray(floats_and_integers())
    for place in every:
        if place.name.endswith("builtin_code") and data[place.at] == OPERATORS["TANH"].number:
            data[place.at] = tflite.BuiltinOperator.ABS
    refused(bytes(data), f"operator {tflite.BuiltinOperator.ABS}, which edgemem never writes")


def test_options_of_another_operator() -> None:
    at = next(
        p
        for p in places("Operator", "builtin_options_type").scalars
        if floats_and_integers()[p.at] == OPTIONS["AddOptions"]
    )
    refused(written(at, OPTIONS["SubOptions"]), "options of another operator")


# sizes


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


def test_sizes_are_bounded() -> None:
    fits = MEMORY // 4 // 1000
    verify(chain("RELU", 1, 1000, 100), "chain")
    refused(chain("RELU", 1, 1000 * (fits // 100), 101), "bytes computed in a step")
    square = np.zeros((1024, 1024), np.float32)
    times = (CONSTANTS + 2 * square.nbytes) // square.nbytes
    verify(chain("FULLY_CONNECTED", 5, 1024, times, square), "chain")
    refused(chain("FULLY_CONNECTED", 5, 1024, times + 1, square), "bytes of constants")
    refused(chain("RELU", 1, 4, 5000), "entries, not 1 to 4096")
    # one buffer for many tensors: refused before anything looks at their values
    tensors = tuple(Tensor("", square.shape, "float32", None, square) for _ in range(times + 1))
    refused(serialize(Program(tensors, (), {"x": 0}, {"y": 0}), {}), "more than .* of constants")


def test_a_conversion_is_held_to_the_same_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "MACS", 10)
    with pytest.raises(UnsupportedOpError, match=r"net: .*multiplications in a step, 10 at most"):
        made(LEM(3, 4), "none")


def test_multiplications_are_bounded() -> None:
    n, rows = 256, MACS // 256**2 + 1
    weight = Tensor("", (n, n), "float32", None, np.zeros((n, n), np.float32))
    shape = Tensor("", (2,), "int32", None, np.array([rows, n], np.int32))
    flat, table = (Tensor("", s, "float32") for s in ((1, rows * n), (rows, n)))
    made = (
        Op("RESHAPE", 1, (0, 1), (2,)),
        Op("FULLY_CONNECTED", 5, (2, 3), (4,), {"KeepNumDims": 1}),
    )
    tensors = (flat, shape, table, weight, table)
    refused(serialize(Program(tensors, made, {"x": 0}, {"y": 4}), {}), "multiplications in a step")
