"""The options that say what is kept of a recording, shared by the commands that read data sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgemem.runtime.crop import Crop

F = TypeVar("F", bound=Callable[..., Any])


def options(default: str) -> Callable[[F], F]:
    """Add ``--seconds`` and ``--center`` to a command; ``default`` says what is without them."""

    def add(command: F) -> F:
        command = click.option(
            "--center/--no-center",
            default=None,
            help="Cut a longer recording around its energy, not after its beginning.",
        )(command)
        return click.option(
            "--seconds", type=float, help=f"Length of a clip; by default {default}."
        )(command)

    return add


def crop_of(seconds: float | None, center: bool | None, default: Crop | None = None) -> Crop:
    """What the options say, and ``default`` where they say nothing.

    Raises
    ------
    ConfigError
        If it cannot work.
    """
    from edgemem.runtime.crop import SECOND, Crop

    known = default or SECOND
    return Crop(
        known.seconds if seconds is None else seconds,
        known.center if center is None else center,
    )
