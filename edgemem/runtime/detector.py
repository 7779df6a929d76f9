"""Logits to decisions: the class of a clip, and events in a stream."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, ShapeError, check_known, refuse_unknown_fields

Array = npt.NDArray[np.float64]
S = TypeVar("S", bound=np.generic)

LONGEST_WINDOW = 1_000_000
"""In logit vectors."""

LONGEST_REST = 1e6
"""Longest refractory time, in seconds."""


class Event(NamedTuple):
    """A keyword that was heard.

    Attributes
    ----------
    time : float
        End of the feature vector that brought it, in seconds from the last reset.
    label : str
    score : float
        Posterior of the label at that moment.
    """

    time: float
    label: str
    score: float


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
        if isinstance(self.ignore, str) or not all(isinstance(name, str) for name in self.ignore):
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


def pooled(logits: npt.ArrayLike, window: int) -> Array:
    """Mean of the last logits of a clip, on which its decision rests.

    Parameters
    ----------
    logits : (..., t, n_labels) array
        One vector for each feature vector of the clip, ``t >= 1``.
    window : int
        Number of newest vectors that are averaged; all where there are fewer.

    Returns
    -------
    (..., n_labels) array
    """
    last = np.asarray(logits, np.float64)[..., -window:, :]
    if last.ndim < 2 or not last.shape[-2]:
        raise ShapeError(f"logits of shape {last.shape}; expected (..., t, n_labels), t >= 1")
    return np.asarray(last.mean(axis=-2))


def decide(logits: npt.ArrayLike, window: int) -> npt.NDArray[np.intp]:
    """Class of a clip: the largest of its :func:`pooled` logits.

    Returns
    -------
    (...) int array
        ``argmax_k mean_t logits[..., -window:, k]``.
    """
    return np.asarray(pooled(logits, window).argmax(axis=-1))


def softmax(logits: Array) -> Array:
    """``exp(l_k) / sum_j exp(l_j)`` over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def frames_in(seconds: float, frame_period: float) -> int:
    """Least number of frame periods that last ``seconds``.

    A quotient that is a whole number but for rounding counts as that number: 0.5 s are 25 periods
    of 0.02 s on every machine.
    """
    return math.ceil(round(seconds / frame_period, 6))


def firing(config: DetectorConfig, labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which labels may fire, (n_labels,).

    Raises
    ------
    ConfigError
        If every label is ignored.
    UnknownNameError
        If a keyword with a rule of its own is no label.
    """
    check_known("label", config.keywords, labels)
    fires = np.array([label not in config.ignore for label in labels], bool)
    if not fires.any():
        raise ConfigError(f"detector: every label is ignored: {', '.join(labels)}")
    return fires


def latest(ring: npt.NDArray[S], count: int, filled: int, size: int) -> npt.NDArray[S]:
    """A ring of ``size`` vectors that holds the newest of another one.

    Parameters
    ----------
    ring : (n, n_labels) array
        Vector number *i*, from 0, stands in row ``i % n``; rows never filled are 0.
    count : int
        Number of vectors so far.
    filled : int
        How many of them the ring holds.
    size : int

    Returns
    -------
    (size, n_labels) array
    """
    numbers = np.arange(count - min(filled, size), count)
    moved = np.zeros((size, ring.shape[1]), ring.dtype)
    moved[numbers % size] = ring[numbers % len(ring)]
    return moved


class Detector:
    """Smoothing, threshold, hysteresis and refractory time over a stream of logits.

    Parameters
    ----------
    config : DetectorConfig
    labels : sequence of str
        Name of each logit.
    frame_period : float
        Time between two logit vectors, in seconds.
    lead : float
        Time by which the first one comes later than that, in seconds (``FrontEnd.lead``).

    Raises
    ------
    ConfigError
        If every label is ignored.
    UnknownNameError
        If a keyword with a rule of its own is no label.
    """

    def __init__(
        self,
        config: DetectorConfig,
        labels: Sequence[str],
        frame_period: float,
        lead: float = 0.0,
    ) -> None:
        self.labels = tuple(labels)
        self.frame_period = frame_period
        self.lead = lead
        self._take(config)
        self.reset()

    def _take(self, config: DetectorConfig) -> None:
        self._fires = firing(config, self.labels)
        self.config = config
        rules = [config.rule(label) for label in self.labels]
        self._windows = sorted({rule.window for rule in rules})
        self._average = [self._windows.index(rule.window) for rule in rules]
        self._own = np.arange(len(rules)) + len(rules) * np.array(self._average)
        self._threshold = [rule.threshold for rule in rules]
        self._release = np.array([rule.release for rule in rules])
        self._quiet = [frames_in(rule.refractory, self.frame_period) for rule in rules]

    def reset(self) -> None:
        """Forget every logit and event so far; time starts at zero."""
        n_labels = len(self.labels)
        self._ring: Array = np.zeros((self._windows[-1], n_labels))
        self._sums: Array = np.zeros((len(self._windows), n_labels))
        self._count = 0
        self._fill(0)
        self._armed = self._fires.copy()
        self._last = -math.inf

    def adopt(self, config: DetectorConfig) -> None:
        """Go on with another rule: time, logits and labels that have fired stay as they are.

        A longer window fills with logits to come.

        Raises
        ------
        ConfigError, UnknownNameError
            As the class; the old rule then still holds.
        """
        fired = self._fires & ~self._armed
        self._take(config)
        size = self._windows[-1]
        self._ring = latest(self._ring, self._count, self._filled, size)
        self._fill(min(self._filled, size))
        self._add_up()
        self._armed = self._fires & ~fired

    @property
    def posteriors(self) -> Array:
        """Each label's in the softmax of the mean of the newest logits, over its own window.

        Shape (n_labels,): uniform before the first.
        """
        return self._all().take(self._own)

    def _all(self) -> Array:
        """Posteriors over every window, (n_windows, n_labels)."""
        return softmax(self._sums / self._counts)

    def push(self, logits: npt.NDArray[np.floating[Any]]) -> Event | None:
        """Take the logits of one feature vector.

        Parameters
        ----------
        logits : (n_labels,) array

        Returns
        -------
        Event or None

        Raises
        ------
        ShapeError
            If there is not one logit for each label.
        """
        if logits.shape != self._armed.shape:
            raise ShapeError(f"logits of shape {logits.shape}; expected ({len(self.labels)},)")
        self._smooth(logits)
        over = self._all()
        posteriors = over.take(self._own)
        self._armed |= self._fires & (posteriors < self._release)
        label = self._best(over.argmax(axis=-1), posteriors)
        if label is None:
            return None
        self._armed[label] = False
        self._last = self._count
        time = self.lead + self._count * self.frame_period
        return Event(time, self.labels[label], float(posteriors[label]))

    def _best(self, leading: npt.NDArray[np.intp], posteriors: Array) -> int | None:
        """The label that fires, if one does: the surest of those that lead over their windows."""
        best = None
        for place, first in enumerate(leading):
            label = int(first)
            if (
                self._average[label] == place
                and self._armed[label]
                and posteriors[label] >= self._threshold[label]
                # a mean of few logits is sure of anything
                and self._filled >= self._windows[place]
                and self._count - self._last >= self._quiet[label]
                and (best is None or (posteriors[label], -label) > (posteriors[best], -best))
            ):
                best = label
        return best

    def _smooth(self, logits: npt.NDArray[np.floating[Any]]) -> None:
        size = len(self._ring)
        slot = self._count % size
        for total, window in zip(self._sums, self._windows):
            total += logits - self._ring[(self._count - window) % size]
        self._ring[slot] = logits
        self._count += 1
        if self._filled < size:
            self._fill(self._filled + 1)
        if slot == size - 1:
            # Once a turn the sums start anew, so that rounding cannot pile up over days.
            self._add_up()

    def _fill(self, filled: int) -> None:
        """So many logit vectors are in the ring: how many a mean over each window is made of."""
        self._filled = filled
        self._counts = np.array([[max(1, min(filled, window))] for window in self._windows])

    def _add_up(self) -> None:
        size = len(self._ring)
        sums = []
        for window in self._windows:
            numbers = np.arange(self._count - window, self._count)
            sums.append(self._ring[np.sort(numbers % size)].sum(axis=0))
        self._sums = np.array(sums)
