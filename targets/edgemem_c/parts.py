"""Pieces of generated C and how their text is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from string import Template

_TEMPLATES = Path(__file__).with_name("templates")
_WIDTH = 92


@dataclass(frozen=True)
class CPart:
    """A part of a program in C99.

    Both texts stand behind ``#include <stdint.h>`` and ``#include <string.h>``; the source stands
    behind the header too. Names that other files see begin with the prefix that was asked for.

    Parameters
    ----------
    header, source : str
    ram : int
        Bytes of its state.
    flash : int
        Bytes of its constant tables.
    """

    header: str
    source: str
    ram: int
    flash: int


def render(template: str, **values: object) -> str:
    """The text of a file in ``templates`` with its ``$names`` filled in."""
    text = (_TEMPLATES / template).read_text(encoding="ascii")
    return Template(text).substitute({name: str(value) for name, value in values.items()})


def rows(items: Iterable[object]) -> str:
    """Entries of an initialiser in lines of ordinary length, indented by four."""
    lines = [""]
    for item in (str(item) for item in items):
        if len(lines[-1]) + len(item) > _WIDTH:
            lines.append("")
        lines[-1] += f"{item}, "
    return "\n    ".join(line.rstrip() for line in lines).rstrip(",")
