"""What values from a file may be, as a table: types, ranges and sizes.

A description in JSON is held against a *shape of values*, such as
``Record({"steps": Whole(1, 4096), "labels": ListOf(TEXT, 1024)})``: one table says what may come.
Whoever reads on may then take every field for what it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgemem.reading import DamageError, shown


class Shape(Protocol):
    """What a value may be."""

    def check(self, value: Any, where: str) -> None:
        """Refuse a ``value`` that is something else.

        Raises
        ------
        DamageError
            It says ``where`` the value stands, what it is, and what it must be.
        """
        ...


def _refuse(where: str, value: Any, wanted: str) -> None:
    raise DamageError(f"{where} is {shown(value)}; it must be {wanted}")


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``."""

    low: int
    high: int

    def check(self, value: Any, where: str) -> None:
        if type(value) is not int or not self.low <= value <= self.high:
            _refuse(where, value, f"a whole number from {self.low} to {self.high}")


@dataclass(frozen=True)
class Real:
    """A finite number from ``low`` to ``high``."""

    low: float = -math.inf
    high: float = math.inf

    def check(self, value: Any, where: str) -> None:
        number = type(value) in (int, float) and abs(value) < math.inf
        if not number or not self.low <= value <= self.high:
            _refuse(where, value, f"a finite number from {self.low:g} to {self.high:g}")


@dataclass(frozen=True)
class Text:
    """A string of at most ``longest`` characters."""

    longest: int = 256

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, str) or len(value) > self.longest:
            _refuse(where, value, f"a string of at most {self.longest} characters")


@dataclass(frozen=True)
class OneOf:
    """One of some values."""

    values: tuple[Any, ...]

    def check(self, value: Any, where: str) -> None:
        if not any(type(value) is type(known) and value == known for known in self.values):
            _refuse(where, value, f"one of {', '.join(map(repr, self.values))}")


@dataclass(frozen=True)
class Maybe:
    """What ``of`` says, or null."""

    of: Shape

    def check(self, value: Any, where: str) -> None:
        if value is not None:
            self.of.check(value, where)


@dataclass(frozen=True)
class ListOf:
    """A list of ``fewest`` to ``most`` values of one kind."""

    of: Shape
    most: int
    fewest: int = 0

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, list) or not self.fewest <= len(value) <= self.most:
            _refuse(where, value, f"a list of {self.fewest} to {self.most} values")
        for place, item in enumerate(value):
            self.of.check(item, f"{where}[{place}]")


@dataclass(frozen=True)
class Row:
    """A list of values, each of its own kind."""

    of: tuple[Shape, ...]

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, list) or len(value) != len(self.of):
            _refuse(where, value, f"a list of {len(self.of)} values")
        for place, (item, shape) in enumerate(zip(value, self.of)):
            shape.check(item, f"{where}[{place}]")


@dataclass(frozen=True)
class MapOf:
    """An object with at most ``most`` fields of one kind, of whatever names."""

    of: Shape
    most: int

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, dict) or len(value) > self.most:
            _refuse(where, value, f"an object of at most {self.most} fields")
        for name, item in value.items():
            TEXT.check(name, f"a name in {where}")
            self.of.check(item, f"{where}.{name}")


@dataclass(frozen=True)
class Record:
    """An object with some fields, each of its own kind.

    Parameters
    ----------
    fields : mapping of Shape
    optional : mapping of Shape
        Fields that may be missing.
    more : bool
        Whether it may have others, at which nobody looks.
    """

    fields: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)
    more: bool = False

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            _refuse(where, value, "an object")
        missing = [name for name in self.fields if name not in value]
        if missing:
            raise DamageError(f"{where} lacks {missing[0]}")
        known = {**self.fields, **self.optional}
        unknown = [name for name in value if name not in known]
        if unknown and not self.more:
            raise DamageError(
                f"{where} has an unknown field {shown(unknown[0])}; known: {', '.join(known)}"
            )
        for name in known:
            if name in value:
                known[name].check(value[name], f"{where}.{name}")


@dataclass(frozen=True)
class Anything:
    """Whatever JSON can say, of one of some types: somebody else looks at it."""

    types: tuple[type, ...] = (dict, list, str, int, float, bool, type(None))

    def check(self, value: Any, where: str) -> None:
        if not isinstance(value, self.types):
            _refuse(where, value, "an object")


TEXT = Text()
FLAG = OneOf((False, True))
OBJECT = Anything((dict,))
