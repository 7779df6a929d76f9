"""How far a long command is, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import click

T = TypeVar("T")


def progress(items: Sequence[T]) -> Iterator[T]:
    """The items, with a bar on standard error where a person looks at it."""
    if not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, label="streaming", file=sys.stderr) as shown:
        yield from shown
