"""Events against truth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from edgemem.evaluate.streaming.truth import NO_KEYWORD, Truth

TOLERANCE = 1.0
"""Time after the end of a word within which an event still belongs to it, in seconds."""

NOWHERE = -1
"""Number of the word of an event that belongs to none."""


class Kind(IntEnum):
    """What an event is."""

    HIT = 0
    """The first event of a keyword that was said."""

    REPEAT = 1
    """A further event of a keyword that was heard already."""

    SUBSTITUTION = 2
    """Another keyword than the one that was said."""

    FALSE_WORD = 3
    """A keyword on a word that is none: a false accept."""

    FALSE_NOISE = 4
    """A keyword where nothing is said: a false accept."""


@dataclass(frozen=True, eq=False)
class Matched:
    """Events with what they are.

    Parameters
    ----------
    times : (n,) array
        In seconds.
    labels : (n,) int array
    kinds : (n,) int array
        A :class:`Kind` of each event.
    words : (n,) int array
        Number of the word that each event belongs to, or :data:`NOWHERE`.
    heard : (n_words,) bool array
        Whether each word has a hit.
    """

    times: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    heard: npt.NDArray[np.bool_]

    @property
    def false(self) -> npt.NDArray[np.bool_]:
        """Which events are false accepts."""
        return self.kinds >= Kind.FALSE_WORD


def match(
    times: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    truth: Truth,
    tolerance: float = TOLERANCE,
) -> Matched:
    """Say of every event what it is.

    A word can bring events from its start until ``tolerance`` after its end. In order of time, an
    event is the hit of the earliest such keyword of its label that has none. Otherwise it belongs
    to the word that started last of those that can bring it: a repeat or a substitution if that is
    a keyword, else a false accept, as is an event that no word can bring.

    Parameters
    ----------
    times : (n,) array
        Of the events, rising, in seconds.
    labels : (n,) int array
    truth : Truth
    tolerance : float
    """
    ends = truth.ends + tolerance
    reach = float((ends - truth.starts).max()) if len(ends) else 0.0
    lows = np.searchsorted(truth.starts, times - reach, side="left")
    highs = np.searchsorted(truth.starts, times, side="right")
    heard = np.zeros(len(ends), bool)
    kinds = np.empty(len(times), np.int64)
    words = np.full(len(times), NOWHERE, np.int64)
    for event, (time, label, low, high) in enumerate(zip(times, labels, lows, highs)):
        able = [word for word in range(low, high) if ends[word] >= time]
        kinds[event], words[event] = _judge(int(label), able, truth, heard)
    return Matched(times, labels, kinds, words, heard)


def _judge(
    label: int, able: list[int], truth: Truth, heard: npt.NDArray[np.bool_]
) -> tuple[Kind, int]:
    for word in able:
        if truth.labels[word] == label and not heard[word]:
            heard[word] = True
            return Kind.HIT, word
    if not able:
        return Kind.FALSE_NOISE, NOWHERE
    latest = able[-1]
    if truth.labels[latest] == NO_KEYWORD:
        return Kind.FALSE_WORD, latest
    return (Kind.REPEAT if truth.labels[latest] == label else Kind.SUBSTITUTION), latest
