"""A scene: what is heard when, at which signal-to-noise ratio, over which background."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgemem.errors import ConfigError

CLEAN = math.inf
"""Signal-to-noise ratio of a stretch whose background is quiet whatever is said."""

SPEECH = -28.0
"""Level of a typical clip, in dB of full scale; noise without words is set against it."""

GRID = 160
"""All positions are whole multiples of so many samples, the hop of the usual front end."""


def ratio_of(text: str, option: str) -> float:
    """A signal-to-noise ratio from text: a number of dB, or ``clean``.

    Raises
    ------
    ConfigError
        If it is neither; the message names the ``option``.
    """
    try:
        snr = CLEAN if text.strip() == "clean" else float(text)
    except ValueError:
        snr = math.nan
    if math.isnan(snr) or snr == -math.inf:
        raise ConfigError(f"{option}: {text!r} is no ratio; expected dB, or clean")
    return snr


@dataclass(frozen=True)
class Plan:
    """How scenes are drawn.

    Parameters
    ----------
    hours : float
    snr : tuple of float
        Signal-to-noise ratios in dB, dealt to the stretches. :data:`CLEAN` is one as well.
    keywords, others : float
        Number of keywords and of other words an hour.
    noise_share : float
        Share of the time that has no words at all.
    pause : float
        Shortest pause between two clips, in seconds; the longest follows from the numbers above.
    level : float
        Largest change of a clip's level, in dB, up or down.
    seed : int

    Raises
    ------
    ConfigError
        If a value cannot work, or so many words do not fit into an hour.
    """

    hours: float = 1.0
    snr: tuple[float, ...] = (CLEAN, 20.0, 10.0, 5.0, 0.0)
    keywords: float = 400.0
    others: float = 110.0
    noise_share: float = 0.3
    pause: float = 0.7
    level: float = 6.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.hours <= 1000.0:
            raise ConfigError(f"a scene of {self.hours} hours; expected more than 0, at most 1000")
        if not self.snr or any(math.isnan(snr) or snr == -math.inf for snr in self.snr):
            raise ConfigError(f"signal-to-noise ratios {self.snr}; expected dB, or clean")
        if not (0.0 < self.keywords < math.inf and 0.0 <= self.others < math.inf):
            raise ConfigError(
                f"{self.keywords} keywords and {self.others} other words an hour; expected more "
                "than 0 and at least 0"
            )
        if not 0.0 <= self.noise_share < 1.0:
            raise ConfigError(
                f"a share of {self.noise_share} without words; expected 0 to less than 1"
            )
        if not 0.0 <= self.pause < math.inf or not 0.0 <= self.level < math.inf:
            raise ConfigError(
                f"pauses of {self.pause} s and levels of {self.level} dB; expected 0 or more"
            )


@dataclass(frozen=True)
class Utterance:
    """A clip in a scene.

    Parameters
    ----------
    start, length : int
        In samples from the start of the scene.
    clip : int
        Its number among the clips of the material.
    gain : float
        Change of its level, in dB.
    """

    start: int
    length: int
    clip: int
    gain: float

    @property
    def end(self) -> int:
        """The first sample after it."""
        return self.start + self.length


@dataclass(frozen=True)
class Stretch:
    """A piece of a scene over one background.

    Parameters
    ----------
    start, length : int
        In samples.
    recording : int
        Number of the recording of background noise.
    offset : int
        First sample of it; at its end it starts again.
    snr : float
        In dB.
    gain : float
        Level that speech would have here, in dB of full scale: sets the noise where nothing is
        said.
    words : tuple of Utterance
    """

    start: int
    length: int
    recording: int
    offset: int
    snr: float
    gain: float
    words: tuple[Utterance, ...]

    @property
    def end(self) -> int:
        """The first sample after it."""
        return self.start + self.length


@dataclass(frozen=True)
class Scene:
    """Hours of sound as a list of what is in them.

    Parameters
    ----------
    length : int
        In samples.
    stretches : tuple of Stretch
        One after the other, without gaps.
    """

    length: int
    stretches: tuple[Stretch, ...]

    @property
    def words(self) -> Iterator[Utterance]:
        """All utterances, in order."""
        return (word for stretch in self.stretches for word in stretch.words)

    def between(self, first: int, last: int) -> list[Stretch]:
        """The stretches that the samples ``first`` to ``last`` touch."""
        return [s for s in self.stretches if s.start < last and s.end > first]


_WORDS = 8  # in a stretch
_NOISE = 60.0  # seconds of a stretch without words, about


def draw_scene(
    plan: Plan,
    lengths: Sequence[int],
    keywords: Sequence[int],
    others: Sequence[int],
    recordings: Sequence[int],
    sample_rate: int = 16000,
) -> Scene:
    """Draw a scene.

    Clips are drawn like cards: none comes twice before all have come once.

    Parameters
    ----------
    plan : Plan
    lengths : sequence of int
        Length of each clip of the material, in samples.
    keywords, others : sequence of int
        Which clips are keywords, which other words.
    recordings : sequence of int
        Length of each recording of background noise, in samples.
    sample_rate : int

    Raises
    ------
    ConfigError
        If the words do not fit, or there are none of a kind that is asked for.
    """
    rng = np.random.default_rng([plan.seed, 11])
    order = _deal(plan, keywords, others, rng)
    pauses = _pauses(plan, [lengths[clip] for clip in order], sample_rate, rng)
    total = _on_grid(plan.hours * 3600.0 * sample_rate)
    spoken = list(_spoken(order, lengths, pauses))
    spare = max(0, total - sum(length for length, _ in spoken)) if plan.noise_share else 0
    pieces = [*spoken, *((length, ()) for length in _parts(spare, sample_rate))]
    ratios = [*_ratios(plan.snr, len(spoken), rng), *_ratios(plan.snr, len(pieces), rng)]
    position, stretches = 0, []
    for index in rng.permutation(len(pieces)):
        length, words = pieces[int(index)]
        drawn = ratios[int(index)]
        stretches.append(_stretch(plan, position, length, words, recordings, drawn, rng))
        position += length
    return Scene(position, tuple(stretches))


def _deal(
    plan: Plan, keywords: Sequence[int], others: Sequence[int], rng: np.random.Generator
) -> list[int]:
    drawn: list[int] = []
    for kind, cards, rate in (
        ("keyword", keywords, plan.keywords),
        ("other word", others, plan.others),
    ):
        count = round(rate * plan.hours)
        if count and not cards:
            raise ConfigError(f"{count} {kind}s are asked for, and there is none to draw from")
        while count > 0:
            hand = rng.permutation(np.asarray(cards))[:count]
            drawn += [int(card) for card in hand]
            count -= len(hand)
    if not drawn:
        raise ConfigError(f"{plan.hours:g} hours are too short for a single word; ask for more")
    return [drawn[int(i)] for i in rng.permutation(len(drawn))]


def _pauses(
    plan: Plan, lengths: Sequence[int], sample_rate: int, rng: np.random.Generator
) -> list[int]:
    """The pause that belongs to each word, half of it before and half after."""
    time = plan.hours * 3600.0 * (1.0 - plan.noise_share) - sum(lengths) / sample_rate
    mean = time / len(lengths)
    if mean < plan.pause:
        raise ConfigError(
            f"{len(lengths)} words in {plan.hours:g} hours, {plan.noise_share:.0%} of them without "
            f"words, leave pauses of {mean:.2f} s; at least {plan.pause:g} s are asked for: take "
            "fewer words an hour"
        )
    drawn = rng.uniform(plan.pause, 2.0 * mean - plan.pause, len(lengths))
    return [_on_grid(pause * sample_rate / 2) for pause in drawn]


def _spoken(
    order: Sequence[int], lengths: Sequence[int], halves: Sequence[int]
) -> Iterator[tuple[int, tuple[tuple[int, int, int], ...]]]:
    """Stretches with words: length, and of each word start, length and clip."""
    for first in range(0, len(order), _WORDS):
        position, words = 0, []
        for clip, half in zip(order[first : first + _WORDS], halves[first : first + _WORDS]):
            words.append((position + half, lengths[clip], clip))
            position += 2 * half + _on_grid(lengths[clip] + GRID - 1)
        yield position, tuple(words)


def _parts(spare: int, sample_rate: int) -> list[int]:
    count = max(1, round(spare / (_NOISE * sample_rate)))
    borders = [_on_grid(spare * i / count) for i in range(count + 1)]
    return [b - a for a, b in zip(borders, borders[1:]) if b > a]


def _ratios(snr: Sequence[float], count: int, rng: np.random.Generator) -> list[float]:
    """One ratio for each of ``count`` stretches; as even as can be."""
    dealt: list[float] = []
    while len(dealt) < count:
        dealt += [float(snr[int(i)]) for i in rng.permutation(len(snr))]
    return dealt[:count]


def _stretch(
    plan: Plan,
    start: int,
    length: int,
    words: Sequence[tuple[int, int, int]],
    recordings: Sequence[int],
    snr: float,
    rng: np.random.Generator,
) -> Stretch:
    recording = int(rng.integers(len(recordings)))
    said = tuple(
        Utterance(start + at, size, clip, float(rng.uniform(-plan.level, plan.level)))
        for at, size, clip in words
    )
    return Stretch(
        start,
        length,
        recording,
        _on_grid(rng.uniform(0, recordings[recording])),
        snr,
        SPEECH + float(rng.uniform(-plan.level, plan.level)),
        said,
    )


def _on_grid(samples: float) -> int:
    return int(samples) // GRID * GRID
