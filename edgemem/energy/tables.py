"""Energy per operation, as published: a dated table of figures with their sources.

The table that comes along is ``figures.json`` beside this module. A file of the same format can
replace its rows and add devices.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from edgemem.energy.counts import Counts
from edgemem.errors import ConfigError, check_known, refuse_unknown_fields

FORMAT = 1
BUILT_IN = Path(__file__).with_name("figures.json")

ITEMS = tuple(field.name for field in fields(Counts) if field.name != "frames")
"""What a figure can be for: the counts of :class:`Counts`."""

UNITS = {"J": 1.0, "uJ": 1e-6, "nJ": 1e-9, "pJ": 1e-12}
"""Joules of each unit."""

Mark = Literal["published", "pre-silicon simulation", "unconfirmed"]
"""How far a figure can be relied on; none of them was measured here."""

Form = Literal["float", "integers", "spikes", "graded"]
"""What a network runs as: dense floats, dense integers, binary spikes, graded messages."""

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


@dataclass(frozen=True)
class Figure:
    """Energy of one operation.

    Parameters
    ----------
    item : str
        One of :data:`ITEMS`.
    low, typical, high : float
        In ``unit``.
    unit : str
        One of :data:`UNITS`.
    source : str
    date : str
        Of the source: year, or year and month, or the day.
    mark : str
        One of :data:`Mark`.
    covers : tuple of str
        Further items whose energy is in this figure already.
    """

    item: str
    low: float
    typical: float
    high: float
    unit: str
    source: str
    date: str
    mark: Mark
    covers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        what = f"figure of {self.item!r}"
        for item in (self.item, *self.covers):
            _one_of(f"{what}: item", item, ITEMS)
        _one_of(f"{what}: unit", self.unit, UNITS)
        _one_of(f"{what}: mark", self.mark, get_args(Mark))
        values = (self.low, self.typical, self.high)
        if not all(_is_number(value) for value in values):
            raise ConfigError(f"{what}: low, typical and high are finite numbers, not {values}")
        if not 0.0 <= self.low <= self.typical <= self.high:
            raise ConfigError(f"{what}: expected 0 <= low <= typical <= high, got {values}")
        if not isinstance(self.source, str) or not self.source.strip():
            raise ConfigError(f"{what}: a figure needs its source")
        _check_date(what, self.date)

    def joules(self) -> tuple[float, float, float]:
        """Low, typical and high figure in joules."""
        unit = UNITS[self.unit]
        return self.low * unit, self.typical * unit, self.high * unit


@dataclass(frozen=True)
class Device:
    """What is known of one machine.

    Parameters
    ----------
    name, summary : str
    forms : tuple of str
        Which of :data:`Form` it is meant for.
    figures : tuple of Figure
        At most one for each item; without any, counts are all that can be told.
    notes : tuple of str
        What the figures leave out, and other sentences that a reader must see.
    """

    name: str
    summary: str
    forms: tuple[Form, ...]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for form in self.forms:
            _one_of(f"device {self.name!r}: form", form, get_args(Form))
        items = [item for figure in self.figures for item in (figure.item, *figure.covers)]
        twice = sorted({item for item in items if items.count(item) > 1})
        if twice:
            raise ConfigError(f"device {self.name!r} has two figures of {twice[0]!r}")
        if not self.figures and not self.notes:
            raise ConfigError(f"device {self.name!r} has neither figures nor a note that says why")


@dataclass(frozen=True)
class Table:
    """Figures of some machines under a name, a version and a date.

    Parameters
    ----------
    name : str
    version : int
    date : str
        When the figures were put together.
    devices : mapping of Device
    """

    name: str
    version: int
    date: str
    devices: Mapping[str, Device]

    @property
    def title(self) -> str:
        """Name, version and date, as they stand beside every result."""
        return f"{self.name}, version {self.version}, {self.date}"

    def device(self, name: str) -> Device:
        """The device of that name.

        Raises
        ------
        UnknownNameError
            It lists the known ones.
        """
        check_known("device", [name], self.devices)
        return self.devices[name]

    def meant_for(self, form: Form) -> tuple[str, ...]:
        """Names of the devices that run networks in this form."""
        return tuple(name for name, device in self.devices.items() if form in device.forms)

    def with_rows_of(self, other: Table) -> Table:
        """This table, rows and devices of ``other`` in place of those of the same name."""
        devices = dict(self.devices)
        for name, device in other.devices.items():
            devices[name] = _joined(devices[name], device) if name in devices else device
        return Table(
            f"{self.name} (version {self.version}, {self.date}) with {other.name}",
            other.version,
            other.date,
            devices,
        )


def built_in() -> Table:
    """The table that comes with edgemem."""
    return read(BUILT_IN)


def read(path: Path) -> Table:
    """The table in a JSON file; ``docs/spiking.md`` shows the format.

    Raises
    ------
    ConfigError
        If the file cannot be read, is no JSON, or a row is wrong; it says which.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"table {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigError(f"table {path} is no JSON: {error}") from error
    try:
        return _table(values)
    except ConfigError as error:
        raise ConfigError(f"table {path}: {error}") from error


def _table(values: Any) -> Table:
    _fields("the table", values, ("format", "name", "version", "date", "devices"))
    if values["format"] != FORMAT:
        raise ConfigError(f"format {values['format']!r}; this edgemem reads format {FORMAT}")
    if not isinstance(values["name"], str) or not values["name"].strip():
        raise ConfigError("the table needs a name")
    if type(values["version"]) is not int:
        raise ConfigError(f"version is a whole number, not {values['version']!r}")
    _check_date("the table", values["date"])
    if not isinstance(values["devices"], dict) or not values["devices"]:
        raise ConfigError("devices: expected an object with at least one device")
    devices = {name: _device(name, device) for name, device in values["devices"].items()}
    return Table(values["name"], values["version"], values["date"], devices)


def _device(name: str, values: Any) -> Device:
    what = f"device {name!r}"
    _fields(what, values, ("summary", "forms", "notes", "rows"))
    for key in ("forms", "notes", "rows"):
        if not isinstance(values[key], list):
            raise ConfigError(f"{what}: {key} is a list, not {values[key]!r}")
    if not all(isinstance(note, str) for note in (values["summary"], *values["notes"])):
        raise ConfigError(f"{what}: summary and notes are text")
    try:
        figures = tuple(_figure(row) for row in values["rows"])
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from error
    forms, notes = tuple(values["forms"]), tuple(values["notes"])
    return Device(name, values["summary"], forms, figures, notes)


def _figure(values: Any) -> Figure:
    names = [field.name for field in fields(Figure)]
    _fields("row", values, names[:-1], optional=names[-1:])
    covers = values.get("covers", [])
    if not isinstance(covers, list):
        raise ConfigError(f"row: covers is a list, not {covers!r}")
    return Figure(**{**values, "covers": tuple(covers)})


def _joined(old: Device, new: Device) -> Device:
    """A device with new rows; what they cover loses its old row."""
    replaced = {item for figure in new.figures for item in (figure.item, *figure.covers)}
    kept = tuple(f for f in old.figures if not replaced & {f.item, *f.covers})
    return Device(new.name, new.summary, new.forms, (*kept, *new.figures), new.notes or old.notes)


def _fields(what: str, values: Any, needed: Sequence[str], optional: Sequence[str] = ()) -> None:
    if not isinstance(values, dict):
        raise ConfigError(f"{what} is no JSON object")
    refuse_unknown_fields(what, values, (*needed, *optional))
    missing = [name for name in needed if name not in values]
    if missing:
        raise ConfigError(f"{what} lacks {missing[0]!r}; needed: {', '.join(needed)}")


def _one_of(what: str, value: Any, known: Any) -> None:
    if value not in tuple(known):
        raise ConfigError(f"{what} {value!r}; known: {', '.join(known)}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _check_date(what: str, date: Any) -> None:
    if not isinstance(date, str) or not _DATE.fullmatch(date):
        raise ConfigError(f"{what}: a date is YYYY, YYYY-MM or YYYY-MM-DD, not {date!r}")
