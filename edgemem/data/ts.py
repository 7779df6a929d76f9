"""Files in the ``.ts`` format of the UEA and UCR archives (Bagnall et al. 2018)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.types import printable
from edgemem.errors import ConfigError, DataError
from edgemem.reading import DamageError, read_bytes, shown

Series = npt.NDArray[np.float32]

MISSING = ("refuse", "interpolate")
"""What becomes of a value that is ``?`` or ``NaN``: an error, or the line between those beside."""

MOST_SERIES = 1 << 19
MOST_DIMENSIONS = 1 << 16
"""No set of the archives comes near."""

_NO_VALUE = ("?", "nan")

_COUNT_DIGITS = 9
_NAMED, _KEY = 20, 40
_BLOCK = 1 << 16
_PADDING = 16
_PADDED = 1 << 28
"""Padding may take so many bytes, or so many times those of the values."""


@dataclass(frozen=True)
class SeriesSet:
    """Series of a file, with what belongs to each.

    Parameters
    ----------
    name : str
        What the file calls its problem.
    series : tuple of (n_steps, n_dimensions) float32 arrays
        Not all of the same length.
    labels : tuple of str
        The class of each series, as the file writes it; or, of a regression set, its value.
    classes : tuple of str
        Known classes, in the order of the header; empty for a regression set.
    filled : int
        Missing values that were interpolated.
    """

    name: str
    series: tuple[Series, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    filled: int = 0

    def __len__(self) -> int:
        return len(self.series)

    @property
    def n_dimensions(self) -> int:
        return int(self.series[0].shape[1])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Steps of each series."""
        return np.array([len(one) for one in self.series], np.int64)

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """Places of the labels among the classes."""
        return np.array([self.classes.index(label) for label in self.labels], np.int64)

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """The labels of a regression set, as numbers."""
        return np.array([float(label) for label in self.labels], np.float32)

    def padded(self, n_steps: int) -> Series:
        """All series as (n, n_steps, n_dimensions), with zeros behind shorter ones.

        Raises
        ------
        DataError
            If the longest one is so much longer than the others that it is mostly zeros.
        """
        there = sum(one.nbytes for one in self.series)
        size = 4 * len(self) * n_steps * self.n_dimensions
        if size > max(_PADDED, _PADDING * there):
            raise DataError(
                f"{self.name or 'the set'}: {there:,} bytes of series become {size:,} at the "
                f"length of the longest, {n_steps} steps; take out or cut the longest ones"
            )
        whole = np.zeros((len(self), n_steps, self.n_dimensions), np.float32)
        for place, one in enumerate(self.series):
            whole[place, : len(one)] = one
        return whole


@dataclass
class _Header:
    """What stands before ``@data``."""

    name: str = ""
    classes: tuple[str, ...] = ()
    regression: bool = False
    n_dimensions: int | None = None
    n_steps: int | None = None
    equal: bool = False
    seen: set[str] = field(default_factory=set)


def read_ts(path: Path, missing: str = "refuse") -> SeriesSet:
    """The series of a ``.ts`` file with class labels or target values.

    Parameters
    ----------
    path : Path
    missing : {"refuse", "interpolate"}

    Raises
    ------
    DataError
        If the file is something else, contradicts its header, has timestamps, or has missing
        values while they are refused; the message names the series and the dimension.
    ConfigError
        If ``missing`` is unknown.
    """
    if missing not in MISSING:
        raise ConfigError(f"missing must be one of {', '.join(MISSING)} (got {missing!r})")
    header, filled = _Header(), 0
    series: list[Series] = []
    labels: list[str] = []
    lines = _lines(path)
    for number, line in lines:
        if _is_data(header, line, f"{path}, line {number}"):
            break
    else:
        raise DataError(f"{path} has no @data: it is cut short, or no .ts file")
    if not header.classes and not header.regression:
        raise DataError(f"{path} has no class labels and no target values to learn")
    for _, line in lines:
        where = f"{path}, series {len(series) + 1}"
        if len(series) == MOST_SERIES or line.count(":") > MOST_DIMENSIONS:
            raise DataError(
                f"{where}: at most {MOST_SERIES:,} series of {MOST_DIMENSIONS:,} dimensions are "
                "read"
            )
        *dimensions, label = line.split(":")
        series.append(_series(dimensions, header, where))
        labels.append(_label(label.strip(), header, where))
        filled += _fill(series[-1], missing, where)
    if not series:
        raise DataError(f"{path} holds no series")
    return SeriesSet(header.name, tuple(series), tuple(labels), header.classes, filled)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except DamageError as error:
        raise DataError(f"{path} {error}") from error
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(_pieces(text, "\n"), 1):
        line = line.strip().removeprefix("\ufeff")
        if line and not line.startswith("#"):
            yield number, line


def _pieces(text: str, separator: str, block: int = 0) -> Iterator[str]:
    """What ``text.split`` gives, one at a time, or cut only behind ``block`` characters."""
    start = 0
    while (end := text.find(separator, start + block)) >= 0:
        yield text[start:end]
        start = end + 1
    yield text[start:]


def _is_data(header: _Header, line: str, where: str) -> bool:
    """Whether a header line is ``@data``; what it says otherwise goes into the header."""
    key, *words = line.split()
    key = key.lower()
    told = printable(key[:_KEY])
    if not key.startswith("@"):
        raise DataError(f"{where}: expected a line that begins with @ (got {line[:40]!r})")
    if key in header.seen:
        raise DataError(f"{where}: {told} is said twice")
    header.seen.add(key)
    if key == "@data":
        return True
    if not words:
        raise DataError(f"{where}: {told} says nothing")
    if key == "@problemname":
        header.name = " ".join(words)
    elif key == "@timestamps" and _flag(words[0], where):
        raise DataError(f"{where}: series with timestamps are not read, only evenly sampled ones")
    elif key == "@missing":
        _flag(words[0], where)  # whether there are any is seen in the series
    elif key == "@dimensions":
        header.n_dimensions = _count(words[0], where)
    elif key == "@univariate" and _flag(words[0], where):
        header.n_dimensions = 1
    elif key == "@serieslength":
        header.n_steps = _count(words[0], where)
    elif key == "@equallength":
        header.equal = _flag(words[0], where)
    elif key == "@classlabel" and _flag(words[0], where):
        header.classes = _classes(words[1:], where)
    elif key == "@targetlabel":
        header.regression = _flag(words[0], where)
    elif key not in (known.lower() for known in _KEYS):
        raise DataError(f"{where}: unknown {told}; known: {', '.join(_KEYS)}")
    return False


_KEYS = (
    "@problemName",
    "@timeStamps",
    "@missing",
    "@univariate",
    "@dimensions",
    "@equalLength",
    "@seriesLength",
    "@classLabel",
    "@targetLabel",
    "@data",
)


def _classes(words: list[str], where: str) -> tuple[str, ...]:
    if not words or len(set(words)) < len(words):
        got = shown(" ".join(words)) if words else "none"
        raise DataError(f"{where}: expected classes, each once (got {got})")
    return tuple(words)


def _flag(word: str, where: str) -> bool:
    if word.lower() not in ("true", "false"):
        raise DataError(f"{where}: expected true or false (got {shown(word)})")
    return word.lower() == "true"


def _count(word: str, where: str) -> int:
    whole = word.isascii() and word.isdigit() and len(word) <= _COUNT_DIGITS
    if not whole or int(word) < 1:
        raise DataError(f"{where}: expected a number of 1 or more (got {shown(word)})")
    return int(word)


def _series(dimensions: list[str], header: _Header, where: str) -> Series:
    if not dimensions:
        raise DataError(f"{where}: no ':' between values and label; the file may be cut short")
    if header.n_dimensions is None:
        header.n_dimensions = len(dimensions)
    if len(dimensions) != header.n_dimensions:
        raise DataError(
            f"{where}: {len(dimensions)} dimensions, expected {header.n_dimensions}; "
            "the file may be cut short"
        )
    n_steps = dimensions[0].count(",") + 1
    for place, text in enumerate(dimensions, 1):
        if text.count(",") + 1 != n_steps:
            raise DataError(
                f"{where}: dimension {place} has {text.count(',') + 1} steps, "
                f"the first has {n_steps}"
            )
    if header.equal:
        header.n_steps = header.n_steps or n_steps
        if n_steps != header.n_steps:
            raise DataError(
                f"{where}: {n_steps} steps, expected {header.n_steps}, since the header says "
                "that all lengths are equal"
            )
    return np.array(_values(dimensions, n_steps, where).T, order="C")


def _values(dimensions: list[str], n_steps: int, where: str) -> Series:
    """(n_dimensions, n_steps) values."""
    words = (word for text in dimensions for word in _words(text))
    try:
        with np.errstate(over="ignore"):
            flat = np.fromiter(map(_number, words), np.float32, len(dimensions) * n_steps)
    except ValueError:
        raise _first_wrong(dimensions, where) from None
    values = flat.reshape(len(dimensions), n_steps)
    if np.isinf(values).any():
        place, step = (int(index) + 1 for index in np.argwhere(np.isinf(values))[0])
        raise DataError(f"{where}, dimension {place}: step {step} is not finite")
    return values


def _words(text: str) -> Iterator[str]:
    for block in _pieces(text, ",", _BLOCK):
        yield from block.split(",")


def _first_wrong(dimensions: list[str], where: str) -> DataError:
    """What is wrong with the first value that is no number."""
    for place, text in enumerate(dimensions, 1):
        if "(" in text:
            return DataError(f"{where}, dimension {place}: values with timestamps are not read")
        try:
            for word in _words(text):
                _number(word)
        except ValueError as error:
            return DataError(f"{where}, dimension {place}: {error}")
    return DataError(f"{where}: a value is no number")


def _number(word: str) -> float:
    word = word.strip()
    if word.lower() in _NO_VALUE:
        return math.nan
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"could not convert string to float: {shown(word)}") from None


def _label(label: str, header: _Header, where: str) -> str:
    if header.classes:
        if label not in header.classes:
            raise DataError(
                f"{where}: unknown class {label[:40]!r}; known: "
                + ", ".join(name[:40] for name in header.classes[:_NAMED])
                + (", ..." if len(header.classes) > _NAMED else "")
            )
        return header.classes[header.classes.index(label)]
    try:
        finite = math.isfinite(float(label))
    except ValueError:
        finite = False
    if not finite:
        raise DataError(f"{where}: expected a finite target value (got {label[:40]!r})")
    return label


def _fill(series: Series, missing: str, where: str) -> int:
    """Put what is between its neighbours for each missing value; how many there were."""
    gone = np.isnan(series)
    if not gone.any():
        return 0
    step, place = (int(index) for index in np.argwhere(gone)[0])
    if missing == "refuse":
        raise DataError(
            f"{where}, dimension {place + 1}: step {step + 1} is missing; "
            "--missing interpolate fills such steps"
        )
    steps = np.arange(len(series))
    for column in np.flatnonzero(gone.any(axis=0)):
        there = ~gone[:, column]
        if not there.any():
            raise DataError(f"{where}, dimension {column + 1}: all steps are missing")
        series[:, column] = np.interp(steps, steps[there], series[there, column])
    return int(gone.sum())
