"""Assignments of widths that were tried, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgemem.errors import ConfigError, ToleranceError

Widths = Mapping[str, int]

CHOICES = (8, 4, 2)
"""Bits that a matrix may have."""


@dataclass(frozen=True)
class Measure:
    """One assignment on the clips.

    Parameters
    ----------
    size : int
        Bytes of the parameters.
    lost, gained : int
        Clips that floats alone, and that integers alone, decide correctly.
    agreement : float
        Share of clips that both decide alike.
    distance : float
        Mean over the clips of ``sum_k p_k log(p_k / q_k)``, floats' posteriors against integers':
        the cross-entropy of the two less the entropy of the floats.
    """

    size: int
    lost: int
    gained: int
    agreement: float
    distance: float

    @property
    def balance(self) -> int:
        """Clips lost less clips gained."""
        return self.lost - self.gained

    @property
    def score(self) -> float:
        """Clips lost on balance, and among equals the distance."""
        return self.balance + self.distance / (1.0 + self.distance)


@dataclass(frozen=True)
class Trial:
    """An assignment that was tried."""

    widths: Widths
    measure: Measure

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {"layers": dict(self.widths), **asdict(self.measure)}


@dataclass(frozen=True)
class Limits:
    """What an assignment must keep.

    Parameters
    ----------
    budget : int, optional
        Most bytes.
    drop : float, optional
        Most points (hundredths) of accuracy that may be lost against floats.
    """

    budget: int | None = None
    drop: float | None = None

    def __post_init__(self) -> None:
        if self.budget is None and self.drop is None:
            raise ConfigError("a search needs a budget in bytes or a greatest drop in points")
        if self.drop is not None and not 0.0 <= self.drop <= 100.0:
            raise ConfigError(f"a drop of {self.drop} points; expected 0 to 100")

    def excess(self, measure: Measure, clips: int) -> dict[str, float]:
        """By how much each limit is passed; 0 or less where it is kept."""
        found = {}
        if self.budget is not None:
            found["size"] = float(measure.size - self.budget)
        if self.drop is not None:
            found["drop"] = drop_of(measure, clips) - self.drop
        return found


@dataclass(frozen=True)
class Found:
    """The end of a search.

    Parameters
    ----------
    best : Trial
    trials : tuple of Trial
        All that was tried, in order.
    clips, correct : int
        Number of clips, and of those that floats decide correctly.
    """

    best: Trial
    trials: tuple[Trial, ...]
    clips: int
    correct: int

    def accuracy(self, trial: Trial) -> float:
        """Share of the clips that the integers decide correctly."""
        return (self.correct - trial.measure.balance) / self.clips

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values; ``layers`` are the best widths."""
        best = self.best.measure
        return {
            **self.best.to_dict(),
            "accuracy": self.accuracy(self.best),
            "accuracy_float": self.correct / self.clips,
            "drop": drop_of(best, self.clips),
            "drop_interval": list(drop_interval(best, self.clips)),
            "clips": self.clips,
            "front": [trial.to_dict() for trial in front(self.trials)],
            "trials": [trial.to_dict() for trial in self.trials],
        }


def drop_of(measure: Measure, clips: int) -> float:
    """Accuracy lost against floats, in points."""
    return 100.0 * measure.balance / clips


def drop_interval(measure: Measure, clips: int) -> tuple[float, float]:
    """95 % interval of the drop in points, were the clips drawn anew.

    Agresti and Min 2005, "Simple improved confidence intervals for comparing matched
    proportions": half a clip more of each of the four kinds, then Wald's interval.
    """
    n, lost, gained = clips + 2.0, measure.lost + 0.5, measure.gained + 0.5
    middle = (lost - gained) / n
    spread = 1.96 * math.sqrt(((lost + gained) / n - middle**2) / n)
    return 100.0 * (middle - spread), 100.0 * (middle + spread)


def front(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials that no other one beats in both size and score, smallest first."""
    kept: list[Trial] = []
    for trial in sorted(trials, key=lambda t: (t.measure.size, t.measure.score)):
        if not kept or trial.measure.score < kept[-1].measure.score:
            kept.append(trial)
    return tuple(kept)


def choose(trials: Sequence[Trial], limits: Limits, clips: int) -> Trial:
    """The best of ``trials`` within ``limits``.

    Raises
    ------
    ToleranceError
        If there is none; the message says what came closest.
    """
    budget = limits.budget
    fitting = [t for t in trials if budget is None or t.measure.size <= budget]
    within = "" if budget is None else f" within {budget:,} bytes"
    more = "go on with more --trials and --resume"
    if not fitting:
        least = min(t.measure.size for t in trials)
        raise ToleranceError(
            f"none of {len(trials)} trials is{within}: the smallest has {least:,}; {more}"
        )
    kept = [t for t in fitting if limits.excess(t.measure, clips).get("drop", 0.0) <= 1e-9]
    if not kept:
        best = min(fitting, key=_by_score).measure
        raise ToleranceError(
            f"none of {len(trials)} trials{within} loses {limits.drop:g} points of accuracy or "
            f"less on {clips} clips: the best found has {best.size:,} bytes and loses "
            f"{drop_of(best, clips):.2f}; allow more, train in these widths, or {more}"
        )
    if budget is None:
        return min(kept, key=lambda t: (t.measure.size, t.measure.score))
    return leading(kept)[0]


def leading(trials: Sequence[Trial]) -> list[Trial]:
    """Those that are not surely worse than the best, the one of least distance first.

    The best one's clips lost on balance are uncertain by ``sqrt(lost + gained)``: what lies within
    that is held equal (the one-standard-error rule of Breiman et al. 1984, "Classification and
    Regression Trees", sec. 3.4.3). The distance is far less a matter of chance than they are.
    """
    best = min(trials, key=_by_score).measure
    most = best.balance + math.sqrt(best.lost + best.gained)
    equal = [trial for trial in trials if trial.measure.balance <= most]
    return sorted(equal, key=lambda t: (t.measure.distance, t.measure.size))


def _by_score(trial: Trial) -> tuple[float, int]:
    return trial.measure.score, trial.measure.size
