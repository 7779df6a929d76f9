"""Noise that is made: its mean power, its colours, its courses in time, and babble."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.train.noises import Textures, babble, colours, made, rolled

PERIOD = 0.01


@pytest.fixture(scope="module")
def textures():
    return Textures.of_size(98, 40)


def test_textures_have_the_spread_of_a_mean_of_three_exponential_variates(textures):
    # a mean of k independent exponential variates has the variance 1/k
    assert textures.bank.mean() == pytest.approx(1.0, abs=0.01)
    assert textures.bank.var() == pytest.approx(1.0 / 3.0, abs=0.01)
    assert textures.bank.dtype == np.float32


def test_made_noise_has_a_mean_power_of_one_and_follows_its_seed(textures):
    noise = made(200, textures, PERIOD, np.random.default_rng(0))
    assert noise.shape == (200, 98, 40)
    assert noise.dtype == np.float32
    assert (noise >= 0.0).all()
    np.testing.assert_allclose(noise.mean(axis=(1, 2)), 1.0, rtol=1e-3)
    again = made(200, textures, PERIOD, np.random.default_rng(0))
    np.testing.assert_array_equal(again, noise)
    assert (made(200, textures, PERIOD, np.random.default_rng(1)) != noise).any()


def test_made_noise_is_of_many_kinds(textures):
    noise = made(400, textures, PERIOD, np.random.default_rng(0))
    in_time = 10 * np.log10(noise.mean(axis=2))
    swing = in_time.max(axis=1) - in_time.min(axis=1)
    spectrum = 10 * np.log10(noise.mean(axis=1))
    slope = spectrum[:, -10:].mean(axis=1) - spectrum[:, :10].mean(axis=1)
    peak = spectrum.max(axis=1) - np.median(spectrum, axis=1)
    assert (swing < 6.0).mean() > 0.2  # steady ones
    assert (swing > 12.0).mean() > 0.2  # swelling and banging ones
    assert slope.min() < -20.0  # dark and bright ones
    assert slope.max() > 5.0
    assert (peak > 15.0).mean() > 0.05  # ones with tones


def test_colours_are_smooth_and_within_their_limits():
    spectra = colours(300, 40, (-6.0, 6.0), 2.0, np.random.default_rng(0))
    assert spectra.shape == (300, 40)
    assert np.abs(spectra).max() <= 3.0 + 4.0
    assert np.abs(np.diff(spectra, axis=1)).max() < 1.3
    flat = colours(3, 40, (12.0, 12.0), 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(flat[0, [0, -1]], [-6.0, 6.0], atol=1e-5)


def test_clips_are_turned_and_not_changed():
    clips = np.arange(20, dtype=np.uint8).reshape(2, 10, 1)
    turned = rolled(clips, np.array([1, 0, 1]), np.random.default_rng(0))
    assert turned.dtype == np.float32
    for row, first in zip(turned[:, :, 0], (10, 0, 10)):
        np.testing.assert_array_equal(np.sort(row), np.arange(first, first + 10))
        assert set(np.diff(row) % 10) == {1.0}


def test_babble_is_a_sum_of_three_to_six_talkers_of_like_loudness():
    # every talker has a band of its own, so that the sum shows who speaks
    power = np.zeros((40, 30, 40), np.float32)
    power[np.arange(40), :, np.arange(40)] = np.geomspace(0.01, 100.0, 40)[:, None]
    heard = babble(power, 100, np.random.default_rng(0)).mean(axis=1)
    talkers = (heard > 0.0).sum(axis=1)
    assert talkers.max() <= 6
    assert talkers.min() >= 2  # one may be drawn twice
    loudest, total = heard.max(axis=1) / 40.0, heard.sum(axis=1) / 40.0
    assert total.min() >= 3 * 10**-0.6 - 1e-4
    assert total.max() <= 6.0 + 1e-4
    assert (loudest < total).all()
