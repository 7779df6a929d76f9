"""Features as powers: decibels by hand, and sounds that add up."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.frontend import PICTURES, FrontEnd
from edgemem.frontend.powers import (
    band_features,
    band_powers,
    from_decibels,
    mean_square,
    to_decibels,
)


def test_decibels_by_hand() -> None:
    np.testing.assert_allclose(
        from_decibels([0.0, 10.0, -20.0, 3.0103]), [1, 10, 0.01, 2], rtol=1e-5
    )
    np.testing.assert_allclose(to_decibels([1, 10, 0.01, 2]), [0, 10, -20, 3.0103], atol=1e-4)
    assert to_decibels(0.0) == pytest.approx(-200.0, abs=1e-3)


def test_pictures_come_back_and_stay_within_their_range() -> None:
    grey = np.arange(256.0).reshape(8, 32)
    powers = band_powers(grey, PICTURES)
    # 208.8 stands for 0 dB, 2.305 grey levels for one dB
    assert band_powers(np.array(208.8 + 23.05), PICTURES) == pytest.approx(10.0, rel=1e-4)
    np.testing.assert_allclose(band_features(powers, PICTURES), grey, atol=1e-3)
    assert band_features(100 * powers, PICTURES).max() == 255.0


def test_mean_square_of_white_noise() -> None:
    rng = np.random.default_rng(0)
    samples = np.rint(1000 * rng.standard_normal(32000)).astype(np.int16)
    whole = FrontEnd(f_max=8000.0)
    found = mean_square(band_powers(whole.features(samples), whole), whole).mean()
    # the outermost halves of the outer triangles are missing
    assert found == pytest.approx(np.mean((samples / 32768.0) ** 2), rel=0.05)


def test_powers_of_two_sounds_add() -> None:
    rng = np.random.default_rng(1)
    one, two = (np.rint(800 * rng.standard_normal(48000)).astype(np.int16) for _ in range(2))
    added = band_powers(PICTURES.features(one), PICTURES)
    added += band_powers(PICTURES.features(two), PICTURES)
    heard = band_powers(PICTURES.features(one + two), PICTURES)
    np.testing.assert_allclose(heard.mean(axis=0), added.mean(axis=0), rtol=0.2)
