"""The fixed matrices of a front end: window, triangular mel bands, cosine transform."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError

Array = npt.NDArray[np.float64]


def hz_to_mel(hz: Array) -> Array:
    """HTK mel of a frequency in Hz: ``2595 log10(1 + f / 700)`` (O'Shaughnessy 1987)."""
    return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))


def mel_to_hz(mel: Array) -> Array:
    """Frequency in Hz of an HTK mel: the inverse of :func:`hz_to_mel`."""
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))


def hann(length: int, periodic: bool) -> Array:
    """Hann window of ``length`` samples, ``0.5 - 0.5 cos(2 pi n / N)``.

    ``N`` is ``length`` for the periodic form and ``length - 1`` for the symmetric one.
    """
    period = length if periodic else length - 1
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / period))


def mel_filters(n_mels: int, n_fft: int, sample_rate: int, f_min: float, f_max: float) -> Array:
    """Triangular bands of height 1 whose edges are equally far apart in mel.

    Parameters
    ----------
    n_mels, n_fft : int
        Number of bands and length of the FFT.
    sample_rate : int
        Samples per second.
    f_min, f_max : float
        Lower edge of the lowest and upper edge of the highest band, in Hz.

    Returns
    -------
    (n_mels, n_fft // 2 + 1) float64 array
        Weight of each bin of a one-sided power spectrum in each band; the sides of a triangle
        are straight in Hz.

    Raises
    ------
    ConfigError
        If a band is so narrow that no bin lies inside it.
    """
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    ends = hz_to_mel(np.array([f_min, f_max]))
    edges = mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2))
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    # H_bk = max(0, min((f_k - l_b) / (c_b - l_b), (u_b - f_k) / (u_b - c_b)))
    with np.errstate(divide="ignore", invalid="ignore"):  # edges that are one number in floats
        rising = (bins - lower) / (centre - lower)
        falling = (upper - bins) / (upper - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    empty = np.flatnonzero(~(filters.sum(axis=1) > 0.0))
    if empty.size:
        raise ConfigError(
            f"front end: mel band {empty[0]} of {n_mels} holds no bin of an FFT of {n_fft} samples;"
            " take fewer bands, a wider range of frequencies or a longer n_fft"
        )
    return np.asarray(filters)


def dct_matrix(n_out: int, n_in: int) -> Array:
    """First rows of the orthonormal DCT-II.

    Returns
    -------
    (n_out, n_in) float64 array
        ``sqrt(2 / N) cos(pi k (2 n + 1) / (2 N))``, row 0 divided by ``sqrt(2)``.
    """
    k = np.arange(n_out)[:, None]
    n = np.arange(n_in)
    matrix = math.sqrt(2.0 / n_in) * np.cos(np.pi * k * (2 * n + 1) / (2 * n_in))
    matrix[0] /= math.sqrt(2.0)
    return np.asarray(matrix)
