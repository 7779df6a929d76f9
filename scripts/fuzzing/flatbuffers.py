"""Damage for TFLite flatbuffers that knows their structure.

``mutate`` changes a few places of a sound payload: offsets, layouts of tables, lengths, numbers of
tensors, shapes, types, scales, contents, or any bits.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from edgemem_tflite.operators import OPERATORS
from edgemem_tflite.schema import TABLES, TYPES, Child, Children, Choice, Numbers, Scalar, Text

EXTREMES = {
    "int8": (0, 1, -1, 127, -128, *TYPES.values()),
    "uint8": (0, 1, 2, 255, 128, 11, 28),
    "uint16": (0, 1, 2, 3, 4, 6, 8, 0xFFFF, 0x7FFF, 0x8000),
    "int32": (0, 1, -1, 2, 3, 4, 5, 16, 255, 4096, 65536, 2**30, 2**31 - 1, -(2**31)),
    "uint32": (0, 1, 2, 4, 8, 16, 255, 4096, 65536, 2**30, 2**31 - 1, 2**31, 2**32 - 1),
    "int64": (0, 1, -1, 127, -128, 128, 2**31, 2**62, 2**63 - 1, -(2**63)),
    "float32": (0.0, -0.0, -1.0, 1.0, 1e-45, 1e-38, 1e-30, 1e-9, 1e9, 1e30, 3.4e38),
}
NOT_NUMBERS = (float("nan"), float("inf"), float("-inf"))


@dataclass(frozen=True)
class Place:
    """Bytes of a file that mean something: ``count`` numbers at ``at``."""

    at: int
    dtype: str
    name: str
    count: int = 1


@dataclass
class Map:
    """Where what lies in a sound file."""

    offsets: list[Place] = field(default_factory=list)
    layouts: list[Place] = field(default_factory=list)
    lengths: list[Place] = field(default_factory=list)
    scalars: list[Place] = field(default_factory=list)
    vectors: list[Place] = field(default_factory=list)
    contents: list[Place] = field(default_factory=list)


@lru_cache(maxsize=64)
def chart(payload: bytes) -> Map:
    """The places of a sound file, by the schema."""
    found = Map()
    seen: set[tuple[int, str]] = set()

    def u32(at: int) -> int:
        return int(struct.unpack_from("<I", payload, at)[0])

    def follow(at: int, name: str) -> int:
        found.offsets.append(Place(at, "uint32", name))
        return at + u32(at)

    def table(at: int, of: str) -> None:
        if (at, of) in seen:
            return
        seen.add((at, of))
        found.layouts.append(Place(at, "int32", of))
        vtable = at - struct.unpack_from("<i", payload, at)[0]
        slots = struct.unpack_from("<H", payload, vtable)[0] // 2 - 2
        found.layouts.extend(Place(vtable + 2 * i, "uint16", of) for i in range(slots + 2))
        kind_of_union = 0
        for one in TABLES[of]:
            place = struct.unpack_from("<H", payload, vtable + 4 + 2 * one.slot)[0]
            if one.slot >= slots or not place:
                continue
            kind, name = one.kind, f"{of}.{one.name}"
            if isinstance(kind, Scalar):
                found.scalars.append(Place(at + place, kind.dtype, name))
                if one.name == "builtin_options_type":
                    kind_of_union = payload[at + place]
                continue
            to = follow(at + place, name)
            if isinstance(kind, Child):
                table(to, kind.of)
            elif isinstance(kind, Choice):
                table(to, kind.among[kind_of_union])
            elif (to, name) not in seen:
                seen.add((to, name))
                found.lengths.append(Place(to, "uint32", name))
                if isinstance(kind, Children):
                    for i in range(u32(to)):
                        table(follow(to + 4 + 4 * i, name), kind.of)
                elif isinstance(kind, Numbers):
                    where = found.contents if of == "Buffer" else found.vectors
                    where.append(Place(to + 4, kind.dtype, name, u32(to)))
                else:
                    assert isinstance(kind, Text)
                    found.contents.append(Place(to + 4, "uint8", name, u32(to) + 1))

    table(follow(0, "root"), "Model")
    return found


def mutate(payload: bytes, rng: np.random.Generator) -> bytes:
    """``payload`` with one to four places changed.

    Parameters
    ----------
    payload : bytes
        A flatbuffer that edgemem wrote.
    rng : numpy.random.Generator
    """
    data = bytearray(payload)
    places = chart(payload)
    times = int(rng.choice([1, 1, 1, 2, 3, 4]))
    for way in rng.choice(len(_WAYS), times, p=_SHARES):
        _WAYS[way](data, places, rng)
    if rng.random() < 0.03:  # last: it moves what the places tell of
        _block(data, rng)
    return bytes(data)


def _any(rng: np.random.Generator, places: list[Place]) -> Place:
    return places[int(rng.integers(len(places)))]


def _read(data: bytearray, place: Place, index: int = 0) -> float:
    dtype = np.dtype(place.dtype).newbyteorder("<")
    at = place.at + index * dtype.itemsize
    found: float = np.frombuffer(bytes(data[at : at + dtype.itemsize]), dtype)[0].item()
    return found


def _write(data: bytearray, place: Place, value: float, index: int = 0) -> None:
    dtype = np.dtype(place.dtype)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            raw = np.float32(value).tobytes()
    else:
        raw = (int(value) % (1 << (8 * dtype.itemsize))).to_bytes(dtype.itemsize, "little")
    at = place.at + index * dtype.itemsize
    data[at : at + dtype.itemsize] = raw


def _value(rng: np.random.Generator, dtype: str, old: float) -> float:
    """Another number: near, extreme, or small."""
    draw = rng.random()
    extremes = EXTREMES[dtype]
    if dtype == "float32":
        if draw < 0.1:
            return NOT_NUMBERS[int(rng.integers(3))]
        if draw < 0.7:
            return old * 2.0 ** int(rng.integers(-40, 41))
        return extremes[int(rng.integers(len(extremes)))]
    if draw < 0.4:
        return old + int(rng.integers(-4, 5))
    if draw < 0.7:
        return extremes[int(rng.integers(len(extremes)))]
    return int(rng.integers(0, 128))


def _bit(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))


def _bit_of_structure(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    every = (places.offsets, places.layouts, places.lengths, places.scalars, places.vectors)
    place = _any(rng, every[int(rng.integers(len(every)))])
    width = np.dtype(place.dtype).itemsize * place.count
    data[place.at + int(rng.integers(width))] ^= 1 << int(rng.integers(8))


def _offset(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    place = _any(rng, places.offsets)
    alike = [p for p in places.offsets if p.name == place.name]
    draw = rng.random()
    if draw < 0.5:  # to another thing of its kind
        other = _any(rng, alike)
        _write(data, place, other.at + _read(data, other) - place.at)
    elif draw < 0.75:  # to anything
        other = _any(rng, places.offsets)
        _write(data, place, other.at + _read(data, other) - place.at)
    elif draw < 0.9:
        _write(data, place, int(rng.integers(len(data))) // 4 * 4 - place.at)
    else:
        _write(data, place, _value(rng, "uint32", _read(data, place)))


def _layout(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    place = _any(rng, places.layouts)
    if place.dtype == "int32" and rng.random() < 0.7:  # the layout of another table
        other = _any(rng, [p for p in places.layouts if p.dtype == "int32"])
        _write(data, place, place.at - (other.at - _read(data, other)))
    else:
        _write(data, place, _value(rng, place.dtype, _read(data, place)))


def _length(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    place = _any(rng, places.lengths)
    _write(data, place, _value(rng, "uint32", _read(data, place)))


def _scalar(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    place = _any(rng, places.scalars)
    if rng.random() < 0.6:
        other = _any(rng, [p for p in places.scalars if p.name == place.name])
        _write(data, place, _read(data, other))
    else:
        _write(data, place, _value(rng, place.dtype, _read(data, place)))


def _number(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    place = _any(rng, places.vectors)
    index = int(rng.integers(place.count))
    if rng.random() < 0.4:
        other = _any(rng, [p for p in places.vectors if p.name == place.name])
        value = _read(data, other, int(rng.integers(other.count)))
    else:
        value = _value(rng, place.dtype, _read(data, place, index))
    _write(data, place, value, index)


def _vector(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    """All numbers of a vector anew: scales by one factor, zero points alike."""
    place = _any(rng, places.vectors)
    draw = rng.random()
    factor = 2.0 ** int(rng.integers(-40, 41))
    value = _value(rng, place.dtype, _read(data, place))
    order = rng.permutation(place.count)
    old = [_read(data, place, i) for i in range(place.count)]
    for i in range(place.count):
        if draw < 0.3:
            new = old[int(order[i])]
        elif place.dtype == "float32" and draw < 0.7:
            new = old[i] * factor
        else:
            new = value
        _write(data, place, new, i)


def _operator(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    """An operator code becomes another one of edgemem's, in both of its fields."""
    plain = [p for p in places.scalars if p.name == "OperatorCode.builtin_code"]
    old = [p for p in places.scalars if p.name == "OperatorCode.deprecated_builtin_code"]
    versions = [p for p in places.scalars if p.name == "OperatorCode.version"]
    numbers = [operator.number for operator in OPERATORS.values()]
    number = numbers[int(rng.integers(len(numbers)))]
    if plain and old:
        place = _any(rng, plain)
        _write(data, place, number)
        _write(data, min(old, key=lambda p: abs(p.at - place.at)), number)
    if versions and rng.random() < 0.5:
        _write(data, _any(rng, versions), int(rng.integers(1, 9)))


def _contents(data: bytearray, places: Map, rng: np.random.Generator) -> None:
    """Weights, lists, names and metadata: extremes, or anything."""
    place = _any(rng, places.contents)
    start = int(rng.integers(place.count))
    width = int(rng.integers(1, min(place.count - start, 64) + 1))
    fill = (
        rng.integers(0, 256, width, np.uint8).tobytes(),
        bytes([int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))]) * width,
    )[int(rng.integers(2))]
    data[place.at + start : place.at + start + width] = fill


def _block(data: bytearray, rng: np.random.Generator) -> None:
    """Copy, clear, cut or put in some bytes."""
    width = int(rng.integers(1, 65))
    at, source = (int(n) for n in rng.integers(0, len(data) - width, 2))
    draw = rng.random()
    if draw < 0.4:
        data[at : at + width] = data[source : source + width]
    elif draw < 0.6:
        data[at : at + width] = bytes(width)
    elif draw < 0.75:
        del data[at : at + width]
    elif draw < 0.9:
        data[at:at] = data[source : source + width]
    else:
        del data[at:]
        data.extend(bytes(max(8 - len(data), 0)))


_Way = Callable[[bytearray, Map, np.random.Generator], None]

_WEIGHED: tuple[tuple[_Way, float], ...] = (
    (_bit, 1.0),
    (_bit_of_structure, 2.0),
    (_offset, 2.0),
    (_layout, 1.5),
    (_length, 1.0),
    (_scalar, 2.5),
    (_number, 3.0),
    (_vector, 2.5),
    (_operator, 0.5),
    (_contents, 2.0),
)
_WAYS = [way for way, _ in _WEIGHED]
_SHARES = np.array([share for _, share in _WEIGHED]) / sum(share for _, share in _WEIGHED)
