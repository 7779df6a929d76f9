"""How loud the noise of a stretch is, moment by moment: the same for either form of a scene."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgemem.data.scenes.noise import Ring
from edgemem.data.scenes.schedule import CLEAN, Stretch, Utterance

QUIET = -75.0
"""Level of background under clean speech, in dB of full scale: a root mean square of 6 in int16."""

LOUDEST = -10.0
"""No noise is louder than this, in dB of full scale."""

Power = Callable[[int], float]
"""Mean square of a clip, full scale being 1."""


def envelope(
    stretch: Stretch, ring: Ring, power: Power, times: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Factor on the amplitude of the noise.

    Under a clip it is constant, such that mean square of the clip over mean square of the noise in
    the same time is the stretch's ratio; between two clips it goes over in a straight line. Without
    words it is that which speech of the stretch's level would have.

    Parameters
    ----------
    stretch : Stretch
    ring : Ring
        Its noise.
    power : callable
        Mean square of each clip as it is stored.
    times : (n,) int array
        Samples from the start of the scene.

    Returns
    -------
    (n,) array
    """
    if not stretch.words:
        whole = ring.mean_square(0, len(ring))
        wanted = _wanted(stretch.snr, _linear(stretch.gain))
        return np.full(len(times), math.sqrt(wanted / whole))
    points, factors = [], []
    for word in stretch.words:
        factor = _factor(stretch, word, ring, power)
        points += [word.start, word.end]
        factors += [factor, factor]
    return np.interp(times, points, factors)


def _factor(stretch: Stretch, word: Utterance, ring: Ring, power: Power) -> float:
    under = ring.mean_square(stretch.offset + word.start - stretch.start, word.length)
    return math.sqrt(_wanted(stretch.snr, power(word.clip) * _linear(word.gain)) / under)


def _wanted(snr: float, speech: float) -> float:
    if snr == CLEAN:
        return _linear(QUIET)
    return min(speech * _linear(-snr), _linear(LOUDEST))


def _linear(decibels: float) -> float:
    return float(10.0 ** (decibels / 10.0))
