"""False accepts and misses of each keyword over its own threshold, in parts of a scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgemem.evaluate.streaming.curve import HIGHEST, STEP, Clock, log_odds, sweep
from edgemem.evaluate.streaming.firing import Levels
from edgemem.evaluate.streaming.rules import Rule
from edgemem.evaluate.streaming.traces import LEAST, candidates
from edgemem.evaluate.streaming.truth import Truth

Floats = npt.NDArray[np.float64]

FOLDS = 5
"""Parts of a scene of which each is held out once."""

LOWEST = log_odds(LEAST)


@dataclass(frozen=True, eq=False)
class Table:
    """Counts of every keyword, as if it were alone.

    Parameters
    ----------
    odds : (n,) array
        Thresholds in log-odds, rising.
    accepts, misses : (n, n_folds, n_keywords) array
    hours : (n_folds,) array
    said : (n_folds, n_keywords) array
        Keywords that were said.
    """

    odds: Floats
    accepts: Floats
    misses: Floats
    hours: Floats
    said: Floats

    def only(self, folds: npt.NDArray[np.bool_]) -> Table:
        """The counts of some of the folds."""
        return replace(
            self,
            accepts=self.accepts[:, folds],
            misses=self.misses[:, folds],
            hours=self.hours[folds],
            said=self.said[folds],
        )


def table_of(
    logits: npt.NDArray[np.float32],
    truth: Truth,
    rule: Rule,
    clock: Clock,
    window: int,
    tolerance: float,
) -> Table:
    """Counts under a common threshold, from the lowest to the highest that can be.

    How keywords get in each other's way (a refractory time, a substitution) is counted as it is
    when all thresholds are the same.

    Parameters
    ----------
    logits : (t, n_labels) array
    truth : Truth
    rule : Rule
        Releases keep their share of the threshold, refractory times stay.
    clock : Clock
    window : int
        Smoothing window.
    tolerance : float
    """
    n_labels = logits.shape[1]
    found = candidates(logits, [window] * n_labels, rule.fires)
    levels = {
        label: Levels(0.5, 0.5 * level.release / level.threshold, level.quiet)
        for label, level in rule.levels.items()
    }
    odds = np.arange(LOWEST, HIGHEST + STEP / 2, STEP)
    curve = sweep(found, levels, _folded(truth), clock, n_labels, tolerance, odds.tolist())
    keywords = sorted(levels)
    return Table(
        odds,
        curve.accepts[:, :, keywords].astype(np.float64),
        curve.rejects[:, :, keywords].astype(np.float64),
        curve.hours,
        curve.keywords[:, keywords].astype(np.float64),
    )


def _folded(truth: Truth) -> Truth:
    """The same words, with the fold of their stretch in place of its condition."""
    # every fold gets stretches of all hours, since neighbours share nothing
    folds = np.arange(len(truth.borders)) % FOLDS
    return replace(
        truth,
        conditions=tuple(float(fold) for fold in range(FOLDS)),
        word_conditions=folds[truth.stretches_at(truth.starts)],
        stretch_conditions=folds,
        hours=np.bincount(folds, truth.spans, FOLDS).astype(np.float64),
    )
