"""Log-mel of a whole clip as the LEM authors' keyword task makes it, with librosa's defaults.

It is no front end for listening: the loudest value and the mean are those of the whole clip.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.types import Features
from edgemem.errors import DataError
from edgemem.frontend.mel import hann

Array = npt.NDArray[np.float64]

SAMPLE_RATE = 16_000
N_FFT = 1024
HOP = 128
N_MELS = 80
F_MIN, F_MAX = 40.0, 8000.0
N_FRAMES = 126

LEAST = 1e-10
"""Least magnitude, before the logarithm."""

RANGE = 80.0
"""Decibels below the loudest value at which values are cut off."""

LINEAR_HZ = 200.0 / 3.0
KNEE_HZ = 1000.0
LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: Array) -> Array:
    """Mel of Slaney's Auditory Toolbox (1998): ``3 f / 200`` up to 1 kHz, logarithmic above.

    ``15 + 27 ln(f / 1000) / ln(6.4)`` from there on.
    """
    above = np.log(np.maximum(hz, KNEE_HZ) / KNEE_HZ) / LOG_STEP
    return np.asarray(np.minimum(hz, KNEE_HZ) / LINEAR_HZ + above)


def mel_to_hz(mel: Array) -> Array:
    """Frequency in Hz of a mel: the inverse of :func:`hz_to_mel`."""
    knee = KNEE_HZ / LINEAR_HZ
    return np.asarray(
        np.minimum(mel, knee) * LINEAR_HZ * np.exp(np.maximum(mel - knee, 0) * LOG_STEP)
    )


def mel_filters() -> Array:
    """Triangles of equal area, whose edges are equally far apart in mel.

    Returns
    -------
    (80, 513) array
        ``max(0, min((f - l) / (c - l), (u - f) / (u - c))) * 2 / (u - l)``.
    """
    bins = np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    ends = hz_to_mel(np.array([F_MIN, F_MAX]))
    edges = mel_to_hz(np.linspace(ends[0], ends[1], N_MELS + 2))
    lower, centre, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - lower) / (centre - lower)
    falling = (upper - bins) / (upper - centre)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (upper - lower))


def decibels(samples: npt.NDArray[np.int16]) -> Array:
    """Mel magnitudes of a clip, in decibels below the loudest of them.

    Frames of 1,024 samples every 128, centred, with the clip reflected at its ends; periodic Hann
    window; magnitudes, not powers, to which ``10 log10`` is applied all the same.

    Parameters
    ----------
    samples : (n,) int16 array
        16 kHz.

    Returns
    -------
    (1 + n // 128, 80) array
        From -80 to 0.

    Raises
    ------
    DataError
        If the clip has 512 samples or fewer: it cannot be reflected.
    """
    if len(samples) <= N_FFT // 2:
        raise DataError(f"clip of {len(samples)} samples, too short: {N_FFT // 2 + 1} are needed")
    wide = np.pad(samples / 32768.0, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(wide, N_FFT)[::HOP]
    magnitudes = np.abs(np.fft.rfft(frames * hann(N_FFT, periodic=True)))
    mel = np.maximum(magnitudes @ mel_filters().T, LEAST)
    db = 10.0 * np.log10(mel / mel.max())
    return np.asarray(np.maximum(db, -RANGE))


def standardised(samples: npt.NDArray[np.int16]) -> Array:
    """:func:`decibels` brought to 126 frames, then to mean 0 and deviation 1 over the clip.

    As published, a short clip is filled up with 0 dB, which is as loud as its loudest value; of a
    long one the first 126 frames are kept. A clip of one value stays as it is.

    Returns
    -------
    (126, 80) array
    """
    db = decibels(samples)[:N_FRAMES]
    db = np.pad(db, ((0, N_FRAMES - len(db)), (0, 0)))
    deviation = db.std(ddof=1)
    return np.asarray(db if deviation == 0.0 else (db - db.mean()) / deviation)


@dataclass(frozen=True)
class WholeClipReader:
    """A :class:`~edgemem.data.readers.Reader` of :func:`standardised`, in half precision."""

    key = "whole-clip-1"
    shape = (N_FRAMES, N_MELS)
    dtype = "float16"

    def read(self, path: Path) -> Features:
        from edgemem.runtime.sources import read_clip

        return standardised(read_clip(path, SAMPLE_RATE)).astype(np.float16)

    def check(self, path: Path) -> None:
        self.read(path)
