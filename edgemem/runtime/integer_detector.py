"""The detector in integers: logits as integers in, decisions without a floating-point operation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, ShapeError
from edgemem.runtime.detector import Event, firing, frames_in, latest
from edgemem.runtime.rule import DetectorConfig

Int = npt.NDArray[np.int64]

POSTERIOR_BITS = 15
"""Fraction bits of a posterior."""

OCTAVE_BITS = 20
"""Fraction bits of an exponent of two."""

POWER_BITS = 24
"""Fraction bits of a power of two."""

RECIPROCAL_BITS = 55
"""Fraction bits of one over a sum of powers."""

_SEGMENT_BITS = 6

REST_BITS = OCTAVE_BITS - _SEGMENT_BITS
"""Bits of an exponent below those that choose an entry of the table."""

POWER_TABLE: Int = np.rint(
    2.0**POWER_BITS * 2.0 ** -(np.arange((1 << _SEGMENT_BITS) + 1) / (1 << _SEGMENT_BITS))
).astype(np.int64)
"""``2^(-i / 64)`` for i from 0 to 64, in steps of 2^-24."""

VANISHED = (POWER_BITS + 2) << OCTAVE_BITS
"""An exponent from which on a power of two is 0."""

MOST_LABELS = 64
"""With more labels the posteriors' roundings could add up to more than a step."""


@dataclass(frozen=True)
class Average:
    """A window as whole numbers.

    Parameters
    ----------
    window : int
        Number of logit vectors whose sum counts.
    multiplier, shift : int
        From a difference of two sums of ``window`` logits to octaves: ``d multiplier / 2^shift``
        has 20 fraction bits.
    """

    window: int
    multiplier: int
    shift: int

    def posteriors(self, sums: Int, count: int) -> Int:
        """Softmax of the mean of logits, in steps of 2^-15.

        Right to one step where ``count`` is the window. With ``round`` to the nearest, halves up:

            t_k = round((max_j s_j - s_k) multiplier / 2^shift)    octaves, 2^-20
            t_k = floor(t_k window / count)                        where count < window
            e_k = 2^-t_k                                           table and straight lines, 2^-24
            p_k = round(e_k floor(2^55 / sum_j e_j) / 2^40)

        Parameters
        ----------
        sums : (..., n_labels) int64 array
            Sums s of ``count`` logits.
        count : int
            From 1 to ``window``.
        """
        distance = sums.max(axis=-1, keepdims=True) - sums
        octaves = (distance * self.multiplier + _half(self.shift)) >> self.shift
        if count < self.window:
            octaves = np.minimum(octaves, VANISHED) * self.window // count
        powers = power_of_half(octaves)
        reciprocal = (1 << RECIPROCAL_BITS) // powers.sum(axis=-1, keepdims=True)
        drop = RECIPROCAL_BITS - POSTERIOR_BITS
        return np.asarray((powers * reciprocal + _half(drop)) >> drop, np.int64)


@dataclass(frozen=True)
class IntegerRule:
    """A decision rule as whole numbers.

    Parameters
    ----------
    labels : tuple of str
    fires : tuple of bool
        Whether a label may fire.
    averages : tuple of Average
        One for each window that a label has, the shortest first.
    average : tuple of int
        Place of each label's own in ``averages``.
    threshold, release : tuple of int
        Of each label, in steps of 2^-15.
    quiet : tuple of int
        Least number of feature vectors from an event to one of each label.
    """

    labels: tuple[str, ...]
    fires: tuple[bool, ...]
    averages: tuple[Average, ...]
    average: tuple[int, ...]
    threshold: tuple[int, ...]
    release: tuple[int, ...]
    quiet: tuple[int, ...]

    @classmethod
    def of(
        cls, config: DetectorConfig, labels: Sequence[str], frame_period: float, scale: float
    ) -> IntegerRule:
        """The rule of a detector.

        Parameters
        ----------
        config : DetectorConfig
        labels : sequence of str
            Name of each logit.
        frame_period : float
            Time between two logit vectors, in seconds.
        scale : float
            Size of one step of a logit. A zero point needs no mention: only differences count.

        Raises
        ------
        ConfigError
            If every label is ignored, or the rule has no integer form.
        UnknownNameError
            If a keyword with a rule of its own is no label.
        """
        fires = firing(config, labels)
        rules = [config.rule(label) for label in labels]
        windows = sorted({rule.window for rule in rules})
        _check_sizes(windows[-1], len(labels))
        return cls(
            labels=tuple(labels),
            fires=tuple(map(bool, fires)),
            averages=tuple(Average(window, *_octaves(scale, window)) for window in windows),
            average=tuple(windows.index(rule.window) for rule in rules),
            threshold=tuple(_level(rule.threshold) for rule in rules),
            release=tuple(_level(rule.release) for rule in rules),
            quiet=tuple(
                min(frames_in(rule.refractory, frame_period), (1 << 31) - 1) for rule in rules
            ),
        )

    @property
    def longest(self) -> int:
        """Number of logit vectors of the longest window."""
        return self.averages[-1].window


class IntegerDetector:
    """As :class:`~edgemem.runtime.detector.Detector`, on integer logits.

    Its events are those of the float detector unless a posterior comes within 1.5 steps of 2^-15 of
    the threshold or of the release level: posteriors are right to one step, levels to half of one.
    Time and score of an event are floats for people; no decision rests on them.

    Parameters
    ----------
    config : DetectorConfig
    labels : sequence of str
        Name of each logit.
    frame_period : float
        Time between two logit vectors, in seconds.
    lead : float
        Time by which the first one comes later than that, in seconds.
    scale : float
        Size of one step of a logit.

    Raises
    ------
    ConfigError, UnknownNameError
        As :meth:`IntegerRule.of`.
    """

    def __init__(
        self,
        config: DetectorConfig,
        labels: Sequence[str],
        frame_period: float,
        lead: float = 0.0,
        *,
        scale: float,
    ) -> None:
        self.labels = tuple(labels)
        self.frame_period = frame_period
        self.lead = lead
        self.scale = scale
        self._take(config)
        self.reset()

    def _take(self, config: DetectorConfig) -> None:
        self.rule = IntegerRule.of(config, self.labels, self.frame_period, self.scale)
        self.config = config
        self._fires = np.array(self.rule.fires, bool)
        self._own = (np.array(self.rule.average), np.arange(len(self.labels)))
        self._release = np.array(self.rule.release)
        self._longest_quiet = max(self.rule.quiet)

    def reset(self) -> None:
        """Forget every logit and event so far; time starts at zero."""
        n_labels = len(self.labels)
        self._ring: Int = np.zeros((self.rule.longest, n_labels), np.int64)
        self._sums: Int = np.zeros((len(self.rule.averages), n_labels), np.int64)
        self._count = self._filled = 0
        self._armed = self._fires.copy()
        self._since = self._longest_quiet

    def adopt(self, config: DetectorConfig) -> None:
        """Go on with another rule, as :meth:`edgemem.runtime.detector.Detector.adopt` does.

        Raises
        ------
        ConfigError, UnknownNameError
            As the class; the old rule then still holds.
        """
        fired = self._fires & ~self._armed
        over = self._since >= self._longest_quiet
        self._take(config)
        size = self.rule.longest
        self._ring = latest(self._ring, self._count, self._filled, size)
        self._filled = min(self._filled, size)
        numbers = [np.arange(self._count - a.window, self._count) for a in self.rule.averages]
        self._sums = np.array([self._ring[n % size].sum(axis=0) for n in numbers], np.int64)
        self._armed = self._fires & ~fired
        if over:
            self._since = self._longest_quiet

    @property
    def posteriors(self) -> Int:
        """Each label's posterior over its own window in steps of 2^-15, (n_labels,)."""
        averages = self.rule.averages
        over = [
            average.posteriors(total, max(1, min(self._filled, average.window)))
            for average, total in zip(averages, self._sums)
        ]
        own: Int = np.array(over)[self._own]
        return own

    def push(self, logits: npt.NDArray[np.int8] | npt.NDArray[np.int16]) -> Event | None:
        """Take the logits of one feature vector.

        Parameters
        ----------
        logits : (n_labels,) int8 or int16 array

        Returns
        -------
        Event or None

        Raises
        ------
        ShapeError
            If there is not one logit of 8 or 16 bits for each label.
        """
        if logits.shape != self._armed.shape or logits.dtype not in (np.int8, np.int16):
            raise ShapeError(
                f"logits are {logits.dtype} of shape {logits.shape}; "
                f"expected int8 or int16 ({len(self.labels)},)"
            )
        size = len(self._ring)
        for average, total in zip(self.rule.averages, self._sums):
            total += logits - self._ring[(self._count - average.window) % size]
        self._ring[self._count % size] = logits
        self._count += 1
        self._filled = min(self._filled + 1, size)
        return self._decide()

    def _decide(self) -> Event | None:
        posteriors = self.posteriors
        self._armed |= self._fires & (posteriors < self._release)
        self._since = min(self._since + 1, self._longest_quiet)
        best = self._best(posteriors)
        if best is None:
            return None
        self._armed[best] = False
        self._since = 0
        time = self.lead + self._count * self.frame_period
        return Event(time, self.labels[best], int(posteriors[best]) / 2**POSTERIOR_BITS)

    def _best(self, posteriors: Int) -> int | None:
        """The label that fires, if one does: the surest of those that lead over their windows."""
        rule = self.rule
        best = None
        for place, leading in enumerate(self._sums.argmax(axis=-1)):
            label = int(leading)
            if (
                rule.average[label] == place
                and self._armed[label]
                and posteriors[label] >= rule.threshold[label]
                and self._filled >= rule.averages[place].window
                and self._since >= rule.quiet[label]
                and (best is None or (posteriors[label], -label) > (posteriors[best], -best))
            ):
                best = label
        return best


def power_of_half(octaves: Int) -> Int:
    """``2^-t`` in steps of 2^-24.

    On the straight line between two entries of :data:`POWER_TABLE`, which lies above the curve by
    at most 1.5e-5 of its height.

    Parameters
    ----------
    octaves : int64 array
        t, 0 or more, in steps of 2^-20.
    """
    whole = octaves >> OCTAVE_BITS
    segment = (octaves >> REST_BITS) & ((1 << _SEGMENT_BITS) - 1)
    rest = octaves & ((1 << REST_BITS) - 1)
    start = POWER_TABLE[segment]
    value = start - (((start - POWER_TABLE[segment + 1]) * rest + _half(REST_BITS)) >> REST_BITS)
    # 2^(POWER_BITS + 1) and more: nothing is left, nor is a shift of 64 bits defined
    drop = np.minimum(whole, POWER_BITS + 2)
    return np.asarray((2 * value + (np.int64(1) << drop)) >> (drop + 1), np.int64)


def _half(bits: int) -> int:
    return (1 << bits) >> 1


def _level(posterior: float) -> int:
    return round(posterior * (1 << POSTERIOR_BITS))


def _check_sizes(window: int, n_labels: int) -> None:
    if n_labels > MOST_LABELS:
        raise ConfigError(
            f"detector: {n_labels} labels; the integer form holds {MOST_LABELS}: "
            "train with fewer classes"
        )
    if window >= 1 << 15:
        raise ConfigError(
            f"detector: window is {window}; sums of so many 16-bit logits do not fit 32 bits; "
            "take at most 32,767"
        )


def _octaves(scale: float, window: int) -> tuple[int, int]:
    """Multiplier of 30 bits and right shift for differences of sums."""
    # exp(scale d / window) = 2^(d scale / (window ln 2))
    factor = scale / (window * math.log(2.0)) * 2.0**OCTAVE_BITS
    if not 0.0 < factor < 2.0**30:
        raise ConfigError(
            f"detector: the scale of the logits is {scale}; it must be greater than 0 and small "
            "enough that one step does not decide alone"
        )
    shift = min(30 - math.frexp(factor)[1], 62)
    return round(factor * 2.0**shift), shift
