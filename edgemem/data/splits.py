"""Who is in which split: the sha1 rule, list files, and the speaker of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgemem.errors import ConfigError

# Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition" (2018): at most
# 2^27 - 1 clips a class; the hash of the speaker, scaled to percent, decides the split for ever.
_MAX_CLIPS = 2**27 - 1
VALIDATION_PERCENT = 10.0
TEST_PERCENT = 10.0


def split_of(
    speaker: str, validation: float = VALIDATION_PERCENT, test: float = TEST_PERCENT
) -> str:
    """Split of a speaker, by the sha1 rule of Speech Commands.

        percent = (sha1(speaker) mod 2^27) * 100 / (2^27 - 1)

    Parameters
    ----------
    speaker : str
        What identifies the speaker, for example the hash in the file name.
    validation, test : float
        Shares of the two splits, in percent.

    Returns
    -------
    str
        ``"validation"``, ``"test"`` or ``"train"``.
    """
    number = _number(speaker)
    percent = (number % (_MAX_CLIPS + 1)) * (100.0 / _MAX_CLIPS)
    if percent < validation:
        return "validation"
    return "test" if percent < validation + test else "train"


def _number(speaker: str) -> int:
    return int(hashlib.sha1(speaker.encode()).hexdigest(), 16)


def held_out(speakers: Iterable[str], count: int) -> dict[str, str]:
    """Splits with ``count`` speakers for test, as many for validation, and the rest to train on.

    The order of their sha1 decides, so that it is the same on every machine.

    Raises
    ------
    ConfigError
        If none would be left.
    """
    ordered = sorted(set(speakers), key=lambda who: (_number(who), who))
    if len(ordered) <= 2 * count:
        raise ConfigError(
            f"--test-speakers {count}: {count} for test and {count} for validation leave none of "
            f"{len(ordered)} speakers to train on; at most {max(0, (len(ordered) - 1) // 2)}"
        )
    held = dict.fromkeys(ordered[:count], "test")
    held.update((who, "validation") for who in ordered[count : 2 * count])
    return {who: held.get(who, "train") for who in ordered}


@dataclass(frozen=True)
class SpeakerRule:
    """Where the speaker stands in a file name.

    Parameters
    ----------
    separator : str
        The file name, without its ending, is cut there.
    position : int
        Which piece names the speaker; negative counts from the end.
    held : int
        So many speakers are held out for test, and as many for validation; with 0 the sha1 rule
        decides.
    """

    separator: str = "_"
    position: int = 0
    held: int = 0

    def speaker(self, stem: str) -> str:
        """Speaker of the file name ``stem``; all of it if it has no such piece."""
        pieces = stem.split(self.separator)
        inside = -len(pieces) <= self.position < len(pieces)
        return pieces[self.position] if inside else stem


def crossing(splits: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Speakers that are in more than one split.

    Parameters
    ----------
    splits : iterable of (speaker, split)

    Returns
    -------
    mapping of str to tuple of str
        Each such speaker with its splits.
    """
    seen: dict[str, set[str]] = {}
    for speaker, split in splits:
        seen.setdefault(speaker, set()).add(split)
    return {who: tuple(sorted(where)) for who, where in seen.items() if len(where) > 1}
