"""The cells. A new one is a module here and a name in this list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

_ALL: tuple[type[Cell], ...] = (Bidirectional, Conv, Dense, GRU, LEM, LMU, LSTM, Norm, Stack)

CELLS = {cell.name: cell for cell in _ALL}


def from_dict(config: Mapping[str, Any]) -> Cell:
    """The cell that :meth:`Cell.to_dict` described."""
    fields = dict(config)
    name = fields.pop("cell", None)
    if name not in CELLS:
        raise UnknownNameError("cell", str(name), CELLS)
    try:
        if name == Stack.name:
            fields["cells"] = tuple(from_dict(cell) for cell in fields.get("cells", ()))
        if name == Bidirectional.name:
            fields["cell"] = from_dict(fields.pop("of", {}))
        return CELLS[name](**fields)
    except TypeError as error:
        raise ConfigError(f"cell {name!r}: {error}") from error
