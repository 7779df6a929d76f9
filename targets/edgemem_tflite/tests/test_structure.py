"""Damage to the bytes of a flatbuffer: every rule of every field of the table."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tflite
from fuzzing.flatbuffers import Map, Place, chart
from fuzzing.sample import payload

from edgemem.reading import DamageError
from edgemem_tflite.operators import OPERATORS
from edgemem_tflite.schema import (
    OPTIONS,
    TABLES,
    Child,
    Children,
    Choice,
    Field,
    Numbers,
    Scalar,
    Text,
)
from edgemem_tflite.verifier import check


def refused(data: bytes, why: str) -> None:
    with pytest.raises(DamageError, match=why):
        check(data)


def written(at: Place, value: int) -> bytes:
    data = bytearray(payload())
    width = np.dtype(at.dtype).itemsize
    data[at.at : at.at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(data)


def places(of: str, name: str) -> Map:
    every = chart(payload())
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
    size = len(payload())
    for at in places(of, field.name).offsets:
        for value in (0, 1, 2, 3, size - at.at - 3, size, 2**31, 2**32 - 1):
            refused(written(at, value), rf"{field.name}(\[\d+\])? (leads to byte|.* no multiple)")


@_kinds(Numbers, Children, Text)
def test_a_length_beyond_the_file(of: str, field: Field) -> None:
    found = places(of, field.name).lengths
    assert found
    for at in found:
        for value in (len(payload()), 2**31 - 1, 2**32 - 1):
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
    data = payload()
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
    data = payload()
    found = {p.at: p for p in chart(data).layouts if p.dtype == "uint16"}
    heads = {
        p.at - struct.unpack_from("<i", data, p.at)[0]
        for p in chart(data).layouts
        if p.dtype == "int32"
    }
    for at in sorted(heads):
        refused(written(found[at], value), "layout|never writes|missing| is ")


EVERY_FIELD = pytest.mark.parametrize(
    ("of", "field"), [pytest.param(of, f, id=f"{of}.{f.name}") for of, f in FIELDS]
)


@EVERY_FIELD
def test_a_field_outside_its_table(of: str, field: Field) -> None:
    data, at, size, entries = layout(of)
    for place in (1, 3, size, size + 1, 0xFFFF):
        there = [*entries, *[0] * (field.slot + 1 - len(entries))]
        there[field.slot] = place
        refused(laid_out(data, at, size, there), f"{field.name} lies outside its table")


@EVERY_FIELD
def test_a_field_at_an_odd_place(of: str, field: Field) -> None:
    if isinstance(field.kind, Scalar) and np.dtype(field.kind.dtype).itemsize == 1:
        return  # a byte may lie anywhere
    data, at, size, entries = layout(of)
    for place in (5, 6, 7):
        there = [*entries, *[0] * (field.slot + 1 - len(entries))]
        there[field.slot] = place
        refused(laid_out(data, at, size + 8, there), f"{field.name} is at byte .* no multiple of 4")


GAPS = {of: set(range(max((f.slot for f in fields), default=0))) for of, fields in TABLES.items()}


@pytest.mark.parametrize(
    ("of", "slot"),
    [(of, s) for of, gaps in GAPS.items() for s in gaps - {f.slot for f in TABLES[of]}],
)
def test_a_field_between_those_of_edgemem(of: str, slot: int) -> None:
    data, at, size, entries = layout(of)
    entries[slot] = 4
    refused(laid_out(data, at, size, entries), f"has field {slot}, which edgemem never writes")


@pytest.mark.parametrize(
    ("of", "name", "step"),
    [("Buffer", "data", 16), ("QuantizationParameters", "zero_point", 8), ("Tensor", "shape", 4)],
)
def test_a_vector_at_an_odd_place(of: str, name: str, step: int) -> None:
    """Moved to the end of the file, where its numbers are no multiple of their step."""
    data = payload()
    kinds = places(of, name)
    vector = (kinds.contents or kinds.vectors)[0]
    offset = next(
        p for p in kinds.offsets if p.at + struct.unpack_from("<I", data, p.at)[0] == vector.at - 4
    )
    width = np.dtype(vector.dtype).itemsize * vector.count
    end = len(data) + -(len(data) + 4) % step + (4 if step > 4 else 2)
    moved = bytearray(data) + bytes(end - len(data))
    moved += data[vector.at - 4 : vector.at + width] + bytes(16)
    struct.pack_into("<I", moved, offset.at, end - offset.at)
    refused(bytes(moved), f"{name} is at byte .* no multiple of {step}|{name} leads to byte")


@_kinds(Text)
def test_a_name_without_an_end(of: str, field: Field) -> None:
    changed = bytearray(payload())
    for place in places(of, field.name).contents:
        changed[place.at + place.count - 1] = ord("a")
    refused(bytes(changed), "does not end in a zero")


@pytest.mark.parametrize("of", TABLES)
def test_a_layout_with_room_for_more_fields(of: str) -> None:
    data, at, size, entries = layout(of)
    slots = max((field.slot for field in TABLES[of]), default=-1) + 2
    entries += [0] * (slots - len(entries))
    refused(laid_out(data, at, size, entries), "has fields that edgemem never writes")


@pytest.mark.parametrize("of", TABLES)
def test_a_layout_that_is_elsewhere(of: str) -> None:
    data = payload()
    at = next(p for p in chart(data).layouts if p.name == of and p.dtype == "int32")
    for vtable in (-2, -(2**20), 5, len(data) - 2, len(data), len(data) + 2**20):
        refused(written(at, at.at - vtable), f"the layout of .* is at byte {vtable} of {len(data)}")


@pytest.mark.parametrize("of", TABLES)
def test_a_table_beyond_the_file(of: str) -> None:
    data, at, _, entries = layout(of)
    refused(laid_out(data, at, 0xFFFE, entries), "ends after the last byte")


@pytest.mark.parametrize("length", [0, 3, 4, 7, 8, 9, 100])
def test_a_file_cut_short(length: int) -> None:
    refused(payload()[:length], "no TFL3|leads to")


def test_other_tensors_in_the_signature_than_in_the_graph() -> None:
    refused(written(places("TensorMap", "tensor_index").scalars[-1], 2), "in the signature than in")


def test_zero_points_for_other_rows() -> None:
    data = payload()
    lengths = places("QuantizationParameters", "zero_point").lengths
    four = next(at for at in lengths if struct.unpack_from("<I", data, at.at) == (4,))
    refused(written(four, 3), "3 zero points for 4 scales")


def test_a_buffer_that_is_not_there() -> None:
    refused(written(places("Tensor", "buffer").scalars[0], 4000), "buffer 4000 of")
    refused(written(places("Metadata", "buffer").scalars[0], 4000), "metadata 'note' has no")


@pytest.mark.parametrize("value", [tflite.TensorType.FLOAT16, tflite.TensorType.STRING, 99])
def test_a_type_that_edgemem_never_writes(value: int) -> None:
    refused(written(places("Tensor", "type").scalars[0], value), f"type {value}, which edgemem")


def test_a_first_buffer_that_holds_something() -> None:
    # the offset of the vector, then those of its buffers
    _, first, second, *_ = places("Model", "buffers").offsets
    at = struct.unpack_from("<I", payload(), second.at)[0] + second.at
    refused(written(first, at - first.at), "buffer 0 is not empty")


def test_an_operator_code_that_is_not_there() -> None:
    at = places("Operator", "opcode_index").scalars[-1]
    refused(written(at, 4000), r"operator \d+ has code 4000 of")


def test_two_numbers_of_one_operator() -> None:
    at = places("OperatorCode", "deprecated_builtin_code").scalars[0]
    refused(written(at, 5), "has two numbers")


def test_an_operator_of_others() -> None:
    every = chart(payload()).scalars
    data = bytearray(payload())
    for place in every:
        if place.name.endswith("builtin_code") and data[place.at] == OPERATORS["TANH"].number:
            data[place.at] = tflite.BuiltinOperator.ABS
    refused(bytes(data), f"operator {tflite.BuiltinOperator.ABS}, which edgemem never writes")


def test_options_of_another_operator() -> None:
    at = next(
        p
        for p in places("Operator", "builtin_options_type").scalars
        if payload()[p.at] == OPTIONS["AddOptions"]
    )
    refused(written(at, OPTIONS["SubOptions"]), "options of another operator")
