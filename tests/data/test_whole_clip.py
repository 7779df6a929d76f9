"""The LEM authors' front end, against librosa's numbers and its published formulas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data.whole_clip import decibels, hz_to_mel, mel_filters, mel_to_hz, standardised
from edgemem.errors import DataError

# Of librosa 0.10.2: melspectrogram(sr=16000, n_fft=1024, hop_length=128, power=1.0, n_mels=80,
# fmin=40, fmax=8000, pad_mode="reflect", which was the default in 0.8.1), power_to_db(ref=np.max),
# for the signal below; (frame, band): dB.
DECIBELS = {
    (0, 0): -6.5213,
    (0, 40): -27.4929,
    (3, 10): -22.0954,
    (20, 5): -25.5543,
    (40, 30): -2.2803,
    (60, 60): -14.6792,
    (70, 79): -27.07,
}
LAST = {16000: -28.0723, 9600: -19.3542}  # frame 75, band 0
STANDARDISED = {
    16000: {(0, 0): 3.4703, (60, 60): 1.944, (125, 79): -0.3287, (100, 20): -0.1532},
    9600: {(0, 0): 0.646, (60, 60): 0.0124, (125, 79): 1.1526, (100, 20): 1.1526},
    20000: {(0, 0): 3.4779, (60, 60): 1.9534, (125, 79): -0.2953, (100, 20): -0.1412},
}
# Of librosa.filters.mel: band: (bin of the largest weight, that weight, sum of the weights).
FILTERS = {
    0: (5, 0.0261925, 0.0656168),
    1: (7, 0.0241661, 0.0635903),
    25: (64, 0.0234346, 0.0636966),
    60: (240, 0.00699903, 0.0640386),
    79: (493, 0.00341817, 0.0640149),
}


def signal(n: int) -> npt.NDArray[np.int16]:
    t = np.arange(n) / 16000.0
    tones = 0.4 * np.sin(2 * np.pi * (200 * t + 1500 * t * t))
    tones += 0.05 * np.sin(2 * np.pi * 3800 * t) * (t > 0.3)
    samples = (tones + 0.01 * np.cos(np.arange(n) ** 2 * 0.37)) * 32767
    return np.asarray(np.rint(samples), np.int16)


@pytest.mark.parametrize("n", [16000, 9600])
def test_decibels_are_those_of_librosa(n: int) -> None:
    got = decibels(signal(n))
    assert got.shape == (1 + n // 128, 80)
    for place, wanted in {**DECIBELS, (75, 0): LAST[n]}.items():
        assert got[place] == pytest.approx(wanted, abs=1e-3)
    assert got.max() == 0.0


@pytest.mark.parametrize("n", [16000, 9600, 20000])
def test_short_clips_are_filled_with_the_loudest_value_and_long_ones_cut(n: int) -> None:
    got = standardised(signal(n))
    assert got.shape == (126, 80)
    for place, wanted in STANDARDISED[n].items():
        assert got[place] == pytest.approx(wanted, abs=1e-3)
    assert got.mean() == pytest.approx(0.0, abs=1e-9)
    if n < 16000:
        assert (got[76:] == got.max()).all()


def test_filters_are_those_of_librosa() -> None:
    filters = mel_filters()
    assert filters.shape == (80, 513)
    for band, (place, largest, total) in FILTERS.items():
        assert filters[band].argmax() == place
        assert filters[band].max() == pytest.approx(largest, rel=1e-5)
        assert filters[band].sum() == pytest.approx(total, rel=1e-5)


def test_mels_by_hand() -> None:
    # 3 f / 200 up to 1,000 Hz, which is mel 15; 27 steps from there to 6,400 Hz
    np.testing.assert_allclose(hz_to_mel(np.array([0.0, 200.0, 1000.0, 6400.0])), [0, 3, 15, 42])
    np.testing.assert_allclose(mel_to_hz(np.array([3.0, 15.0, 42.0])), [200, 1000, 6400])


def test_silence_is_left_as_it_is() -> None:
    assert (standardised(np.zeros(16000, np.int16)) == 0.0).all()


def test_quiet_parts_stop_eighty_decibels_below_the_loudest() -> None:
    samples = np.zeros(16000, np.int16)
    samples[:2000] = signal(2000)
    assert decibels(samples).min() == -80.0


def test_a_clip_that_cannot_be_reflected_is_refused() -> None:
    with pytest.raises(DataError, match="clip of 512 samples, too short"):
        decibels(np.ones(512, np.int16))
