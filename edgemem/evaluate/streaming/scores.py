"""Figures of continuous evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgemem.evaluate.streaming.curve import Curve
from edgemem.evaluate.streaming.matching import NOWHERE, Kind, Matched
from edgemem.evaluate.streaming.poisson import interval
from edgemem.evaluate.streaming.truth import Truth, condition_name

RATES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""False accepts an hour at which a report reads the curve."""

ALONE = 0.5
"""False accepts an hour of a single keyword at which a report reads its curve."""

AREA = 10.0
"""Largest rate under the area of a report."""


@dataclass(frozen=True)
class Tally:
    """What happened in a part of the sound, at the thresholds of the rule.

    Parameters
    ----------
    name : str
    hours : float
    said : int
        Keywords.
    missed : int
        Keywords without a hit.
    substitutions, repeats : int
    accepts : int
        False accepts.
    latencies : tuple of float
        From the end of the word to its hit, in seconds.
    """

    name: str
    hours: float
    said: int
    missed: int
    substitutions: int
    repeats: int
    accepts: int
    latencies: tuple[float, ...]

    @property
    def reject_rate(self) -> float:
        """Share of keywords that were missed."""
        return self.missed / self.said if self.said else math.nan

    @property
    def accept_rate(self) -> float:
        """False accepts an hour."""
        return self.accepts / self.hours if self.hours else math.nan

    def interval(self) -> tuple[float, float]:
        """95 % interval of the false accepts an hour; NaN without any sound."""
        if not self.hours:
            return math.nan, math.nan
        low, high = interval(self.accepts)
        return low / self.hours, high / self.hours

    def latency(self, share: float) -> float:
        """Quantile of the latencies, in seconds; NaN without a hit."""
        return float(np.quantile(self.latencies, share)) if self.latencies else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        low, high = self.interval()
        return {
            "name": self.name,
            "hours": self.hours,
            "keywords": self.said,
            "missed": self.missed,
            "false_reject_rate": _number(self.reject_rate),
            "false_accepts": self.accepts,
            "false_accepts_per_hour": _number(self.accept_rate),
            "false_accepts_per_hour_95": [_number(low), _number(high)],
            "substitutions": self.substitutions,
            "repeats": self.repeats,
            "latency_median": _number(self.latency(0.5)),
            "latency_90": _number(self.latency(0.9)),
        }

    def row(self) -> str:
        """One line of a table."""
        low, high = self.interval()
        return (
            f"{self.name:<10} {self.hours:6.2f} {self.said:6d} {self.missed:6d} "
            f"{_shown(self.reject_rate, '.2%')} {self.accepts:5d} "
            f"{_shown(self.accept_rate, '.2f')} [{low:.2f}, {high:.2f}]".ljust(72)
            + f" {self.substitutions:5d} {self.repeats:5d} "
            f"{_shown(self.latency(0.5), '.3f')} {_shown(self.latency(0.9), '.3f')}"
        )


HEAD = (
    f"{'':<10} {'hours':>6} {'words':>6} {'missed':>6} {'FRR':>7} {'FA':>5} {'FA/h':>7} 95 %"
).ljust(72) + f" {'subst':>5} {'rep.':>5} {'latency':>7} {'90 %':>7}"


@dataclass(frozen=True, eq=False)
class StreamScores:
    """Figures of one network on one scene.

    Parameters
    ----------
    labels : tuple of str
    truth : Truth
    matched : Matched
        Events at the thresholds of the rule.
    curve : Curve
    """

    labels: tuple[str, ...]
    truth: Truth
    matched: Matched
    curve: Curve

    def total(self) -> Tally:
        """All of the scene."""
        return self._tally("all", np.ones(len(self.truth.starts), bool), None)

    def conditions(self) -> list[Tally]:
        """By signal-to-noise ratio."""
        return [
            self._tally(condition_name(snr), self.truth.word_conditions == number, number)
            for number, snr in enumerate(self.truth.conditions)
        ]

    def keywords(self) -> list[Tally]:
        """By keyword; its false accepts are the events of that label that are false."""
        return [
            self._tally(label, self.truth.labels == number, None, number)
            for number, label in enumerate(self.labels)
            if self.curve.keywords[:, number].any()
        ]

    def noise(self) -> Tally:
        """The stretches that have no word at all."""
        truth, matched = self.truth, self.matched
        within = matched.false & truth.empty[truth.stretches_at(matched.times)]
        hours = float(truth.spans[truth.empty].sum())
        return Tally("noise", hours, 0, 0, 0, 0, int(within.sum()), ())

    def alone(self, rate: float) -> dict[str, float]:
        """Share of each keyword missed where it alone has at most ``rate`` false accepts."""
        return {
            label: self.curve.of_label(number).rejects_at(rate)
            for number, label in enumerate(self.labels)
            if self.curve.keywords[:, number].any()
        }

    def confusion(self) -> dict[str, dict[str, int]]:
        """Of each keyword, and of other words, how often it brought which label, or nothing.

        A keyword that was heard counts as heard, whatever else it brought.
        """
        first: dict[int, int] = {}
        for event, word in enumerate(self.matched.words):
            hit = self.matched.kinds[event] == Kind.HIT
            if word != NOWHERE and (hit or int(word) not in first):
                first[int(word)] = int(self.matched.labels[event])
        rows: dict[str, Counter[str]] = {}
        for word, label in enumerate(self.truth.labels):
            name = "(other)" if label < 0 else self.labels[label]
            got = self.labels[first[word]] if word in first else "(nothing)"
            rows.setdefault(name, Counter())[got] += 1
        return {name: dict(row.most_common()) for name, row in sorted(rows.items())}

    def false_accepts(self) -> list[tuple[str, str, int]]:
        """On which word which keyword was heard, and how often; ``(noise)`` is no word."""
        found: Counter[tuple[str, str]] = Counter()
        for event in np.flatnonzero(self.matched.false):
            word = self.matched.words[event]
            said = "(noise)" if word == NOWHERE else self.truth.said[word]
            found[said, self.labels[self.matched.labels[event]]] += 1
        return [(said, label, count) for (said, label), count in found.most_common()]

    def curves(self) -> dict[str, Curve]:
        """The curve of each condition, and of all together where there are several."""
        parts = {
            condition_name(snr): self.curve.of(number)
            for number, snr in enumerate(self.truth.conditions)
        }
        return {"all": self.curve, **parts} if len(parts) > 1 else parts

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "total": self.total().to_dict(),
            "by_ratio": [tally.to_dict() for tally in self.conditions()],
            "by_keyword": [tally.to_dict() for tally in self.keywords()],
            "noise": self.noise().to_dict(),
            "alone": {
                f"{rate:g}": {name: _number(value) for name, value in self.alone(rate).items()}
                for rate in RATES
            },
            "confusion": self.confusion(),
            "false_accepts": [list(item) for item in self.false_accepts()],
            "curves": {
                name: {
                    "false_reject_rate_at": {
                        f"{rate:g}": _number(curve.rejects_at(rate)) for rate in RATES
                    },
                    "area": curve.area(AREA),
                    "shifts": curve.shifts.round(6).tolist(),
                    "false_accepts_per_hour": curve.accept_rates.tolist(),
                    "false_reject_rate": curve.reject_rates.tolist(),
                }
                for name, curve in self.curves().items()
            },
        }

    def lines(self) -> Iterator[str]:
        """The figures as text."""
        yield "at the file's thresholds (FRR: keywords missed; FA: false accepts; latency in s)"
        yield HEAD
        tallies = [self.total(), self.noise(), *self.conditions(), *self.keywords()]
        yield from (tally.row() for tally in tallies)
        yield "keywords missed at so many false accepts an hour, all thresholds moved alike"
        yield f"{'':<10} " + " ".join(f"{rate:7g}" for rate in RATES) + f"  mean over 0..{AREA:g}"
        for name, curve in self.curves().items():
            read = " ".join(f"{curve.rejects_at(rate):7.2%}" for rate in RATES)
            yield f"{name:<10} {read}  {curve.area(AREA):7.2%}"
        single = ", ".join(f"{name} {value:.2%}" for name, value in self.alone(ALONE).items())
        yield f"each keyword alone, missed at {ALONE:g} false accepts an hour of its own: {single}"
        found = self.false_accepts()
        if found:
            some = ", ".join(f"{said} as {label} {count}" for said, label, count in found[:12])
            yield f"false accepts: {some}" + (", ..." if len(found) > 12 else "")

    def _tally(
        self, name: str, words: Any, condition: int | None, label: int | None = None
    ) -> Tally:
        truth, matched = self.truth, self.matched
        said = words & truth.keywords
        events = np.ones(len(matched.times), bool)
        hours = float(truth.hours.sum())
        if condition is not None:
            events = truth.conditions_at(matched.times) == condition
            hours = float(truth.hours[condition])
        on = (matched.words != NOWHERE) & said[matched.words]
        hits = on & (matched.kinds == Kind.HIT)
        false = matched.false & events
        if label is not None:
            false &= matched.labels == label
        return Tally(
            name=name,
            hours=hours,
            said=int(said.sum()),
            missed=int((said & ~matched.heard).sum()),
            substitutions=int((on & (matched.kinds == Kind.SUBSTITUTION)).sum()),
            repeats=int((on & (matched.kinds == Kind.REPEAT)).sum()),
            accepts=int(false.sum()),
            latencies=tuple((matched.times[hits] - truth.ends[matched.words[hits]]).tolist()),
        )


def _shown(value: float, form: str) -> str:
    """A number in seven places; a dash where there is none."""
    return f"{'-' if math.isnan(value) else format(value, form):>7}"


def _number(value: float) -> float | None:
    """``value`` for JSON, which knows no NaN."""
    return None if math.isnan(value) else value


def speech_of(truth: Truth, clips: Sequence[int]) -> dict[str, float]:
    """How much is said in a scene, and how much of it more than once."""
    hours = float(truth.hours.sum())
    keywords = int(truth.keywords.sum())
    return {
        "hours": hours,
        "keywords": keywords,
        "other_words": len(truth.starts) - keywords,
        "other_words_per_hour": (len(truth.starts) - keywords) / hours,
        "words_heard_before": len(clips) - len(set(clips)),
    }
