"""Protocols: which words a data set holds become which labels, in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgemem.errors import DataError, UnknownNameError

SILENCE = "_silence_"
UNKNOWN = "_unknown_"

TEN_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
# fmt: off
WORDS_35 = (
    "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four",
    "go", "happy", "house", "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right",
    "seven", "sheila", "six", "stop", "three", "tree", "two", "up", "visual", "wow", "yes", "zero",
)
# fmt: on
PROTOCOLS = ("speech-commands-12", "speech-commands-35", "folders", "words:A,B,...")
_CHOSEN = "words:"


@dataclass(frozen=True)
class Protocol:
    """Labels in order, and how words map to them.

    Parameters
    ----------
    name : str
        One of ``PROTOCOLS``.
    labels : tuple of str
        Class order. With ``_unknown_`` among them, every word that is no label is unknown; with
        ``_silence_``, background noise is a class.
    """

    name: str
    labels: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The labels that are words."""
        return tuple(label for label in self.labels if label not in (SILENCE, UNKNOWN))

    @property
    def chosen(self) -> bool:
        """Whether somebody chose a few words among many: ``words:A,B``."""
        return self.name.startswith(_CHOSEN)

    def label_of(self, word: str) -> str | None:
        """Label of ``word``; ``None`` where the protocol has no place for it."""
        if word in self.labels:
            return word
        return UNKNOWN if UNKNOWN in self.labels else None


def canonical(name: str) -> str:
    """Full name of a protocol; ``"12"`` and ``"35"`` are short for Speech Commands'.

    ``"words:a,b"`` has the labels silence, unknown, a and b.

    Raises
    ------
    UnknownNameError
        If there is no such protocol.
    """
    full = f"speech-commands-{name}" if name in ("12", "35") else name
    chosen = full.startswith(_CHOSEN) and all(full[len(_CHOSEN) :].split(","))
    if full not in PROTOCOLS[:3] and not chosen:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return full


def default_name(words: Iterable[str]) -> str:
    """Protocol for a set of words when none is asked for: 12 where its ten words and others are."""
    others = set(words) - {SILENCE, *TEN_WORDS}
    return "speech-commands-12" if set(TEN_WORDS) <= set(words) and others else "folders"


def protocol_for(name: str, words: Iterable[str], *, silence: bool) -> Protocol:
    """The protocol ``name`` for a data set that holds ``words``.

    Parameters
    ----------
    name : str
        Name as in :func:`canonical`.
    words : iterable of str
        Words of the data set.
    silence : bool
        Whether there is background noise; under ``"folders"`` it then is a class of its own.

    Raises
    ------
    DataError
        If the data set holds none of the protocol's words.
    """
    full, words = canonical(name), set(words)
    if full == "speech-commands-12":
        labels: tuple[str, ...] = (SILENCE, UNKNOWN, *TEN_WORDS)
    elif full == "speech-commands-35":
        labels = tuple(word for word in WORDS_35 if word in words)
    elif full.startswith(_CHOSEN):
        labels = (SILENCE, UNKNOWN, *dict.fromkeys(full[len(_CHOSEN) :].split(",")))
    else:
        plain = sorted(words - {SILENCE, UNKNOWN})
        labels = (*((SILENCE,) if silence or SILENCE in words else ()), *_unknown(words), *plain)
    protocol = Protocol(full, labels)
    missing = sorted(set(protocol.words) - words) if full.startswith(_CHOSEN) else []
    if missing:
        raise DataError(f"no recordings of {', '.join(missing)}; found: {', '.join(sorted(words))}")
    if not set(protocol.words) & words:
        raise DataError(
            f"no folder is named like a word of the protocol {full}; "
            f"found: {', '.join(sorted(words)[:8]) or 'no folders'}"
        )
    return protocol


def _unknown(words: set[str]) -> tuple[str, ...]:
    return (UNKNOWN,) if UNKNOWN in words else ()
