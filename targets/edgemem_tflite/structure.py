"""A flatbuffer read by the tables of :mod:`.schema`, every offset checked before it is followed.

The schema is a tree of few tables without a way back, its vectors of tables are short, and vectors
of numbers are looked at where they lie, so that no file takes long, however its parts overlap.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from edgemem.reading import DamageError

from .schema import (
    IDENTIFIER,
    NAME,
    TABLES,
    Child,
    Children,
    Choice,
    Field,
    Kind,
    Numbers,
    Scalar,
    Text,
)

Table = dict[str, Any]
"""Fields by name; those that are not there have their default, or are None."""

_OFFSET = struct.Struct("<I")
_BACK = struct.Struct("<i")
_VTABLE = struct.Struct("<HH")

_SCALARS = {
    "int8": struct.Struct("<b"),
    "uint8": struct.Struct("<B"),
    "int32": struct.Struct("<i"),
    "uint32": struct.Struct("<I"),
}


def ask(fits: bool, what: str) -> None:
    """Raise :class:`DamageError` with ``what`` unless it ``fits``."""
    if not fits:
        raise DamageError(what)


def read(data: bytes) -> Table:
    """The model in ``data``.

    Raises
    ------
    DamageError
        At the first thing that no file of edgemem has.
    """
    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise DamageError(f"it does not begin as one: no {IDENTIFIER.decode()} at byte 4")
    return _Reader(data).root()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._end = len(data)
        self._vtables: dict[tuple[int, str], list[tuple[Field, int]]] = {}
        self._sizes: dict[int, int] = {}
        self._read: dict[tuple[int, int], Any] = {}

    def root(self) -> Table:
        return self._table(self._follow(0, "the root"), "Model", "Model")

    def _follow(self, at: int, where: str) -> int:
        """Where the unsigned offset at ``at`` leads."""
        to = at + int(_OFFSET.unpack_from(self._data, at)[0])
        if to == at or to % 4 or to + 4 > self._end:
            raise DamageError(f"{where} leads to byte {to} of {self._end}")
        return to

    def _table(self, at: int, name: str, where: str) -> Table:
        back = int(_BACK.unpack_from(self._data, at)[0])
        vtable = at - back
        if vtable not in self._sizes:
            self._sizes[vtable] = self._table_size(vtable, where)
        if at + self._sizes[vtable] > self._end:
            raise DamageError(f"{where} ends after the last byte")
        key = (vtable, name)
        if key not in self._vtables:
            self._vtables[key] = self._fields(vtable, name, where)
        return self._values(at, name, self._vtables[key], where)

    def _table_size(self, vtable: int, where: str) -> int:
        if vtable % 2 or not 0 <= vtable <= self._end - 4:
            raise DamageError(f"the layout of {where} is at byte {vtable} of {self._end}")
        length, size = _VTABLE.unpack_from(self._data, vtable)
        if length % 2 or length < 4 or vtable + length > self._end or size < 4:
            raise DamageError(f"the layout of {where} at byte {vtable} has impossible lengths")
        return int(size)

    def _fields(self, vtable: int, name: str, where: str) -> list[tuple[Field, int]]:
        """The fields of a table with that layout that are there, and their places in it."""
        length, size = _VTABLE.unpack_from(self._data, vtable)
        known = {field.slot: field for field in TABLES[name]}
        if length > 4 + 2 * (max(known, default=-1) + 1):
            raise DamageError(f"{where} has fields that edgemem never writes")
        places = struct.unpack_from(f"<{length // 2 - 2}H", self._data, vtable + 4)
        found = []
        for slot, place in enumerate(places):
            if not place:
                continue
            if slot not in known:
                raise DamageError(f"{where} has field {slot}, which edgemem never writes")
            width = _width(known[slot].kind)
            if place < 4 or place + width > size:
                raise DamageError(f"{where}.{known[slot].name} lies outside its table")
            found.append((known[slot], place))
        return found

    def _values(self, at: int, name: str, there: list[tuple[Field, int]], where: str) -> Table:
        values = dict(_DEFAULTS[name])
        for field, place in there:
            # a union comes after the number that says which table it is
            values[field.name] = self._value(at + place, field, values, f"{where}.{field.name}")
        for field in _NEEDED[name]:
            value = values[field.name]
            if value is None:
                raise DamageError(f"{where}.{field.name} is missing")
            kind = field.kind
            if isinstance(kind, Scalar) and not kind.low <= value <= kind.high:
                raise DamageError(
                    f"{where}.{field.name} is {value}, not {_between(kind.low, kind.high)}"
                )
        return values

    def _value(self, at: int, field: Field, values: Table, where: str) -> Any:
        kind = field.kind
        if at % _width(kind):
            raise DamageError(f"{where} is at byte {at}, no multiple of {_width(kind)}")
        if isinstance(kind, Scalar):
            return _SCALARS[kind.dtype].unpack_from(self._data, at)[0]
        to = self._follow(at, where)
        if isinstance(kind, Choice):
            number = values[kind.by]
            if number not in kind.among:
                raise DamageError(f"{where} is of kind {number}, which edgemem never writes")
            return self._table(to, kind.among[number], where)
        key = (to, id(kind))
        if key not in self._read:
            self._read[key] = self._readers[type(kind)](self, to, kind, where)
        return self._read[key]

    def _child(self, at: int, kind: Child, where: str) -> Table:
        return self._table(at, kind.of, where)

    def _children(self, at: int, kind: Children, where: str) -> list[Table]:
        count = self._count(at, 4, kind.least, kind.most, where)
        tables = []
        for i in range(count):
            name = f"{where}[{i}]"
            to = self._follow(at + 4 + 4 * i, name)
            key = (to, id(kind))
            if key not in self._read:
                self._read[key] = self._table(to, kind.of, name)
            tables.append(self._read[key])
        return tables

    def _numbers(self, at: int, kind: Numbers, where: str) -> Any:
        width = np.dtype(kind.dtype).itemsize
        count = self._count(at, width, kind.least, kind.most, where)
        step = max(kind.alignment, width)
        if (at + 4) % step:
            raise DamageError(f"{where} is at byte {at + 4}, no multiple of {step}")
        dtype = np.dtype(kind.dtype).newbyteorder("<")
        return np.frombuffer(self._data, dtype, count, at + 4)

    def _text(self, at: int, kind: Text, where: str) -> str:
        length = self._count(at, 1, 0, NAME, where)
        end = at + 4 + length
        if end >= self._end or self._data[end]:
            raise DamageError(f"{where} does not end in a zero")
        try:
            text = self._data[at + 4 : end].decode()
        except UnicodeDecodeError:
            raise DamageError(f"{where} is no UTF-8") from None
        ask(text.isprintable(), f"{where} holds what cannot be printed")
        return text

    def _count(self, at: int, width: int, least: int, most: int, where: str) -> int:
        count = int(_OFFSET.unpack_from(self._data, at)[0])
        if not least <= count <= most:
            raise DamageError(f"{where} has {count} entries, not {_between(least, most)}")
        if at + 4 + width * count > self._end:
            raise DamageError(f"{where} has {count} entries, more than there are bytes for")
        return count

    _readers: dict[type, Callable[..., Any]] = {  # noqa: RUF012
        Child: _child,
        Children: _children,
        Numbers: _numbers,
        Text: _text,
    }


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _width(kind: Kind) -> int:
    """Bytes that a field takes inside its table."""
    return _SCALARS[kind.dtype].size if isinstance(kind, Scalar) else 4


_DEFAULTS = {
    name: {f.name: f.kind.default if isinstance(f.kind, Scalar) else None for f in fields}
    for name, fields in TABLES.items()
}

_NEEDED = {
    name: [field for field in fields if field.required or isinstance(field.kind, Scalar)]
    for name, fields in TABLES.items()
}
