"""Features as powers and back: on log-mel features sounds mix by adding the powers of their bands.

The expected power of a sum of two independent sounds is the sum of their powers; what is left out
is the cross term, whose mean is zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.frontend.config import FrontEnd
from edgemem.frontend.mel import hann

Powers = npt.NDArray[np.float32]

_LEAST = np.float32(1e-20)  # keeps the logarithm of silence finite
_PER_DECIBEL = np.float32(np.log(10.0) / 10.0)


def from_decibels(decibels: npt.ArrayLike) -> Powers:
    """Powers of levels in dB, of the same shape."""
    return np.asarray(np.exp(np.asarray(decibels, np.float32) * _PER_DECIBEL), np.float32)


def to_decibels(powers: npt.ArrayLike) -> Powers:
    """Levels in dB of powers, of the same shape; those below 1e-20 count as that much."""
    values = np.asarray(powers, np.float32) + _LEAST
    return np.asarray(np.log(values) / _PER_DECIBEL, np.float32)


def band_powers(features: npt.NDArray[Any], frontend: FrontEnd) -> Powers:
    """Powers of the bands behind log-mel features.

    Parameters
    ----------
    features : (..., n_features) array
    frontend : FrontEnd
        The log-mel front end that made them.

    Returns
    -------
    (..., n_features) float32 array
        ``10 ** ((feature - offset) / (10 gain))``: the front end's floor is in it, and what it
        clipped stays clipped.
    """
    return from_decibels((np.asarray(features, np.float32) - frontend.offset) / frontend.gain)


def band_features(powers: npt.NDArray[Any], frontend: FrontEnd) -> Powers:
    """Log-mel features of powers of bands: the inverse of :func:`band_powers`, then clipped.

    Parameters
    ----------
    powers : (..., n_features) array
    frontend : FrontEnd
    """
    features = to_decibels(powers)
    features *= np.float32(frontend.gain)
    features += np.float32(frontend.offset)
    if frontend.low is not None or frontend.high is not None:
        np.clip(features, frontend.low, frontend.high, out=features)
    return features


def mean_square(powers: npt.NDArray[Any], frontend: FrontEnd) -> npt.NDArray[np.float64]:
    """Mean square of the samples (full scale is 1) behind powers of bands.

    White sound of mean square s has ``sum_k |FFT(w x)_k|^2 / n_fft = s sum(w^2) / 2`` over the bins
    up to half the sample rate, and triangular filters add up to 1 between the outer centres. Sound
    above ``f_max`` is not in the bands and so not in the estimate: for speech that is little.

    Parameters
    ----------
    powers : (..., n_bands) array
        Of single frames.
    frontend : FrontEnd

    Returns
    -------
    (...) array
    """
    window = hann(frontend.frame_length, frontend.window == "hann_periodic")
    return np.asarray(np.asarray(powers, np.float64).sum(axis=-1) * 2.0 / np.sum(window**2))
