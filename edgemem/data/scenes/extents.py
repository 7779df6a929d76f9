"""Where in a clip its word lies, from the powers of its bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.frontend import FrontEnd
from edgemem.frontend.powers import mean_square

SHARE = 1.0 / 3.0
"""Part of the way from floor to peak, in dB, above which a frame belongs to the word."""

RANGE = 30.0
"""A frame further below the peak than this, in dB, never belongs to it."""

GAP = 0.2
"""Longest quiet part inside a word, in seconds: the closure of a plosive (sto-p, righ-t)."""

_FLOOR_SHARE = 0.1


def extent(powers: npt.NDArray[Any], frontend: FrontEnd) -> tuple[int, int]:
    """Start and end of the word in a clip, in samples from the start of the clip.

    The power of each frame is the sum of its bands, in dB. Its peak is the loudest frame, its floor
    the level that a tenth of the frames do not exceed. From the peak the word goes on in both
    directions through frames that lie at least a third of the way from floor to peak and at most
    30 dB below the peak, over quiet parts of up to 0.2 s.

    Parameters
    ----------
    powers : (n_frames, n_bands) array
        Powers of bands of single frames.
    frontend : FrontEnd

    Returns
    -------
    (start, end)
        The middle of the first and of the last frame that belongs to the word, half a hop beyond.
    """
    level = 10.0 * np.log10(mean_square(powers, frontend) + 1e-20)
    peak = int(level.argmax())
    floor = float(np.quantile(level, _FLOOR_SHARE))
    border = max(floor + SHARE * (level[peak] - floor), level[peak] - RANGE)
    loud = np.flatnonzero(level >= border)
    gap = GAP * frontend.sample_rate / frontend.hop_length
    breaks = np.flatnonzero(np.diff(loud) > gap)
    place = int(np.searchsorted(loud, peak))
    before, after = breaks[breaks < place], breaks[breaks >= place]
    first = int(loud[before[-1] + 1]) if len(before) else int(loud[0])
    last = int(loud[after[0]]) if len(after) else int(loud[-1])
    middle = frontend.frame_length // 2
    half = frontend.hop_length // 2
    return first * frontend.hop_length + middle - half, last * frontend.hop_length + middle + half
