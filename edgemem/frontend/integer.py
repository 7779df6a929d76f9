"""The front end in integers: int16 samples in, int16 features out, the same on every processor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.errors import ConfigError
from edgemem.frontend import fft
from edgemem.frontend.blocker import MEAN_BITS, IntegerBlocker
from edgemem.frontend.config import FrontEnd
from edgemem.frontend.mel import dct_matrix, hann, mel_filters
from edgemem.frontend.stream import Framing, cut

Int = npt.NDArray[np.int64]
Features = npt.NDArray[np.int16]

WINDOW_BITS = 22
"""Fraction bits of the window. With 15 of them its error leaks into quiet bands: 0.3 dB there."""

DCT_BITS = 20
"""Fraction bits of the cosine transform. Its first row is constant, so that one rounding counts
``n_mels`` times."""

_WEIGHT_BITS = 15
_WIDEST = 21
"""Bits that the weights of a band may sum to: with words of 31 bits, sums stay below 2^52."""

_FAINTEST = 2.0**-8
"""Least largest weight of a band: in steps of 2^-15 its level is then right to 0.02 dB."""

_SAMPLE_BITS = 30
"""Twice the fraction bits of a sample whose full scale is 1."""

_DECIBEL = 10.0 * math.log10(2.0)
"""Decibels of an octave of energy."""


@dataclass(frozen=True, eq=False)
class IntegerFrontEnd:
    """A :class:`FrontEnd` as integer tables; ``docs/integer-frontend.md`` has the text.

    Per frame, with ``round`` to the nearest, halves up:

        y_n = the samples, or what an IntegerBlocker makes of them, sample_bits fraction bits
        z_n = round(window_n y_n / 2^(22 + sample_bits - data_bits))
        X   = RealFFT(z);  P_k = |X_k|^2                      62 bits
        E_b = floor + sum_k filters_bk P_k                    exact
        L_b = log2(E_b) - reference                           octaves below full scale, 2^-16
        L_j = round(sum_b dct_jb L_b / 2^20)                  "mfcc" only
        feature = clip((L multiplier + offset) >> shift, lowest, highest)

    A feature stands for ``feature * scale``.

    Parameters
    ----------
    config : FrontEnd
        What is computed.
    data_bits : int
        Fraction bits of the windowed samples.
    weight_bits : int
        Fraction bits of the mel weights.
    window : (period // 2 + 1,) int array
        Its first half in steps of 2^-22; entry n serves sample ``period - n`` too.
    filters : (n_mels, n_bins) int array
        Weights of the bins 1 to ``n_bins``.
    dct : (n_mfcc, n_mels) int array or None
    floor : int
        Energy that every band gets.
    reference : int
        Logarithm of full scale, in steps of 2^-16.
    multiplier, offset, shift : int
        Map from octaves to the feature; ``offset`` holds the half of the rounding.
    lowest, highest : int
        Limits of the feature.
    fraction_bits : int
        Of the feature; may be negative.
    """

    config: FrontEnd
    data_bits: int
    weight_bits: int
    window: Int
    filters: Int
    dct: Int | None
    floor: int
    reference: int
    multiplier: int
    offset: int
    shift: int
    lowest: int
    highest: int
    fraction_bits: int

    @classmethod
    def of(cls, config: FrontEnd) -> IntegerFrontEnd:
        """The integer form of a front end.

        The fraction bits of the features follow from what they can reach: the limits, the floor,
        and a full-scale square wave.

        Raises
        ------
        ConfigError
            If it has no integer form; the message says what to change.
        """
        _check_length(config)
        window = hann(config.frame_length, config.window == "hann_periodic")
        filters = mel_filters(
            config.n_mels, config.n_fft, config.sample_rate, config.f_min, config.f_max
        )
        # behind a blocker lies the difference of a sample and a mean of others
        louder = 1.0 if config.dc_pole is None else 2.0
        data_bits = _data_bits(window, louder)
        weight_bits = _weight_bits(filters)
        unit = _SAMPLE_BITS + 2 * data_bits + weight_bits + config.n_fft.bit_length() - 1
        dct = dct_matrix(config.n_mfcc, config.n_mels) if config.kind == "mfcc" else None
        weights = _steps(filters, weight_bits)
        last = int(np.flatnonzero(weights.any(axis=0))[-1])
        low, high = _reach(config, louder * window, filters, dct)
        bits = _fraction_bits(low, high)
        multiplier, offset, shift = _affine(config, bits)
        return cls(
            config=config,
            data_bits=data_bits,
            weight_bits=weight_bits,
            window=_steps(window[: _period(config) // 2 + 1], WINDOW_BITS),
            filters=np.ascontiguousarray(weights[:, 1 : last + 1]),
            dct=None if dct is None else _steps(dct, DCT_BITS),
            floor=_floor(config, unit),
            reference=unit << fft.LOG_BITS,
            multiplier=multiplier,
            offset=offset,
            shift=shift,
            lowest=max(-(1 << 15), round(low * 2.0**bits)),
            highest=min((1 << 15) - 1, round(high * 2.0**bits)),
            fraction_bits=bits,
        )

    @property
    def period(self) -> int:
        """Sample at which the mirrored window would reach its first entry again."""
        return _period(self.config)

    @property
    def window_shift(self) -> int:
        """Bits that a windowed sample loses."""
        return WINDOW_BITS + self.sample_bits - self.data_bits

    @property
    def sample_bits(self) -> int:
        """Fraction bits of what is windowed."""
        return 0 if self.config.dc_pole is None else MEAN_BITS

    @property
    def n_features(self) -> int:
        """Number of features of one feature vector."""
        return self.config.n_features

    @property
    def scale(self) -> float:
        """Size of one step of a feature, a power of two."""
        return 2.0**-self.fraction_bits

    def features(self, samples: npt.NDArray[np.int16]) -> Features:
        """Feature vectors of a whole recording.

        Parameters
        ----------
        samples : (n_samples,) int16 array

        Returns
        -------
        (n_frames, n_features) int16 array
        """
        return self.stream().push(samples)

    def dequantize(self, features: Features) -> npt.NDArray[np.float32]:
        """The reals that integer features stand for."""
        return np.asarray(features * self.scale, np.float32)

    def stream(self) -> Framing[np.int16]:
        """A new stream: samples in, integer feature vectors out, its own state."""
        pole = self.config.dc_pole
        blocker = None if pole is None else IntegerBlocker(pole)
        return Framing(self.config, _Bands(self), np.int16, blocker)


class _Bands:
    """Integer features of frames; the exact sums of products run in float64."""

    def __init__(self, form: IntegerFrontEnd) -> None:
        self._form = form
        n_bins = form.filters.shape[1]
        self._fft = fft.RealFFT(form.config.n_fft, n_bins)
        places = np.arange(form.config.frame_length)
        mirrored = form.window[np.minimum(places, form.period - places)]
        self._window = mirrored.astype(np.float64)
        self._filters = np.ascontiguousarray(form.filters.T.astype(np.float64))
        self._dct = None if form.dct is None else form.dct.T.astype(np.float64)

    def __call__(self, held: npt.NDArray[Any], count: int) -> Features:
        form, config = self._form, self._form.config
        # z_n = round(window_n y_n / 2^(22 + sample_bits - data_bits))
        padded = np.zeros((count, config.n_fft))
        windowed = cut(held, count, config) * self._window
        padded[:, : config.frame_length] = fft.halves_up(windowed, form.window_shift)
        # L_b = log2(floor + sum_k filters_bk P_k) - reference
        levels = self._levels(*fft.power_words(self._fft(padded)))
        if self._dct is not None:
            # L_j = round(sum_b dct_jb L_b / 2^20)
            cepstrum = levels.astype(np.float64) @ self._dct
            levels = fft.halves_up(cepstrum, DCT_BITS).astype(np.int64)
        features = (levels * form.multiplier + form.offset) >> form.shift
        kept: Features = np.clip(features, form.lowest, form.highest).astype(np.int16)
        return kept

    def _levels(self, high: npt.NDArray[np.float64], low: npt.NDArray[np.float64]) -> Int:
        form, mask = self._form, (1 << fft.WORD_BITS) - 1
        below = (low @ self._filters).astype(np.int64) + (form.floor & mask)
        above = (high @ self._filters).astype(np.int64) + (form.floor >> fft.WORD_BITS)
        return fft.log2(above + (below >> fft.WORD_BITS), below & mask) - form.reference


def _steps(x: npt.NDArray[np.float64], bits: int) -> Int:
    return np.asarray(np.rint(x * 2.0**bits), np.int64)


def _period(config: FrontEnd) -> int:
    return config.frame_length - (config.window == "hann_symmetric")


def _check_length(config: FrontEnd) -> None:
    n_fft = config.n_fft
    if n_fft < 8 or n_fft & (n_fft - 1):
        better = 1 << max(3, (n_fft - 1).bit_length())
        raise ConfigError(
            f"front end: n_fft is {n_fft}; in integers it must be a power of two, 8 or more; "
            f"train with n_fft = {better}"
        )


def _data_bits(window: npt.NDArray[np.float64], louder: float) -> int:
    """Fraction bits of a windowed sample with which no sum over a frame leaves 30 bits."""
    loudest = louder * 2.0**15 * max(float(window.sum()), 1.0)
    bits = math.floor(math.log2(fft.DATA_LIMIT / loudest))
    if bits < 0:
        raise ConfigError(
            f"front end: frame_length is {len(window)}; sums of so many samples do not fit "
            f"32 bits; train with at most {64000 / louder:,.0f} samples a frame"
        )
    return min(bits, 14)


def _weight_bits(filters: npt.NDArray[np.float64]) -> int:
    """Fraction bits of the mel weights with which the sums of their products stay exact."""
    widest = math.ceil(math.log2(max(float(filters.sum(axis=1).max()), 1.0)))
    bits = min(_WEIGHT_BITS, _WIDEST - widest)
    largest = filters.max(axis=1)
    faint = int(largest.argmin())
    if largest[faint] < _FAINTEST * 2.0 ** (_WEIGHT_BITS - bits):
        raise ConfigError(
            f"front end: the largest weight of mel band {faint} is {largest[faint]:.2g}, too small "
            f"for an integer of {bits} fraction bits; train with fewer bands or a longer n_fft"
        )
    return bits


def _floor(config: FrontEnd, unit: int) -> int:
    """``10^(floor_db / 10)`` in steps of ``2^-unit``."""
    power = config.floor_db / 10.0 * math.log2(10.0) + unit
    # 8 bits are 0.02 dB; above 80 bits the sums would not stay exact
    for holds, change in ((power >= 8.0, "raise"), (power <= 80.0, "lower")):
        if not holds:
            limit = (8.0 if change == "raise" else 80.0) - unit
            raise ConfigError(
                f"front end: floor_db is {config.floor_db}; the integer form holds floors from "
                f"{(8.0 - unit) * _DECIBEL:.0f} to {(80.0 - unit) * _DECIBEL:.0f} dB; {change} it "
                f"to {limit * _DECIBEL:.0f}"
            )
    return round(math.pow(2.0, power))


def _reach(
    config: FrontEnd,
    window: npt.NDArray[np.float64],
    filters: npt.NDArray[np.float64],
    dct: npt.NDArray[np.float64] | None,
) -> tuple[float, float]:
    """Least and greatest feature that sound can bring."""
    floor = 10.0 ** (config.floor_db / 10.0)
    # |X_k| is at most the sum of the window
    loudest = float(filters.sum(axis=1).max()) * float(window.sum()) ** 2 / config.n_fft
    levels = np.array([[config.floor_db], [10.0 * math.log10(loudest + floor)]])
    if dct is not None:
        rises, falls = np.maximum(dct, 0.0).sum(axis=1), np.minimum(dct, 0.0).sum(axis=1)
        levels = np.array(
            [levels[0] * rises + levels[1] * falls, levels[1] * rises + levels[0] * falls]
        )
    ends = config.gain * levels + config.offset
    low, high = float(ends.min()), float(ends.max())
    if config.low is not None:
        low, high = max(low, config.low), max(high, config.low)
    if config.high is not None:
        low, high = min(low, config.high), min(high, config.high)
    return low, high


def _fraction_bits(low: float, high: float) -> int:
    """Most fraction bits, at most 15, with which ``low`` to ``high`` fits 16 bits."""
    return next(
        bits
        for bits in range(15, -64, -1)
        if round(low * 2.0**bits) >= -(1 << 15) and round(high * 2.0**bits) < 1 << 15
    )


def _affine(config: FrontEnd, bits: int) -> tuple[int, int, int]:
    """Multiplier of 30 bits, offset and right shift from octaves to features."""
    # feature 2^bits = (gain 10 log10(2) L / 2^16 + offset) 2^bits
    factor = config.gain * _DECIBEL * 2.0 ** (bits - fft.LOG_BITS)
    shift = min(30 - math.frexp(factor)[1], 62)
    offset = math.inf if shift < 1 else config.offset * 2.0 ** (bits + shift)
    if abs(offset) >= 2.0**62:
        raise ConfigError(
            f"front end: gain {config.gain} and offset {config.offset} lead out of 64 bits; train "
            "with features of ordinary size, for example 0 to 255"
        )
    return round(factor * 2.0**shift), round(offset) + (1 << (shift - 1)), shift
