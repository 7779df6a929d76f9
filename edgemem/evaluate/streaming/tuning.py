"""Thresholds and window for a wanted rate of false accepts, on validation sound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, DataError
from edgemem.evaluate.streaming.curve import Clock, probability
from edgemem.evaluate.streaming.matching import TOLERANCE
from edgemem.evaluate.streaming.rules import rule_of
from edgemem.evaluate.streaming.shares import Share, apart, common
from edgemem.evaluate.streaming.study import Take
from edgemem.evaluate.streaming.tables import Table, table_of
from edgemem.runtime.network import Network
from edgemem.runtime.rule import DetectorConfig, KeywordRule

WINDOWS = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Smoothing windows that are tried beside the file's own, in seconds."""

SHARES: Mapping[str, Share] = {"common": common, "apart": apart}
"""Ways to share false accepts among keywords: one threshold for all, or each its own."""

LEAST_EVENTS = 2.0
"""Fewer wanted false accepts than this in all the sound say nothing."""

_ASKED = np.geomspace(0.1, 4.0, 38)
_DIGITS = 6


@dataclass(frozen=True)
class Tried:
    """One way to set thresholds, as parts of the sound that it did not see judge it.

    Parameters
    ----------
    window : int
        Smoothing window, in feature vectors.
    share : str
        One of :data:`SHARES`.
    misses : float
        Share of keywords missed where the held-out parts bring the wanted rate.
    asked : float
        Rate to ask for so that they do.
    """

    window: int
    share: str
    misses: float
    asked: float

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return {
            "window": self.window,
            "share": self.share,
            "false_reject_rate": self.misses,
            "asked": self.asked,
        }


@dataclass(frozen=True)
class Tuned:
    """A rule and how it was chosen.

    Parameters
    ----------
    rule : DetectorConfig
    chosen : Tried
    tried : tuple of Tried
    """

    rule: DetectorConfig
    chosen: Tried
    tried: tuple[Tried, ...]


def check_rate(rate: float, hours: float) -> None:
    """Refuse a rate that cannot be set on so much sound.

    Raises
    ------
    ConfigError
        If it is none, or there are too few hours for it.
    """
    if not 0.0 < rate < math.inf:
        raise ConfigError(f"{rate} false accepts an hour; expected a number greater than 0")
    if rate * hours < LEAST_EVENTS:
        raise ConfigError(
            f"{rate:g} false accepts an hour are {rate * hours:.2g} in {hours:g} hours, too few to "
            f"set a threshold by: ask for --hours {math.ceil(LEAST_EVENTS / rate):d} or more"
        )


def tune(
    network: Network,
    takes: Sequence[Take],
    rate: float,
    windows: Sequence[float] = WINDOWS,
    shares: Sequence[str] = tuple(SHARES),
    tolerance: float = TOLERANCE,
) -> Tuned:
    """The rule with the fewest misses at ``rate`` false accepts an hour.

    Every window and every way to share is tried on four fifths of the sound and judged on the fifth
    that is left, five times. What rate to ask for follows from that as well: one that brings
    ``rate`` on sound that was not seen.

    Parameters
    ----------
    network : Network
    takes : sequence of Take
        Validation sound.
    rate : float
        False accepts an hour, all keywords together.
    windows : sequence of float
        In seconds.
    shares : sequence of str
    tolerance : float

    Raises
    ------
    ConfigError
        If the rate is none or there is too little sound.
    DataError
        If no threshold brings so few.
    """
    check_rate(rate, sum(float(take.truth.hours.sum()) for take in takes))
    period = network.frontend.frame_period
    sizes = sorted({network.detector.window, *(max(1, round(w / period)) for w in windows)})
    tables = {size: _tables(network, takes, size, tolerance) for size in sizes}
    tried = tuple(
        _try(table, size, share, rate) for size, table in tables.items() for share in shares
    )
    chosen = min(tried, key=lambda one: (one.misses, one.window))
    if math.isinf(chosen.misses):
        raise DataError(
            f"no threshold brings as few as {rate:g} false accepts an hour on this sound; allow "
            "more, or train with more of the words that are mistaken"
        )
    table = tables[chosen.window]
    places = SHARES[chosen.share](table, np.array([chosen.asked]))[0]
    return Tuned(_rule(network, chosen, table.odds[places]), chosen, tried)


def _tables(network: Network, takes: Sequence[Take], window: int, tolerance: float) -> Table:
    frontend = network.frontend
    rule = rule_of(network.detector, network.labels, frontend.frame_period)
    clock = Clock(frontend.frame_period, frontend.lead)
    parts = [table_of(t.logits, t.truth, rule, clock, window, tolerance) for t in takes]
    return replace(
        parts[0],
        accepts=np.sum([part.accepts for part in parts], axis=0),
        misses=np.sum([part.misses for part in parts], axis=0),
        hours=np.sum([part.hours for part in parts], axis=0),
        said=np.sum([part.said for part in parts], axis=0),
    )


def _try(table: Table, window: int, share: str, rate: float) -> Tried:
    """Misses at the wanted rate on parts that were not seen."""
    asked = rate * _ASKED
    accepts, misses = np.zeros(len(asked)), np.zeros(len(asked))
    folds = np.arange(len(table.hours))
    columns = np.arange(table.accepts.shape[2])
    for fold in folds:
        seen = table.only(folds != fold)
        places = SHARES[share](seen, asked)
        accepts += table.accepts[places, fold, columns].sum(axis=1)
        misses += table.misses[places, fold, columns].sum(axis=1)
    rates = np.maximum.accumulate(accepts / table.hours.sum())
    fit = rates <= rate
    if not fit.any():
        return Tried(window, share, math.inf, float(asked[0]))
    last = int(np.flatnonzero(fit)[-1])
    return Tried(window, share, float(misses[last] / table.said.sum()), float(asked[last]))


def _rule(network: Network, chosen: Tried, odds: npt.NDArray[np.float64]) -> DetectorConfig:
    config = network.detector
    thresholds = {
        label: round(probability(float(value)), _DIGITS)
        for label, value in zip((x for x in network.labels if x not in config.ignore), odds)
    }
    part = {label: rule.release / rule.threshold for label, rule in _resolved(network).items()}
    keywords = {
        label: KeywordRule(threshold=value, release=round(part[label] * value, _DIGITS))
        for label, value in thresholds.items()
    }
    if chosen.share == "common":
        value, share = next(iter(thresholds.values())), config.release / config.threshold
        return replace(
            config,
            window=chosen.window,
            threshold=value,
            release=round(share * value, _DIGITS),
            keywords={},
        )
    return replace(config, window=chosen.window, keywords=keywords)


def _resolved(network: Network) -> dict[str, Any]:
    return {label: network.detector.rule(label) for label in network.labels}
