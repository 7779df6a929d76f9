"""The cells. A new one is a module here and a name in this list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from edgemem.cells.base import Cell as Cell
from edgemem.cells.bidirectional import Bidirectional as Bidirectional
from edgemem.cells.conv import Conv as Conv
from edgemem.cells.dense import Dense as Dense
from edgemem.cells.dense import Norm as Norm
from edgemem.cells.gru import GRU as GRU
from edgemem.cells.lem import LEM as LEM
from edgemem.cells.lmu import LMU as LMU
from edgemem.cells.lstm import LSTM as LSTM
from edgemem.cells.stack import Stack as Stack
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.shapes import FLAG, OBJECT, TEXT, ListOf, Real, Shape, Whole

_ALL: tuple[type[Cell], ...] = (Bidirectional, Conv, Dense, GRU, LEM, LMU, LSTM, Norm, Stack)

CELLS = {cell.name: cell for cell in _ALL}


_FIELDS: Mapping[str, Shape] = {
    "int": Whole(1, 1 << 16),
    "float": Real(),
    "bool": FLAG,
    "str": TEXT,
    "Cell": OBJECT,
    "tuple[Cell, ...]": ListOf(OBJECT, 256),
}
"""What a hyper-parameter of each type may be in a file."""

_ORDER = Whole(1, 2048)
"""Its matrices grow with the square, and the time to check them with the cube."""


def from_dict(config: Mapping[str, Any]) -> Cell:
    """The cell that :meth:`Cell.to_dict` described.

    Raises
    ------
    UnknownNameError
        If there is no such cell.
    DamageError
        If a hyper-parameter is of another type, or larger than that of any network.
    ConfigError
        If one is missing or unknown, or has a value that cannot work.
    """
    values = dict(config)
    name = values.pop("cell", None)
    if not isinstance(name, str) or name not in CELLS:
        raise UnknownNameError("cell", str(name), CELLS)
    if name == Bidirectional.name:
        values["cell"] = values.pop("of", None)
    types = {field.name: str(field.type) for field in fields(cast(Any, CELLS[name]))}
    for key, value in values.items():
        if key in types:
            shape = _ORDER if key == "order" else _FIELDS[types[key]]
            shape.check(value, f"{name}.{key}")
    try:
        if name == Stack.name:
            values["cells"] = tuple(from_dict(cell) for cell in values.get("cells", ()))
        if name == Bidirectional.name:
            values["cell"] = from_dict(values["cell"])
        return CELLS[name](**values)
    except TypeError as error:
        raise ConfigError(f"cell {name!r}: {error}") from error
