"""A simulated execution on clips: its accuracy beside the trained network's, and its cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Activity, Counts, Execution
from edgemem.errors import DataError
from edgemem.runtime.detector import decide
from edgemem.verification import distance

Features = NDArray[np.float32]

CHUNK = 256
"""So many clips are simulated side by side."""


class Simulates(Protocol):
    """What :func:`measure` needs of a machine; :class:`edgemem.energy.Simulated` has it."""

    def simulate(self, x: Features, probes: Sequence[str] = ()) -> Execution: ...


@dataclass(frozen=True)
class Clips:
    """Features that a simulation hears.

    Parameters
    ----------
    features : (n, t, n_in) float32 array
    labels : (n,) int array
        Positions in the network's labels; empty where none are known.
    about : str
        Where they come from.
    """

    features: Features
    labels: NDArray[np.int64]
    about: str

    def __post_init__(self) -> None:
        if not self.features.size:
            raise DataError(f"{self.about}: no clip to run; name recordings with --data")

    @property
    def labelled(self) -> bool:
        """Whether every clip has its label."""
        return len(self.labels) == len(self.features)


@dataclass(frozen=True)
class Point:
    """One execution of all clips.

    Parameters
    ----------
    name : str
        The form, or the setting that a sweep varies.
    clips : int
    accuracy, accuracy_trained : float or None
        Share of clips that are decided as labelled, here and by the trained network.
    agreement, distance : float or None
        Share of clips decided as the trained network does; RMS of the logits' error over theirs.
    counts : Counts
        Over all clips.
    populations : tuple of Activity
        Over all clips.
    """

    name: str
    clips: int
    accuracy: float | None
    accuracy_trained: float | None
    agreement: float | None
    distance: float | None
    counts: Counts
    populations: tuple[Activity, ...]

    def per_clip(self) -> dict[str, float]:
        """Every count of one inference, the mean over clips."""
        return {name: count / self.clips for name, count in self.counts.to_dict().items()}

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "name": self.name,
            "clips": self.clips,
            "accuracy": self.accuracy,
            "accuracy_trained": self.accuracy_trained,
            "agreement": self.agreement,
            "distance": self.distance,
            "per_clip": self.per_clip(),
            "per_frame": self.counts.per_frame(),
            "populations": [population.to_dict() for population in self.populations],
        }


def measure(
    machine: Simulates,
    clips: Clips,
    window: int | None,
    trained: Features | None = None,
    name: str = "",
    parts: Iterable[Features] | None = None,
) -> Point:
    """Run every clip and say what came out and what it took.

    Parameters
    ----------
    machine : Simulates
    clips : Clips
    window : int or None
        Frames at the end of a clip whose logits decide (:func:`edgemem.runtime.detector.decide`);
        None where the outputs are values and nothing is decided.
    trained : (n, t, n_out) array, optional
        Logits of the trained network.
    name : str
    parts : iterable of array, optional
        The clips' features in the portions in which they are run (:func:`portions`), so that a
        caller can show how far it is.
    """
    runs = [machine.simulate(x) for x in (parts or portions(clips))]
    logits = np.concatenate([run.outputs for run in runs])
    decisions = None if window is None else decide(logits, window)
    wanted = None if window is None or trained is None else decide(trained, window)
    return Point(
        name=name,
        clips=len(logits),
        accuracy=_share(decisions, clips),
        accuracy_trained=_share(wanted, clips),
        agreement=None if wanted is None else float(np.mean(decisions == wanted)),
        distance=None if trained is None else distance(logits, trained),
        counts=reduce(Counts.__add__, (run.counts for run in runs)),
        populations=tuple(map(_together, zip(*(run.populations for run in runs)))),
    )


def portions(clips: Clips) -> list[Features]:
    """The features in portions of at most :data:`CHUNK` clips."""
    return [clips.features[i : i + CHUNK] for i in range(0, len(clips.features), CHUNK)]


def _share(decisions: NDArray[Any] | None, clips: Clips) -> float | None:
    if decisions is None or not clips.labelled:
        return None
    return float(np.mean(decisions == clips.labels))


def _together(parts: Sequence[Activity]) -> Activity:
    return replace(
        parts[0],
        sent=np.sum([part.sent for part in parts], axis=0),
        chances=sum(part.chances for part in parts),
        seconds=sum(part.seconds for part in parts),
    )
