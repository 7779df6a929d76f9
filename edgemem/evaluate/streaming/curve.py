"""False accepts an hour against the share of keywords that are missed, over all thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgemem.evaluate.streaming.firing import Fired, Levels, fire
from edgemem.evaluate.streaming.matching import TOLERANCE, Matched, match
from edgemem.evaluate.streaming.traces import LEAST, Candidates
from edgemem.evaluate.streaming.truth import Truth

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HIGHEST = 9.2
"""Largest log-odds of a threshold: a posterior of 0.9999."""

STEP = 0.1
"""Distance of two thresholds of a curve, in log-odds."""


@dataclass(frozen=True)
class Clock:
    """From the number of a feature vector to the time of its event.

    Parameters
    ----------
    period : float
        Time between two feature vectors, in seconds.
    lead : float
        Time by which the first one is later than that.
    """

    period: float
    lead: float

    def times(self, frames: Ints) -> Floats:
        """End of each feature vector, in seconds, as :class:`Detector` counts."""
        return np.asarray(self.lead + (frames + 1) * self.period, np.float64)


@dataclass(frozen=True, eq=False)
class Curve:
    """What happens as every threshold moves by the same log-odds.

    Parameters
    ----------
    shifts : (n,) array
        Change of each keyword's threshold, in log-odds; rising.
    accepts : (n, n_conditions, n_labels) int array
        False accepts.
    rejects : (n, n_conditions, n_labels) int array
        Keywords that were missed.
    keywords : (n_conditions, n_labels) int array
        Keywords that were said.
    hours : (n_conditions,) array
    """

    shifts: Floats
    accepts: Ints
    rejects: Ints
    keywords: Ints
    hours: Floats

    def of(self, condition: int) -> Curve:
        """The part of one condition."""
        only = slice(condition, condition + 1)
        return replace(
            self,
            accepts=self.accepts[:, only],
            rejects=self.rejects[:, only],
            keywords=self.keywords[only],
            hours=self.hours[only],
        )

    def of_label(self, label: int) -> Curve:
        """The part of one keyword, as if nothing else mattered."""
        only = slice(label, label + 1)
        return replace(
            self,
            accepts=self.accepts[:, :, only],
            rejects=self.rejects[:, :, only],
            keywords=self.keywords[:, only],
        )

    @property
    def accept_rates(self) -> Floats:
        """False accepts an hour, (n,)."""
        return np.asarray(self.accepts.sum(axis=(1, 2)) / max(float(self.hours.sum()), 1e-12))

    @property
    def reject_rates(self) -> Floats:
        """Share of keywords that were missed, (n,)."""
        return np.asarray(self.rejects.sum(axis=(1, 2)) / max(1, int(self.keywords.sum())))

    def rejects_at(self, rate: float) -> float:
        """Least share of missed keywords with at most ``rate`` false accepts an hour, or NaN."""
        fit = self.accept_rates <= rate
        return float(self.reject_rates[fit].min()) if fit.any() else math.nan

    def area(self, most: float) -> float:
        """Mean share of missed keywords over 0 to ``most`` false accepts an hour.

        The curve is the staircase of :meth:`rejects_at`: what a wanted rate would bring. Where no
        threshold is strict enough every keyword counts as missed.
        """
        rates, misses = self.accept_rates, self.reject_rates
        steps = np.unique(np.concatenate([[0.0, most], rates[rates < most]]))
        total = 0.0
        for low, high in zip(steps, steps[1:]):
            fit = rates <= low
            total += (high - low) * (float(misses[fit].min()) if fit.any() else 1.0)
        return total / most


def log_odds(value: float) -> float:
    """``ln(p / (1 - p))``."""
    return math.log(value) - math.log1p(-min(value, 1.0 - 1e-12))


def probability(odds: float) -> float:
    """The inverse of :func:`log_odds`."""
    return 1.0 / (1.0 + math.exp(-odds))


def moved(levels: Levels, shift: float) -> Levels:
    """A threshold moved by ``shift`` log-odds, within limits; release keeps its share of it."""
    threshold = probability(min(max(log_odds(levels.threshold) + shift, log_odds(LEAST)), HIGHEST))
    return Levels(threshold, threshold * levels.release / levels.threshold, levels.quiet)


def judge(fired: Fired, truth: Truth, clock: Clock, tolerance: float = TOLERANCE) -> Matched:
    """Events against truth."""
    return match(clock.times(fired.frames), fired.labels, truth, tolerance)


def sweep(
    found: Mapping[int, Candidates],
    levels: Mapping[int, Levels],
    truth: Truth,
    clock: Clock,
    n_labels: int,
    tolerance: float = TOLERANCE,
    shifts: Sequence[float] | None = None,
) -> Curve:
    """The curve of a decision rule.

    Parameters
    ----------
    found : mapping of int to Candidates
    levels : mapping of int to Levels
        The rule where nothing is moved.
    truth : Truth
    clock : Clock
    n_labels : int
    tolerance : float
    shifts : sequence of float, optional
        By default all that change anything, and 0.
    """
    moves = np.asarray(_shifts(levels) if shifts is None else shifts, np.float64)
    shape = (len(moves), len(truth.conditions), n_labels)
    accepts, rejects = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    said = truth.keywords
    for index, shift in enumerate(moves):
        fired = fire(found, {label: moved(level, shift) for label, level in levels.items()})
        matched = judge(fired, truth, clock, tolerance)
        wrong = matched.false
        where = truth.conditions_at(matched.times[wrong])
        np.add.at(accepts[index], (where, matched.labels[wrong]), 1)
        missed = said & ~matched.heard
        np.add.at(rejects[index], (truth.word_conditions[missed], truth.labels[missed]), 1)
    return Curve(moves, accepts, rejects, keyword_counts(truth, n_labels), truth.hours)


def keyword_counts(truth: Truth, n_labels: int) -> Ints:
    """Number of keywords by condition and label."""
    counts = np.zeros((len(truth.conditions), n_labels), np.int64)
    said = truth.keywords
    np.add.at(counts, (truth.word_conditions[said], truth.labels[said]), 1)
    return counts


def _shifts(levels: Mapping[int, Levels]) -> Floats:
    odds = [log_odds(level.threshold) for level in levels.values()]
    low, high = log_odds(LEAST) - max(odds), HIGHEST - min(odds)
    return STEP * np.arange(math.floor(low / STEP), math.ceil(high / STEP) + 1, dtype=np.float64)
