"""The fixed matrices against scipy, python_speech_features and their definitions."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from python_speech_features import base

from edgemem.frontend.mel import dct_matrix, hann, hz_to_mel, mel_filters, mel_to_hz


@pytest.mark.parametrize("periodic", [True, False])
def test_hann_is_scipys(periodic: bool) -> None:
    expected = scipy.signal.get_window("hann", 480, fftbins=periodic)
    np.testing.assert_allclose(hann(480, periodic), expected, atol=1e-15)


def test_mel_is_htks_and_inverts() -> None:
    hz = np.linspace(0, 8000, 50)
    np.testing.assert_allclose(hz_to_mel(hz), base.hz2mel(hz), rtol=1e-12)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, atol=1e-9)


def test_a_long_fft_gives_the_bands_of_python_speech_features() -> None:
    # That package rounds the edges of bands down to bins; a long FFT makes the step small.
    n_fft = 1 << 16
    ours = mel_filters(40, n_fft, 16000, 0.0, 4000.0)
    theirs = base.get_filterbanks(40, n_fft, 16000, 0.0, 4000.0)
    assert np.abs(ours - theirs).max() < 0.02


def test_each_triangle_has_its_peak_and_edges_where_the_mel_scale_puts_them() -> None:
    filters = mel_filters(40, 512, 16000, 0.0, 4000.0)
    bins = np.arange(257) * 16000 / 512
    edges = base.mel2hz(np.linspace(base.hz2mel(0.0), base.hz2mel(4000.0), 42))
    expected = np.array(
        [np.interp(bins, edges[b : b + 3], [0.0, 1.0, 0.0], left=0, right=0) for b in range(40)]
    )
    np.testing.assert_allclose(filters, expected, atol=1e-12)


def test_neighbouring_triangles_add_up_to_one() -> None:
    filters = mel_filters(20, 512, 16000, 100.0, 6000.0)
    edges = mel_to_hz(np.linspace(hz_to_mel(np.array(100.0)), hz_to_mel(np.array(6000.0)), 22))
    bins = np.arange(257) * 16000 / 512
    inside = (bins >= edges[1]) & (bins <= edges[-2])
    np.testing.assert_allclose(filters.sum(axis=0)[inside], 1.0, atol=1e-12)


def test_dct_is_scipys() -> None:
    x = np.random.default_rng(0).standard_normal(40)
    expected = scipy.fft.dct(x, type=2, norm="ortho")[:13]
    np.testing.assert_allclose(dct_matrix(13, 40) @ x, expected, atol=1e-12)
