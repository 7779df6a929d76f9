"""Options that say who speaks in a data set, and who is held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgemem.data.splits import SpeakerRule

F = TypeVar("F", bound=Callable[..., Any])

_SPEAKER = click.option(
    "--speaker",
    default="_:0",
    show_default=True,
    metavar="SEPARATOR:POSITION",
    help="Where the speaker stands in file names without _nohash_.",
)
_HELD = click.option(
    "--test-speakers",
    type=click.IntRange(1),
    metavar="N",
    help="Hold out N speakers for test and N for validation, in place of a tenth of them each.",
)


def speaker_options(command: F) -> F:
    """Add ``--speaker`` and ``--test-speakers`` to a command."""
    return _SPEAKER(_HELD(command))


def rule_of(speaker: str, test_speakers: int | None) -> SpeakerRule:
    """The rule that the options say.

    Raises
    ------
    ConfigError
        If ``--speaker`` is no separator and position.
    """
    from edgemem.data.splits import SpeakerRule
    from edgemem.errors import ConfigError

    separator, _, position = speaker.rpartition(":")
    digits = position.removeprefix("-")
    if not separator or not (digits.isascii() and digits.isdigit() and len(digits) < 5):
        raise ConfigError(f"--speaker is {speaker!r}; expected a separator, a colon and a position")
    return SpeakerRule(separator, int(position), test_speakers or 0)
