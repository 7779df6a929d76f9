"""Samples to feature vectors, in blocks of any size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from edgemem.errors import AudioError
from edgemem.frontend.blocker import Blocker, FloatBlocker
from edgemem.frontend.mel import Array, dct_matrix, hann, mel_filters

if TYPE_CHECKING:
    from edgemem.frontend.config import FrontEnd

# Frames, and samples, that are worked on at once: bounds the memory that a long recording takes.
_CHUNK = 256
_PIECE = 1 << 16

S = TypeVar("S", bound=np.generic)

Bands = Callable[[npt.NDArray[Any], int], npt.NDArray[S]]
"""Samples (int16, or what a blocker makes of them) and a number of frames to the features of these
frames, (count, n_bands)."""


class Framing(Generic[S]):
    """Samples in blocks of any size, feature vectors out: the state of a stream.

    Parameters
    ----------
    config : FrontEnd
    bands : callable
        Features of the first ``count`` frames of its samples; a frame's features must not depend on
        how many frames there are.
    dtype : dtype
        Of the features.
    blocker : Blocker, optional
        What the samples go through first.
    """

    def __init__(
        self, config: FrontEnd, bands: Bands[S], dtype: type[S], blocker: Blocker | None = None
    ) -> None:
        self.config = config
        self._bands_of = bands
        self._dtype = dtype
        self._blocker = blocker
        self.reset()

    def reset(self) -> None:
        """Forget every sample so far."""
        self._samples: npt.NDArray[Any] = np.zeros(0, np.int16)
        if self._blocker is not None:
            self._blocker.reset()
        self._frames: npt.NDArray[S] = np.zeros((0, self.config.n_bands), self._dtype)

    def push(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[S]:
        """Take a block of samples.

        Parameters
        ----------
        samples : (n,) int16 array
            The next samples; ``n`` may be anything, zero included.

        Returns
        -------
        (k, n_features) array
            The feature vectors that these samples complete.

        Raises
        ------
        AudioError
            If ``samples`` is not a one-dimensional array of 16-bit integers.
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise AudioError(
                f"samples are {samples.dtype} of shape {samples.shape}; "
                "expected one channel of 16-bit integers, int16 (n,)"
            )
        parts = [
            self._take(samples[start : start + _PIECE])
            for start in range(0, max(1, len(samples)), _PIECE)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _take(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[S]:
        config = self.config
        heard = samples if self._blocker is None else self._blocker(samples)
        held = np.concatenate([self._samples, heard])
        count = max(0, 1 + (len(held) - config.frame_length) // config.hop_length)
        self._samples = held[count * config.hop_length :].copy()
        frames = [self._frames]
        for start in range(0, count, _CHUNK):
            chunk = min(_CHUNK, count - start)
            frames.append(self._bands_of(held[start * config.hop_length :], chunk))
        waiting = np.concatenate(frames)
        stacked = config.stack_frames(waiting)
        self._frames = waiting[len(stacked) * config.stack :].copy()
        return stacked


class Stream(Framing[np.float32]):
    """A front end with its state: the samples and the frames that wait for more.

    Any cutting of the samples gives the same feature vectors, bit for bit: every frame goes through
    the same products of the same shapes, however many frames a block completes.

    Parameters
    ----------
    config : FrontEnd
    """

    def __init__(self, config: FrontEnd) -> None:
        self._window, self._filters, self._dct = _matrices(config)
        pole = config.dc_pole
        blocker = None if pole is None else FloatBlocker(pole)
        super().__init__(config, self._bands, np.float32, blocker)

    def _bands(self, held: npt.NDArray[Any], count: int) -> npt.NDArray[np.float32]:
        """Features of the first ``count`` frames of ``held``: (count, n_bands)."""
        config = self.config
        # P_k = |FFT(window * samples)_k|^2 / n_fft
        frames = cut(held, count, config)
        spectrum = np.fft.rfft(frames * self._window, config.n_fft)[:, : self._filters.shape[1]]
        power = spectrum.real**2 + spectrum.imag**2
        # L_b = 10 log10(sum_k H_bk P_k + floor)
        energy = _rows(self._filters, power)
        values = 10.0 * np.log10(energy + 10.0 ** (config.floor_db / 10.0))
        if self._dct is not None:
            # C_j = sum_b DCT_jb L_b
            values = _rows(self._dct, values)
        values = config.gain * values + config.offset
        if config.low is not None or config.high is not None:
            values = np.clip(values, config.low, config.high)
        return np.asarray(values, np.float32)


def cut(held: npt.NDArray[S], count: int, config: FrontEnd) -> npt.NDArray[S]:
    """The first ``count`` frames of ``held``, as a view: (count, frame_length)."""
    frames = np.lib.stride_tricks.sliding_window_view(held, config.frame_length)
    return frames[: (count - 1) * config.hop_length + 1 : config.hop_length]


def _rows(matrix: Array, rows: Array) -> Array:
    """``matrix @ row`` of each row.

    As a stack of products of one and the same shape: one product of all the rows would sum in an
    order that depends on how many there are, and the last bit with it.
    """
    return np.asarray(np.matmul(matrix, rows[:, :, None])[:, :, 0])


@lru_cache(maxsize=8)
def _matrices(config: FrontEnd) -> tuple[Array, Array, Array | None]:
    """Window (frame_length,), filters (n_mels, bins in use), cosines (n_mfcc, n_mels) or None."""
    # The scale of int16 to +-1 rides in the window, the 1 / n_fft of the power in the filters.
    window = hann(config.frame_length, config.window == "hann_periodic") / 32768.0
    filters = mel_filters(
        config.n_mels, config.n_fft, config.sample_rate, config.f_min, config.f_max
    )
    used = int(np.flatnonzero(filters.any(axis=0))[-1]) + 1
    filters = np.ascontiguousarray(filters[:, :used]) / config.n_fft
    dct = dct_matrix(config.n_mfcc, config.n_mels) if config.kind == "mfcc" else None
    for matrix in (window, filters, dct):
        if matrix is not None:
            matrix.flags.writeable = False
    return window, filters, dct
