"""Other words that a network takes for keywords: those that a training should hear more often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.ir import Graph
from edgemem.runtime.detector import pooled, softmax
from edgemem.train.batches import Batches

SHARE = 0.1
"""Part of the other words that counts as hard."""

_AT_ONCE = 500


def hardest(graph: Graph, batches: Batches) -> npt.NDArray[np.int64]:
    """Positions of the training clips of other words that are most like keywords to a network.

    Shrivastava et al. 2016 call it hard example mining; here it is done once, before a training.

    Parameters
    ----------
    graph : Graph
        One step of the network.
    batches : Batches
        Of the training. Its data need not know other words; then there are none.

    Returns
    -------
    (n,) int64 array
        The tenth of them with the highest posterior of a keyword, the highest first.
    """
    data = batches.data
    if UNKNOWN not in data.labels:
        return np.zeros(0, np.int64)
    keyword = [label not in (SILENCE, UNKNOWN) for label in data.labels]
    others = np.flatnonzero(data.train.labels == data.labels.index(UNKNOWN))
    best = np.zeros(len(others))
    for start in range(0, len(others), _AT_ONCE):
        chosen = others[start : start + _AT_ONCE]
        frames = data.train.features[chosen].astype(np.float32)
        logits, _ = graph.scan(batches.frontend.stack_frames(frames).astype(np.float64))
        posteriors = softmax(pooled(logits, batches.window))
        best[start : start + _AT_ONCE] = posteriors[:, keyword].max(axis=1)
    order = np.argsort(-best, kind="stable")
    found: npt.NDArray[np.int64] = others[order[: round(SHARE * len(others))]]
    return found
