"""What may be varied: choices and ranges, as they are said on the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Union

from edgemem.errors import ConfigError

Scalar = Union[bool, int, float, str]
Values = Mapping[str, Scalar]
"""Hyper-parameters by name."""

SYNTAX = "NAME=A,B,C, NAME=LOW:HIGH or NAME=LOW:HIGH:log"

COUNTED = 10_000
"""A space of more points than this is not counted."""


@dataclass(frozen=True)
class Choices:
    """One of some values."""

    name: str
    values: tuple[Scalar, ...]

    @property
    def text(self) -> str:
        """As it is said on the command line, in one spelling."""
        return f"{self.name}={','.join(map(spelled, self.values))}"

    @property
    def points(self) -> Sequence[Scalar]:
        """Every value."""
        return self.values

    @property
    def samples(self) -> Sequence[Scalar]:
        """Some of them: all."""
        return self.values

    def suggest(self, trial: Any) -> Scalar:
        """The value of an Optuna trial."""
        value: Scalar = trial.suggest_categorical(self.name, self.values)
        return value

    def has(self, value: Scalar) -> bool:
        """Whether it is one of them."""
        return any(type(value) is type(one) and value == one for one in self.values)


@dataclass(frozen=True)
class Range:
    """A number between two others, both among the values; whole if both are.

    Parameters
    ----------
    name : str
    low, high : int or float
    log : bool
        Whether the logarithm is uniform, not the number.
    """

    name: str
    low: int | float
    high: int | float
    log: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def text(self) -> str:
        """As it is said on the command line, in one spelling."""
        ends = f"{self.name}={spelled(self.low)}:{spelled(self.high)}"
        return f"{ends}:log" if self.log else ends

    @property
    def points(self) -> Sequence[Scalar] | None:
        """Every value; None if there are too many to count."""
        few = self.high - self.low < COUNTED
        return range(int(self.low), int(self.high) + 1) if self.whole and few else None

    @property
    def samples(self) -> Sequence[Scalar]:
        """Some of them: the ends."""
        return (self.low, self.high)

    def suggest(self, trial: Any) -> Scalar:
        """The value of an Optuna trial."""
        draw = trial.suggest_int if self.whole else trial.suggest_float
        value: Scalar = draw(self.name, self.low, self.high, log=self.log)
        return value

    def has(self, value: Scalar) -> bool:
        """Whether it lies between them."""
        kinds = (int,) if self.whole else (int, float)
        return type(value) in kinds and self.low <= value <= self.high  # type: ignore[operator]


Param = Union[Choices, Range]

Applies = Callable[[Values, Param], bool]
"""Whether a network of these hyper-parameters has that one, too: a LEM has no theta."""


def parse_param(text: str) -> Param:
    """What ``--param`` says.

    Raises
    ------
    ConfigError
        If it is none of the three forms, or holds no value that could be drawn.
    """
    name, found, values = (part.strip() for part in text.partition("="))
    if not (name and found and values):
        raise ConfigError(f"--param {text!r}: expected {SYNTAX}")
    return _range(name, values, text) if ":" in values else _choices(name, values, text)


def parse_value(text: str) -> tuple[str, Scalar]:
    """What ``--set NAME=VALUE`` says.

    Raises
    ------
    ConfigError
        If it says something else.
    """
    name, found, value = (part.strip() for part in text.partition("="))
    if not (name and found and value):
        raise ConfigError(f"--set {text!r}: expected NAME=VALUE")
    return name, _scalar(value, f"--set {text!r}")


def spelled(value: Scalar) -> str:
    """A value as it is said on the command line."""
    return value if isinstance(value, str) else json.dumps(value)


def in_words(values: Values) -> str:
    """Hyper-parameters on one line."""
    shown = (f"{v:.4g}" if isinstance(v, float) else spelled(v) for v in values.values())
    return " ".join(f"{name}={value}" for name, value in zip(values, shown))


def _choices(name: str, values: str, text: str) -> Choices:
    parts = [part.strip() for part in values.split(",")]
    if not all(parts):
        raise ConfigError(f"--param {text!r}: a choice is empty; expected {SYNTAX}")
    found = tuple(_scalar(part, f"--param {text!r}") for part in parts)
    if len({spelled(value) for value in found}) < len(found):
        raise ConfigError(f"--param {text!r}: a choice comes twice")
    return Choices(name, found)


def _range(name: str, values: str, text: str) -> Range:
    low, high, *rest = (part.strip() for part in values.split(":"))
    if rest not in ([], ["log"]):
        raise ConfigError(f"--param {text!r}: expected {SYNTAX}")
    ends = [_scalar(part, f"--param {text!r}") for part in (low, high)]
    numbers = [end for end in ends if isinstance(end, (int, float)) and not isinstance(end, bool)]
    if len(numbers) < 2:
        raise ConfigError(f"--param {text!r}: the ends of a range are numbers")
    if not all(isinstance(number, int) for number in numbers):
        numbers = [float(number) for number in numbers]
    if not numbers[0] < numbers[1]:
        raise ConfigError(f"--param {text!r}: a range goes from a lower to a higher number")
    if rest and numbers[0] <= 0:
        raise ConfigError(f"--param {text!r}: a logarithmic range starts above 0")
    return Range(name, numbers[0], numbers[1], bool(rest))


def _scalar(text: str, where: str) -> Scalar:
    """A number, true or false as in JSON; anything else is a word."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: {text} is no finite number")
    return value if isinstance(value, (bool, int, float, str)) else text


@dataclass(frozen=True)
class Space:
    """The product of all that is varied, less what does not apply.

    Parameters
    ----------
    params : tuple of Param
        Asked in this order, ``cell`` first: what applies follows from the cell.
    applies : callable
        See :data:`Applies`.

    Raises
    ------
    ConfigError
        If there is none, or a name comes twice.
    """

    params: tuple[Param, ...]
    applies: Applies

    def __post_init__(self) -> None:
        names = [param.name for param in self.params]
        if not names:
            raise ConfigError(f"nothing to vary; say --param {SYNTAX}")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"--param {twice[0]} comes twice; say all its values in one")
        ordered = sorted(self.params, key=lambda param: param.name != "cell")
        object.__setattr__(self, "params", tuple(ordered))

    def suggest(self, trial: Any) -> dict[str, Scalar]:
        """The hyper-parameters of an Optuna trial."""
        chosen: dict[str, Scalar] = {}
        for param in self.params:
            if self.applies(chosen, param):
                chosen[param.name] = param.suggest(trial)
        return chosen

    def points(self) -> list[dict[str, Scalar]] | None:
        """Every combination, or None if there are too many to count."""
        every = [param.points for param in self.params]
        counted = [values for values in every if values is not None]
        if len(counted) < len(every) or math.prod(map(len, counted)) > COUNTED:
            return None
        found = {key_of(values): values for values in map(self._without, product(*counted))}
        return list(found.values())

    def _without(self, combination: Sequence[Scalar]) -> dict[str, Scalar]:
        chosen: dict[str, Scalar] = {}
        for param, value in zip(self.params, combination):
            if self.applies(chosen, param):
                chosen[param.name] = value
        return chosen

    def has(self, name: str, value: Scalar) -> bool:
        """Whether ``name`` may have that value."""
        return any(param.name == name and param.has(value) for param in self.params)

    def names(self) -> Iterator[str]:
        """Names in order."""
        return (param.name for param in self.params)


def key_of(values: Values) -> str:
    """Equal for equal hyper-parameters."""
    return json.dumps(dict(values), sort_keys=True)
