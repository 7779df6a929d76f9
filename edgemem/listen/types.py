"""What passes between the listening loop and what is attached to it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from edgemem.runtime.rule import DetectorConfig


@dataclass(frozen=True)
class Heard:
    """A keyword that was heard.

    Parameters
    ----------
    time : float
        Seconds since the source began; samples that were dropped count.
    at : float
        The same moment in seconds since 1970 (UTC).
    label : str
    score : float
        Posterior of the label at that moment.
    """

    time: float
    at: float
    label: str
    score: float


@dataclass(frozen=True)
class Moment:
    """One block of sound with all that the loop made of it.

    Parameters
    ----------
    position : int
        Number of the block's first sample, counted from the source's beginning; samples that were
        dropped count.
    samples : (n,) int16 array
    features : (k, n_features) float32 array or None
        Feature vectors that the block completed; None where no sink wants them.
    posteriors : (k, n_labels) float32 array or None
        Posteriors after each of these.
    events : tuple of Heard
    """

    position: int
    samples: npt.NDArray[np.int16]
    features: npt.NDArray[np.float32] | None
    posteriors: npt.NDArray[np.float32] | None
    events: tuple[Heard, ...]


class Sink(Protocol):
    """Where moments go: JSON lines, a command, a broker, a page, a folder of recordings."""

    @property
    def wants_frames(self) -> bool:
        """Whether it looks at ``features`` and ``posteriors``."""

    def take(self, moment: Moment) -> None:
        """Take a moment; what must be waited for is waited for by :class:`~.waiting.Waits`."""

    def close(self, patience: float) -> None:
        """Finish what is under way, within a few seconds and ``patience`` at most."""


class Controls:
    """The decision rule of a running loop, changed from any thread.

    Parameters
    ----------
    config : DetectorConfig
        The rule in force at the start.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self._lock = threading.Lock()
        self._current = config
        self._proposed: DetectorConfig | None = None

    @property
    def current(self) -> DetectorConfig:
        """The rule in force, or the one that will be after the block that is being heard."""
        with self._lock:
            return self._proposed or self._current

    def propose(self, config: DetectorConfig) -> None:
        """Ask for another rule; of several between two blocks the newest counts."""
        with self._lock:
            self._proposed = config

    def take(self) -> DetectorConfig | None:
        """The newest rule that was proposed since the last call, for the loop to adopt."""
        with self._lock:
            if self._proposed is None:
                return None
            self._current, self._proposed = self._proposed, None
            return self._current
