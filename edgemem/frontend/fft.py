"""The spectrum of real samples and the logarithm in integers, as any processor computes them.

All values are whole numbers. Where a float64 array holds them they stay below 2^53, so that sums
and products are exact whatever their order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Int = npt.NDArray[np.int64]

TWIDDLE_BITS = 22
"""Fraction bits of sines and cosines: with data of 31 bits a product stays below 2^53."""

DATA_LIMIT = 0.99 * 2**30
"""Largest sum of magnitudes that a frame may have: sums of two values of its spectrum then fit in
32 bits, and 1 % is left for roundings and for twiddles that are a little longer than 1."""

LOG_BITS = 16
"""Fraction bits of a logarithm."""

_SEGMENT_BITS = 6

LOG_TABLE: Int = np.rint(
    2.0**LOG_BITS * np.log2(1.0 + np.arange((1 << _SEGMENT_BITS) + 1) / (1 << _SEGMENT_BITS))
).astype(np.int64)
"""``log2(1 + i / 64)`` for i from 0 to 64, in steps of 2^-16."""

WORD_BITS = 31
"""A large number is held as ``high 2^31 + low``, so that both words fit a signed 32-bit slot."""


def halves_up(x: Floats, bits: int) -> Floats:
    """``x / 2^bits`` to the nearest integer, halves up; into the memory of ``x``."""
    np.multiply(x, 2.0**-bits, out=x)
    np.add(x, 0.5, out=x)
    return np.floor(x, out=x)


def quarter_wave(n_fft: int) -> Int:
    """``cos(2 pi k / n_fft)`` for k from 0 to ``n_fft / 4``, in steps of 2^-22."""
    angles = 2.0 * np.pi * np.arange(n_fft // 4 + 1) / n_fft
    return np.asarray(np.rint(np.cos(angles) * 2.0**TWIDDLE_BITS), np.int64)


class RealFFT:
    """The lower bins of the spectrum of ``n_fft`` real integers.

    Even samples are the real and odd samples the imaginary part of ``M = n_fft / 2`` points z. A
    radix-2 transform with decimation in time, from neighbours on, makes each pair (a, b) of a stage

        t = round(W b);  a' = a + t;  b' = a - t

    and its result Z splits into the spectrum of the samples, for k from 1 to M / 2:

        A = Z_k + Z*_(M-k);  T = -i W_k (Z_k - Z*_(M-k))
        X_k = round((A + T) / 2);  X*_(M-k) = round((A - T) / 2)

    ``W_k = exp(-2 pi i k / n_fft)`` has :data:`TWIDDLE_BITS` fraction bits; every rounding is to
    the nearest, halves up. Nothing is scaled between stages: no value exceeds the sum of the
    samples' magnitudes.

    Parameters
    ----------
    n_fft : int
        A power of two, 8 or more.
    n_bins : int
        Bins 1 to ``n_bins`` are computed, at most ``n_fft / 2 - 1``. Bin 0 and the last one lie on
        the edges of mel bands, where the weight is zero.
    """

    def __init__(self, n_fft: int, n_bins: int) -> None:
        self.n_fft, self.n_bins = n_fft, n_bins
        points = n_fft // 2
        self._order = _reversed_bits(points)
        waves = _half_wave(n_fft)
        # the twiddles of a stage are every so many-th of the finest ones
        self._stages = [waves[: points : points // half].copy() for half in _halves(points)]
        for stage in self._stages[:2]:  # 1 and -i turn without rounding
            stage /= 2.0**TWIDDLE_BITS
        self._lower = np.arange(1, min(n_bins, points // 2) + 1)
        self._turn = -1j * waves[self._lower]
        self._n_upper = max(0, n_bins - points // 2)

    def __call__(self, samples: Floats) -> Complex:
        """The spectrum of each row.

        Parameters
        ----------
        samples : (k, n_fft) float64 array
            Whole numbers; the magnitudes of a row sum to at most :data:`DATA_LIMIT`.

        Returns
        -------
        (k, n_bins) complex128 array
            Whole numbers; the bins above ``n_fft / 4`` have their imaginary part negated.
        """
        z = self._transform(np.ascontiguousarray(samples).view(np.complex128))
        mirror = np.take(z, self.n_fft // 2 - self._lower, axis=1).conj()
        points = np.take(z, self._lower, axis=1)
        sums = (points + mirror) * 2.0**TWIDDLE_BITS
        turned = (points - mirror) * self._turn
        lower = _round_complex(sums + turned, TWIDDLE_BITS + 1)
        if not self._n_upper:
            return lower
        # bin M - k stands at k - 1; bin M / 2 is its own mirror and stands among the lower ones
        upper = _round_complex(sums - turned, TWIDDLE_BITS + 1)[:, -2::-1]
        return np.concatenate([lower, upper[:, : self._n_upper]], axis=1)

    def _transform(self, z: Complex) -> Complex:
        """The transform of each row of points: (k, M)."""
        z = np.take(z, self._order, axis=1)
        for twiddles in self._stages:
            pairs = z.reshape(len(z), -1, 2, len(twiddles))
            first, second = pairs[:, :, 0], pairs[:, :, 1]
            turned = np.multiply(second, twiddles, order="C")
            if len(twiddles) > 2:
                _round_complex(turned, TWIDDLE_BITS)
            merged = np.empty_like(pairs)
            np.add(first, turned, out=merged[:, :, 0])
            np.subtract(first, turned, out=merged[:, :, 1])
            z = merged.reshape(z.shape)
        return z


def power_words(spectrum: Complex) -> tuple[Floats, Floats]:
    """``|X_k|^2`` of at most 62 bits as ``high 2^31 + low``."""
    parts = spectrum.view(np.float64).astype(np.int64)
    squares = parts * parts
    power = squares[:, 0::2] + squares[:, 1::2]
    high, low = power >> WORD_BITS, power & ((1 << WORD_BITS) - 1)
    return high.astype(np.float64), low.astype(np.float64)


def log2(high: Int, low: Int) -> Int:
    """``log2(high 2^31 + low)`` in steps of 2^-16.

    Between two entries of :data:`LOG_TABLE` that enclose it, by 16 bits of the argument. The error
    is at most 6e-5 octaves.

    Parameters
    ----------
    high, low : int64 arrays
        ``0 <= high < 2^63``, ``0 <= low < 2^31``, not both zero.
    """
    large = high >= 1 << 32
    value = np.where(large, high, high << WORD_BITS | low)
    top = _highest_bit(value)
    leading = value << (62 - top)
    segment = (leading >> (62 - _SEGMENT_BITS)) & ((1 << _SEGMENT_BITS) - 1)
    rest = (leading >> (62 - _SEGMENT_BITS - 16)) & 0xFFFF
    start = LOG_TABLE[segment]
    part = (LOG_TABLE[segment + 1] - start) * rest + (1 << 15)
    octave = top + np.where(large, WORD_BITS, 0)
    return np.asarray((octave << LOG_BITS) + start + (part >> 16), np.int64)


def _highest_bit(value: Int) -> Int:
    """Place of the highest bit of numbers from 1 to 2^63 - 1."""
    upper = value >> 32
    # 32 bits are exact in float64: no number is rounded up to the next power of two
    exponent = np.frexp(np.where(upper > 0, upper, value).astype(np.float64))[1]
    return np.asarray(exponent.astype(np.int64) - 1 + np.where(upper > 0, 32, 0), np.int64)


def _round_complex(x: Complex, bits: int) -> Complex:
    halves_up(x.view(np.float64), bits)
    return x


def _halves(points: int) -> list[int]:
    """Distance of the two points of a pair in each stage: 1, 2, 4, ..., points / 2."""
    return [1 << stage for stage in range(points.bit_length() - 1)]


def _half_wave(n_fft: int) -> Complex:
    """``exp(-2 pi i k / n_fft)`` for k below ``n_fft / 2``, from one table of a quarter wave."""
    quarter = quarter_wave(n_fft).astype(np.float64)
    rising = quarter[::-1]
    cosine = np.concatenate([quarter, -rising[1:-1]])
    sine = np.concatenate([rising, quarter[1:-1]])
    return np.asarray(cosine - 1j * sine, np.complex128)


def _reversed_bits(points: int) -> npt.NDArray[np.intp]:
    """Each number below ``points`` with its bits in reverse order."""
    order = np.zeros(1, np.intp)
    while len(order) < points:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order
