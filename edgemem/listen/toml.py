"""TOML files whose errors name the line."""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemem.errors import ConfigError

# Bytes. What is longer is something else by mistake, and lines are sought by parsing again.
_LARGEST = 16384


@dataclass(frozen=True)
class TomlFile:
    """A TOML file that was read.

    Parameters
    ----------
    path : Path
    text : str
        Its lines end with a line feed alone.
    values : mapping
        What it says.
    """

    path: Path
    text: str
    values: Mapping[str, Any]

    def error(self, keys: Sequence[str], what: str) -> ConfigError:
        """What is wrong with a value, as an error that names its line.

        Parameters
        ----------
        keys : sequence of str
            The way to the value, from the top.
        what : str
            The sentence.
        """
        return ConfigError(f"{self.path}, line {self.line(keys)}: {what}")

    def line(self, keys: Sequence[str]) -> int:
        """Number of the line, from 1, on which a value or its table begins.

        The parser tells no lines, but a file may be cut between any two statements: a value begins
        behind the longest beginning of the file that is TOML without it.
        """
        lines = self.text.split("\n")
        before = 0
        for end in range(1, len(lines)):
            try:
                values = _parse("\n".join(lines[:end]))
            except ValueError:  # cut within a string or an array
                continue
            if _holds(values, keys):
                break
            before = end
        return before + 1


def read_toml(path: Path) -> TomlFile:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        If it cannot be read, or is no TOML; the message names the line.
    """
    path = Path(path)
    text = _text(path)
    try:
        return TomlFile(path, text, _parse(text))
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply for a file of rules") from None
    except ValueError as error:
        raise ConfigError(_complaint(path, text, str(error))) from None


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path} is a folder, a device or a pipe; name a TOML file")
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}; name a TOML file"
        ) from None
    if len(data) > _LARGEST:
        raise ConfigError(f"{path} is larger than {_LARGEST} bytes; name a TOML file of rules")
    try:
        # some editors put a mark at the beginning that TOML does not know
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: no text in UTF-8; name a TOML file") from None


def _parse(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _holds(values: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True


def _complaint(path: Path, text: str, reason: str) -> str:
    """The parser's sentence with the line at its beginning."""
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)", reason)
    if place is None:
        return f"{path} is no valid TOML: {reason}"
    line = place[1] or text.rstrip().count("\n") + 1
    column = f" in column {place[2]}" if place[2] else " at the end of the file"
    reason = reason.replace(place[0], "")
    return f"{path}, line {line}: no valid TOML: {reason[:1].lower()}{reason[1:]}{column}"
