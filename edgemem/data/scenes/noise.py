"""Background noise without end: the share of a recording that a split may use, closed to a ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgemem.data.background import Recording, shares
from edgemem.data.scenes.schedule import GRID

FADE = 320
"""Samples over which the end of a recording goes over into its start."""

_QUIETEST = 0.1


@dataclass(frozen=True, eq=False)
class Ring:
    """A recording of background noise that goes on for ever.

    Parameters
    ----------
    name : str
    samples : (n,) float32 array
        One turn, in units of int16; a whole multiple of the grid.
    power : (n / grid,) array
        Mean square of each piece of the grid, full scale being 1.
    """

    name: str
    samples: npt.NDArray[np.float32]
    power: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, first: int, count: int) -> npt.NDArray[np.float32]:
        """``count`` samples from sample ``first`` on."""
        return np.asarray(self.samples[(first + np.arange(count)) % len(self.samples)])

    def mean_square(self, first: int, count: int) -> float:
        """Mean square of ``count`` samples from ``first`` on, full scale being 1.

        At least a tenth of the whole ring's, so that a pause in the noise is not blown up.
        """
        pieces = first // GRID + np.arange(max(1, count // GRID))
        power = float(self.power[pieces % len(self.power)].mean())
        return max(power, _QUIETEST * float(self.power.mean()), 1e-12)


def ring_of(name: str, samples: npt.NDArray[np.int16]) -> Ring:
    """Close samples to a ring: their end fades into their start."""
    turn = (len(samples) - FADE) // GRID * GRID
    values = samples.astype(np.float32)
    rise = ((np.arange(FADE) + 0.5) / FADE).astype(np.float32)
    ring = values[:turn].copy()
    # of equal power, since the two ends know nothing of each other
    ring[:FADE] = np.sqrt(rise) * values[:FADE] + np.sqrt(1 - rise) * values[turn : turn + FADE]
    power = np.square(ring.astype(np.float64) / 32768.0).reshape(-1, GRID).mean(axis=1)
    return Ring(name, ring, power)


def rings_of(recordings: Sequence[Recording], split: str) -> tuple[Ring, ...]:
    """The share of each recording for ``split``, closed; what is shorter than 0.1 s is left out."""
    rings = []
    for recording, first, last in shares(recordings, split):
        if last - first >= 10 * GRID + FADE:
            rings.append(ring_of(recording.name, recording.samples[first:last]))
    return tuple(rings)
