"""Layers of a recipe, as cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

from edgemem.cells import CELLS, Cell
from edgemem.errors import ConfigError, UnknownNameError

_TYPES = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}


def layer(name: str, n_in: int, values: Mapping[str, Any]) -> Cell:
    """A cell of ``values``, each of the type that the cell's field has.

    Raises
    ------
    UnknownNameError
        If a cell or one of its hyper-parameters is unknown.
    ConfigError
        If a value has another type than its field, or one is missing.
    """
    if name not in CELLS:
        raise UnknownNameError("cell", name, CELLS)
    kinds = hyper_parameters(name)
    for key, value in values.items():
        if key not in kinds:
            raise UnknownNameError(f"hyper-parameter of {name} layers", key, kinds)
        if type(value) not in _TYPES.get(kinds[key], ()):
            raise ConfigError(f"{name}.{key}: must be of type {kinds[key]} (got {value!r})")
    wanted = (f for f in fields(cast(Any, CELLS[name])) if f.name in kinds)
    missing = [f.name for f in wanted if f.default is MISSING and f.name not in values]
    if missing:
        raise ConfigError(f"a {name} layer needs {', '.join(missing)} (got {dict(values)})")
    return cast(Cell, cast(Any, CELLS[name])(n_in=n_in, **values))


def hyper_parameters(name: str) -> dict[str, str]:
    """Names of the hyper-parameters of a cell, besides its input, and their types."""
    return {
        field.name: str(field.type)
        for field in fields(cast(Any, CELLS[name]))
        if field.name != "n_in"
    }
