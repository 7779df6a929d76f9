"""When a keyword counts as heard: one rule for all of them, and what single ones have otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from edgemem.errors import ConfigError, refuse_unknown_fields

LONGEST_WINDOW = 1 << 16
"""In logit vectors."""

LONGEST_REST = 1e6
"""Longest refractory time, in seconds."""


@dataclass(frozen=True)
class KeywordRule:
    """What of a rule is a keyword's own; ``None`` leaves the common value.

    Parameters
    ----------
    window, threshold, release, refractory
        As for :class:`DetectorConfig`. A threshold alone lowers the common release to itself where
        it lies above.
    """

    window: int | None = None
    threshold: float | None = None
    release: float | None = None
    refractory: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """What is its own, as JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Rule(NamedTuple):
    """The values that hold for one label; see :class:`DetectorConfig`."""

    window: int
    threshold: float
    release: float
    refractory: float


@dataclass(frozen=True)
class DetectorConfig:
    """How logits become events.

    A label fires when, among the posteriors over its own window, its own is the largest and
    reaches its threshold, unless it has fired and not fallen below its release since, or its
    refractory time since the last event, whichever that was, is not over. Of several labels that
    could fire at once the one with the highest posterior does.

    Parameters
    ----------
    window : int
        Number of newest logit vectors that are averaged; nothing fires before there are as many.
    threshold : float
        An event needs a posterior of at least this much, in (0, 1].
    release : float
        A label that has fired fires again only after its posterior fell below this level,
        at most ``threshold`` (hysteresis).
    refractory : float
        Least time between two events, in seconds.
    ignore : tuple of str
        Labels that never fire.
    keywords : mapping of str to KeywordRule
        What holds for single labels instead; a mapping of fields will do for a rule.

    Raises
    ------
    ConfigError
        If a value cannot work.
    """

    window: int = 58
    threshold: float = 0.8
    release: float = 0.5
    refractory: float = 0.5
    ignore: tuple[str, ...] = ("_silence_", "_unknown_")
    keywords: Mapping[str, KeywordRule] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        common = _checked("detector", self.window, self.threshold, self.release, self.refractory)
        for name, value in common._asdict().items():
            object.__setattr__(self, name, value)
        listed = isinstance(self.ignore, (list, tuple))
        if not listed or not all(isinstance(name, str) for name in self.ignore):
            raise ConfigError(f"detector: ignore is {self.ignore!r}; it must be a list of labels")
        object.__setattr__(self, "ignore", tuple(self.ignore))
        if not isinstance(self.keywords, Mapping):
            raise ConfigError(
                f"detector: keywords is {self.keywords!r}; it must map labels to rules"
            )
        own = {label: _keyword(label, rule) for label, rule in self.keywords.items()}
        object.__setattr__(self, "keywords", own)
        for label in own:
            self.rule(label)

    def rule(self, label: str) -> Rule:
        """The values that hold for ``label``."""
        own = self.keywords.get(label, KeywordRule())
        threshold = self.threshold if own.threshold is None else own.threshold
        release = own.release
        if release is None:
            release = self.release
            if own.threshold is not None and _is_number(own.threshold):
                release = min(release, own.threshold)
        return _checked(
            f"detector: keyword {label!r}" if label in self.keywords else "detector",
            self.window if own.window is None else own.window,
            threshold,
            release,
            self.refractory if own.refractory is None else own.refractory,
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values; ``keywords`` only where there are some."""
        values: dict[str, Any] = {
            "window": self.window,
            "threshold": self.threshold,
            "release": self.release,
            "refractory": self.refractory,
            "ignore": list(self.ignore),
        }
        if self.keywords:
            values["keywords"] = {label: rule.to_dict() for label, rule in self.keywords.items()}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DetectorConfig:
        """The configuration that :meth:`to_dict` described.

        Raises
        ------
        ConfigError
            If a field is unknown or has a value that cannot work.
        """
        refuse_unknown_fields("detector", values, [field.name for field in fields(cls)])
        return cls(**values)


def _keyword(label: str, rule: KeywordRule | Mapping[str, Any]) -> KeywordRule:
    if isinstance(rule, KeywordRule):
        return rule
    if not isinstance(rule, Mapping):
        raise ConfigError(
            f"detector: keyword {label!r} is {rule!r}; it must have fields such as threshold"
        )
    known = [field.name for field in fields(KeywordRule)]
    refuse_unknown_fields(f"detector: keyword {label!r}", rule, known)
    return KeywordRule(**rule)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _real(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf


def _checked(where: str, window: Any, threshold: Any, release: Any, refractory: Any) -> Rule:
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        raise ConfigError(
            f"{where}: window is {window!r}; it must be a whole number of frames, 1 or more"
        )
    if window > LONGEST_WINDOW:
        raise ConfigError(
            f"{where}: window is more than {LONGEST_WINDOW:,} frames; no memory holds so many"
        )
    given = {"threshold": threshold, "release": release, "refractory": refractory}
    for name, value in given.items():
        if not _is_number(value):
            raise ConfigError(f"{where}: {name} is {value!r}; it must be a number")
    rule = Rule(window, _real(threshold), _real(release), _real(refractory))
    if not 0.0 < rule.threshold <= 1.0:
        raise ConfigError(f"{where}: threshold is {rule.threshold}; it must lie in (0, 1]")
    if not 0.0 <= rule.release <= rule.threshold:
        raise ConfigError(
            f"{where}: release is {rule.release}; it must lie between 0 and the threshold, "
            f"{rule.threshold}"
        )
    if not 0.0 <= rule.refractory <= LONGEST_REST:
        raise ConfigError(
            f"{where}: refractory is {rule.refractory}; it must be 0 seconds or more, "
            f"at most {LONGEST_REST:,.0f}"
        )
    return rule
