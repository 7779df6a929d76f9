"""Logits over hours, and where in them a keyword could fire.

Bit for bit the arithmetic of :class:`edgemem.runtime.detector.Detector`, over whole arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgemem.runtime.detector import softmax

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST = 0.2
"""Posteriors below this are not looked at: no threshold lies there."""

_BLOCK = 65536  # logit vectors that are smoothed at once


@dataclass(frozen=True, eq=False)
class Candidates:
    """Where one label is the largest in its own window, and high enough to count.

    Parameters
    ----------
    frames : (n,) int array
        Rising.
    scores : (n,) array
        Posterior of the label there.
    dips : (n,) array
        Least posterior of the label since the candidate before, both ends left out; infinite where
        nothing lies between. The first one counts from the start.
    """

    frames: Ints
    scores: Array
    dips: Array


def posteriors(logits: npt.NDArray[np.float32], window: int) -> Array:
    """Posteriors of a detector after each logit vector.

    Parameters
    ----------
    logits : (t, n_labels) array
    window : int

    Returns
    -------
    (t - window + 1, n_labels) array
        From the first moment at which the window is full.
    """
    n, n_labels = logits.shape
    out = np.empty((max(0, n - window + 1), n_labels))
    turns = max(1, _BLOCK // window) * window
    before = np.zeros((window, n_labels))
    for first in range(0, n, turns):
        part = logits[first : first + turns]
        rings = np.zeros((-(-len(part) // window), window, n_labels))
        rings.reshape(-1, n_labels)[: len(part)] = part
        means = _sums(rings, before)[: len(part)] / window
        low = max(0, window - 1 - first)  # the first turn is not full before its end
        out[first + low - window + 1 : first + len(part) - window + 1] = softmax(means[low:])
        before = rings[-1]
    return out


def _sums(rings: Array, before: Array) -> Array:
    """The detector's sums: differences are added to a sum that starts anew once a turn."""
    old = np.concatenate([before[None], rings[:-1]])
    steps = np.concatenate([old.sum(axis=1)[:, None], rings - old], axis=1)
    sums = np.cumsum(steps, axis=1)[:, 1:]
    sums[:, -1] = rings.sum(axis=1)
    return np.asarray(sums.reshape(-1, rings.shape[2]))


def candidates(
    logits: npt.NDArray[np.float32],
    windows: Sequence[int],
    fires: Sequence[bool],
    least: float = LEAST,
) -> dict[int, Candidates]:
    """Candidates of every label that may fire.

    Parameters
    ----------
    logits : (t, n_labels) array
    windows : sequence of int
        Of each label.
    fires : sequence of bool
        Whether each label may fire.
    least : float
        Lowest posterior that counts.

    Returns
    -------
    dict of int to Candidates
        By the number of the label.
    """
    found = {}
    for window in sorted(set(windows)):
        values = posteriors(logits, window)
        best = values.argmax(axis=1)
        for label, own in enumerate(windows):
            if own == window and fires[label]:
                at = np.flatnonzero((best == label) & (values[:, label] >= least))
                found[label] = _found(values[:, label], at, window)
    return found


def _found(trace: Array, at: Ints, window: int) -> Candidates:
    scores = trace[at]
    if not len(at):
        return Candidates(at, scores, scores)
    between = trace[: at[-1] + 1].copy()
    between[at] = np.inf
    starts = np.concatenate([[0], at[:-1] + 1])
    return Candidates(at + window - 1, scores, np.minimum.reduceat(between, starts))
