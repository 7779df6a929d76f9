"""The events of a detector under any thresholds, from its candidates alone.

Exactly what :class:`edgemem.runtime.detector.Detector` gives, without a step for every vector.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgemem.evaluate.streaming.traces import Candidates


@dataclass(frozen=True)
class Levels:
    """What decides about one label.

    Parameters
    ----------
    threshold, release : float
    quiet : int
        Least number of vectors since the last event of any label.
    """

    threshold: float
    release: float
    quiet: int


@dataclass(frozen=True, eq=False)
class Fired:
    """Events.

    Parameters
    ----------
    frames : (n,) int array
        Number of the feature vector that brought each event, from 0; rising.
    labels : (n,) int array
    scores : (n,) array
    """

    frames: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class _Run:
    """Consecutive candidates of one label above its threshold."""

    label: int
    last: int
    first: int
    scores: npt.NDArray[np.float64]
    rearmed: bool


_Waiting = tuple[int, float, int, int]


def fire(found: Mapping[int, Candidates], levels: Mapping[int, Levels]) -> Fired:
    """Events of a detector.

    Within consecutive candidates of a label its posterior never falls below its release, so such a
    run brings at most one event, at its first vector that is not refractory; whether the label is
    armed again, the least posterior between two runs tells.

    Parameters
    ----------
    found : mapping of int to Candidates
        Of each label.
    levels : mapping of int to Levels
        Thresholds no lower than the least posterior of the candidates.
    """
    runs: list[_Run] = []
    for label, candidates in found.items():
        runs += _runs(label, candidates, levels[label])
    waiting: list[_Waiting] = [
        (run.first, -float(run.scores[0]), run.label, number) for number, run in enumerate(runs)
    ]
    heapq.heapify(waiting)
    armed = dict.fromkeys(found, True)
    seen: set[int] = set()
    last: int | None = None
    events: list[tuple[int, int, float]] = []
    while waiting:
        frame, score, label, number = heapq.heappop(waiting)
        run = runs[number]
        if number not in seen:
            seen.add(number)
            armed[label] |= run.rearmed
        if not armed[label]:
            continue
        ready = frame if last is None else max(frame, last + max(1, levels[label].quiet))
        if ready > frame:
            if ready <= run.last:
                later = (ready, -float(run.scores[ready - run.first]), label, number)
                heapq.heappush(waiting, later)
            continue
        armed[label] = False
        last = frame
        events.append((frame, label, -score))
    frames, labels, scores = zip(*events) if events else ((), (), ())
    return Fired(np.array(frames, np.int64), np.array(labels, np.int64), np.array(scores))


def _runs(label: int, found: Candidates, level: Levels) -> Sequence[_Run]:
    kept = np.flatnonzero(found.scores >= level.threshold)
    if not len(kept):
        return []
    # what was dropped counts towards the dip before the next one that is kept
    lows = np.minimum(found.dips, found.scores)
    starts = np.concatenate([[0], kept[:-1] + 1])
    rearmed = np.minimum.reduceat(lows[: kept[-1] + 1], starts) < level.release
    frames = found.frames[kept]
    borders = np.flatnonzero(np.diff(frames) != 1) + 1
    first = np.concatenate([[0], borders])
    last = np.concatenate([borders, [len(kept)]])
    scores = found.scores[kept]
    return [
        _Run(label, int(frames[b - 1]), int(frames[a]), scores[a:b], bool(rearmed[a]))
        for a, b in zip(first, last)
    ]
