"""Logits to decisions: the class of a clip, and events in a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, ShapeError, check_known
from edgemem.runtime.rule import DetectorConfig

Array = npt.NDArray[np.float64]
S = TypeVar("S", bound=np.generic)


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


MOST_HELD = 1 << 22
"""Posteriors that the windows of all labels may hold."""


def firing(config: DetectorConfig, labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which labels may fire, (n_labels,).

    Raises
    ------
    ConfigError
        If every label is ignored, or the windows hold more posteriors than anybody has memory for.
    UnknownNameError
        If a keyword with a rule of its own is no label.
    """
    check_known("label", config.keywords, set(labels))
    windows = {config.window, *(config.rule(label).window for label in config.keywords)}
    if (max(windows) + len(windows)) * len(labels) > MOST_HELD:
        raise ConfigError(
            f"detector: windows of up to {max(windows)} frames of {len(labels)} labels hold more "
            f"than {MOST_HELD:,} posteriors; take shorter windows"
        )
    ignored = set(config.ignore)
    fires = np.array([label not in ignored for label in labels], bool)
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
        own: Array = self._all().take(self._own)
        return own

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
