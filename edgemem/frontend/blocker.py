"""The DC blocker: what is constant under the sound goes, before frames are cut.

    y_n = x_n - x_(n-1) + pole y_(n-1)

is computed as ``y_n = x_n - m_n`` with a mean of the samples before, ``m_(n+1) = pole m_n +
(1 - pole) x_n``: the mean never leaves the range of the samples, so that nothing overflows or
drifts. Before the first sample stands the first sample itself: ``y_0`` is 0, and sound that begins
at a level does not begin with a click.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]

POLE = 0.995
"""Of networks that are trained on recordings: 3 dB less at 13 Hz (16 kHz), 0.2 dB at 60 Hz."""

LEAST_POLE, GREATEST_POLE = 0.5, 0.9999

MEAN_BITS = 14
"""Fraction bits of the mean and of the samples above it: with 16 bits before them they fit 32."""

SHARE_BITS = 20
"""Fraction bits of the share of a sample in the mean."""

_BLOCK = 32
_WEIGHT_BITS = 36


class Blocker(Protocol):
    """Takes the constant out of a stream, block by block."""

    def reset(self) -> None:
        """Forget every sample so far."""

    def __call__(self, samples: Samples) -> npt.NDArray[Any]:
        """The next samples without what is constant in them, as many as there were."""


class FloatBlocker:
    """The blocker in float64; samples and results have the steps of 16 bits.

    The mean runs from block to block of 32 samples, whose places count from the first sample, and
    within them along fixed weights: however the sound is cut, the same numbers come out. A weight
    has 36 fraction bits, so that their sums with samples are exact, whatever their order.

    Parameters
    ----------
    pole : float
    """

    def __init__(self, pole: float) -> None:
        # m_(b + j) = pole^j m_b + sum_(i < j) (1 - pole) pole^(j - 1 - i) x_(b + i)
        lags = np.arange(_BLOCK + 1)[None, :] - 1 - np.arange(_BLOCK)[:, None]
        weights = np.where(lags >= 0, (1.0 - pole) * pole ** np.maximum(lags, 0), 0.0)
        self._weights = np.rint(weights * 2.0**_WEIGHT_BITS) * 2.0**-_WEIGHT_BITS
        self._decays = pole ** np.arange(_BLOCK)
        self._decay = float(pole**_BLOCK)
        self.reset()

    def reset(self) -> None:
        self._begun: Samples = np.zeros(0, np.int16)
        self._mean: float | None = None

    def __call__(self, samples: Samples) -> Floats:
        if not len(samples):
            return np.zeros(0)
        known, held = len(self._begun), np.concatenate([self._begun, samples])
        mean = float(held[0]) if self._mean is None else self._mean
        blocks = np.zeros((-(-len(held) // _BLOCK), _BLOCK))
        blocks.reshape(-1)[: len(held)] = held
        grown = blocks @ self._weights
        means = [mean]
        for end in grown[:, -1].tolist():
            mean = self._decay * mean + end
            means.append(mean)
        whole = len(held) // _BLOCK
        self._begun, self._mean = held[whole * _BLOCK :].copy(), means[whole]
        above = blocks - (grown[:, :-1] + self._decays * np.array(means[:-1])[:, None])
        return np.asarray(above.reshape(-1)[known : len(held)], np.float64)


class IntegerBlocker:
    """The blocker in integers: results have :data:`MEAN_BITS` fraction bits.

        y_n = 2^14 x_n - m_n;  m_(n+1) = m_n + round(share y_n / 2^20)

    Parameters
    ----------
    pole : float
    """

    def __init__(self, pole: float) -> None:
        self._share = share_of(pole)
        self.reset()

    def reset(self) -> None:
        self._mean: int | None = None

    def __call__(self, samples: Samples) -> npt.NDArray[np.int32]:
        if not len(samples):
            return np.zeros(0, np.int32)
        share, half = self._share, 1 << (SHARE_BITS - 1)
        scaled = samples.astype(np.int32) << MEAN_BITS
        mean = int(scaled[0]) if self._mean is None else self._mean
        means = list(
            accumulate(
                scaled.tolist(),
                lambda m, x: m + (((x - m) * share + half) >> SHARE_BITS),
                initial=mean,
            )
        )
        self._mean = means.pop()
        return np.asarray(scaled - np.array(means, np.int32), np.int32)


def share_of(pole: float) -> int:
    """``1 - pole`` in steps of 2^-20."""
    return round((1.0 - pole) * 2.0**SHARE_BITS)
