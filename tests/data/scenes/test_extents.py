"""Words in clips: bursts whose start and end are known."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.data.scenes.extents import extent
from edgemem.frontend import PICTURES
from edgemem.frontend.powers import band_features, band_powers

RATE = 16000


def burst(*parts: tuple[float, float, float], noise: float = 20.0) -> tuple[float, float]:
    """Extent, in seconds, of a clip with tones from one time to another at an amplitude."""
    rng = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    sound = noise * rng.standard_normal(RATE)
    for first, last, level in parts:
        sound += level * np.sin(2 * np.pi * 700 * t) * ((t >= first) & (t < last))
    features = PICTURES.features(np.rint(sound).astype(np.int16))
    start, end = extent(band_powers(features, PICTURES), PICTURES)
    return start / RATE, end / RATE


@pytest.mark.parametrize(("first", "last"), [(0.2, 0.6), (0.05, 0.9), (0.5, 0.62)])
@pytest.mark.parametrize("noise", [1.0, 20.0, 200.0])
def test_one_burst(first: float, last: float, noise: float) -> None:
    # a frame is 30 ms long: it feels a tone half a frame before and after
    assert burst((first, last, 6000), noise=noise) == pytest.approx((first, last), abs=0.021)


def test_the_closure_before_a_plosive_belongs_to_the_word() -> None:
    assert burst((0.2, 0.45, 6000), (0.58, 0.62, 1500)) == pytest.approx((0.2, 0.62), abs=0.021)


def test_a_click_far_away_does_not() -> None:
    assert burst((0.03, 0.05, 3000), (0.4, 0.7, 6000)) == pytest.approx((0.4, 0.7), abs=0.021)


def test_a_faint_end_counts_down_to_30_db() -> None:
    assert burst((0.2, 0.4, 9000), (0.4, 0.6, 900))[1] == pytest.approx(0.6, abs=0.021)
    assert burst((0.2, 0.4, 9000), (0.4, 0.6, 90), noise=1)[1] == pytest.approx(0.4, abs=0.021)


def test_pictures_give_what_sound_gives() -> None:
    t = np.arange(RATE) / RATE
    sound = 5000 * np.sin(2 * np.pi * 500 * t) * ((t > 0.3) & (t < 0.7)) + 10 * np.sin(t)
    exact = band_powers(PICTURES.features(sound.astype(np.int16)), PICTURES)
    grey = np.rint(band_features(exact, PICTURES)).astype(np.uint8)
    assert extent(band_powers(grey, PICTURES), PICTURES) == extent(exact, PICTURES)


def test_silence_is_all_of_the_clip_at_most() -> None:
    start, end = extent(np.zeros((98, 40), np.float32), PICTURES)
    assert 0 <= start < end <= RATE
