"""Logits to decisions: the class of a clip, and events in a stream."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError, ShapeError, refuse_unknown_fields

Array = npt.NDArray[np.float64]


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
class DetectorConfig:
    """How logits become events.

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

    def __post_init__(self) -> None:
        if isinstance(self.window, bool) or not isinstance(self.window, int) or self.window < 1:
            raise ConfigError(
                f"detector: window is {self.window!r}; it must be a whole number of frames, "
                "1 or more"
            )
        for name in ("threshold", "release", "refractory"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConfigError(f"detector: {name} is {value!r}; it must be a number")
            object.__setattr__(self, name, float(value))
        if not 0.0 < self.threshold <= 1.0:
            raise ConfigError(f"detector: threshold is {self.threshold}; it must lie in (0, 1]")
        if not 0.0 <= self.release <= self.threshold:
            raise ConfigError(
                f"detector: release is {self.release}; it must lie between 0 and the threshold, "
                f"{self.threshold}"
            )
        if not 0.0 <= self.refractory < math.inf:
            raise ConfigError(
                f"detector: refractory is {self.refractory}; it must be 0 seconds or more"
            )
        if isinstance(self.ignore, str) or not all(isinstance(name, str) for name in self.ignore):
            raise ConfigError(f"detector: ignore is {self.ignore!r}; it must be a list of labels")
        object.__setattr__(self, "ignore", tuple(self.ignore))

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return {**asdict(self), "ignore": list(self.ignore)}

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
    """

    def __init__(
        self,
        config: DetectorConfig,
        labels: Sequence[str],
        frame_period: float,
        lead: float = 0.0,
    ) -> None:
        self.config = config
        self.labels = tuple(labels)
        self.frame_period = frame_period
        self.lead = lead
        self._quiet = frames_in(config.refractory, frame_period)
        self._fires = np.array([label not in config.ignore for label in self.labels], bool)
        if not self._fires.any():
            raise ConfigError(f"detector: every label is ignored: {', '.join(self.labels)}")
        self.reset()

    def reset(self) -> None:
        """Forget every logit and event so far; time starts at zero."""
        n_labels = len(self.labels)
        self._ring: Array = np.zeros((self.config.window, n_labels))
        self._sum: Array = np.zeros(n_labels)
        self._count = 0
        self._armed = self._fires.copy()
        self._ready = 0

    @property
    def posteriors(self) -> Array:
        """Softmax of the mean of the newest logits, (n_labels,): uniform before the first."""
        return softmax(self._sum / max(1, min(self._count, self.config.window)))

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
        if logits.shape != self._sum.shape:
            raise ShapeError(f"logits of shape {logits.shape}; expected ({len(self.labels)},)")
        self._smooth(logits)
        posteriors = self.posteriors
        self._armed |= self._fires & (posteriors < self.config.release)
        if self._count < self.config.window:  # a mean of few logits is sure of anything
            return None
        best = int(posteriors.argmax())
        score = float(posteriors[best])
        if score < self.config.threshold or not self._armed[best] or self._count < self._ready:
            return None
        self._armed[best] = False
        self._ready = self._count + self._quiet
        time = self.lead + self._count * self.frame_period
        return Event(time, self.labels[best], score)

    def _smooth(self, logits: npt.NDArray[np.floating[Any]]) -> None:
        slot = self._count % self.config.window
        self._sum += logits - self._ring[slot]
        self._ring[slot] = logits
        self._count += 1
        if slot == self.config.window - 1:
            # Once a turn the sum starts anew, so that rounding cannot pile up over days.
            self._ring.sum(axis=0, out=self._sum)
