"""Variation of clips: powers add, levels move, and nothing else is cut or changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemem.frontend import PICTURES, FrontEnd
from edgemem.train.augment import Augmentation, Augmenter

STILL = Augmentation(
    shift=0.0,
    stretch=0.0,
    level=(0.0, 0.0),
    noise=0.0,
    floor=0.0,
    silence_level=(0.0, 0.0),
    time_masks=0,
    band_masks=0,
)
DECIBEL = FrontEnd(n_mels=5)
CEPSTRA = FrontEnd(kind="mfcc", n_mels=10, n_mfcc=5)
NONE = np.zeros((0, 20, 5), np.float32)


def varied(frames, frontend=DECIBEL, background=NONE, seed=0, **changes):
    augmenter = Augmenter(replace(STILL, **changes), frontend, background)
    frames = np.asarray(frames, np.float32)
    before = frames.copy()
    after = augmenter.speech(frames, np.random.default_rng(seed))
    np.testing.assert_array_equal(frames, before)
    assert after.shape == frames.shape
    assert after.dtype == np.float32
    return after


def drawn(n=3, seed=0):
    return np.random.default_rng(seed).uniform(-60, 0, (n, 20, 5)).astype(np.float32)


@pytest.mark.parametrize("frontend", [DECIBEL, CEPSTRA], ids=["logmel", "mfcc"])
def test_no_amounts_change_nothing(frontend):
    np.testing.assert_allclose(varied(drawn(), frontend), drawn(), atol=1e-4)


@pytest.mark.parametrize("snr,sum_db", [(0.0, 3.0103), (10.0, 0.41393), (-10.0, 10.41393)])
def test_noise_adds_its_power(snr, sum_db):
    # speech of power 1 everywhere; noise of whatever level, brought to 10^(-snr/10)
    background = np.full((1, 20, 5), -37.0, np.float32)
    noisy = varied(np.zeros((2, 20, 5)), background=background, noise=1.0, snr=(snr, snr))
    np.testing.assert_allclose(noisy, sum_db, atol=1e-4)


def test_noise_adds_its_power_in_the_units_of_the_front_end():
    frames = np.full((1, 20, 5), 2.305 * -40.0 + 208.8, np.float32)
    background = np.full((1, 20, 5), 30.0, np.float32)
    frontend = replace(PICTURES, n_mels=5)
    noisy = varied(frames, frontend, background, noise=1.0, snr=(0.0, 0.0))
    np.testing.assert_allclose(noisy, 2.305 * (-40.0 + 3.0103) + 208.8, atol=1e-3)


def test_the_ratio_of_signal_to_noise_is_one_of_mean_powers():
    frames, background = drawn(), drawn(4, 1)
    noisy = varied(frames, background=background, noise=1.0, snr=(7.0, 7.0))
    added = 10 ** (noisy.astype(float) / 10) - 10 ** (frames.astype(float) / 10)
    ratio = (10 ** (frames / 10)).mean(axis=(1, 2)) / added.mean(axis=(1, 2))
    np.testing.assert_allclose(10 * np.log10(ratio), 7.0, atol=0.01)


def test_the_share_of_noisy_clips():
    frames = np.zeros((400, 20, 5))
    noisy = varied(frames, background=np.zeros((1, 20, 5), np.float32), noise=0.3, snr=(0.0, 0.0))
    changed = np.abs(noisy - frames).max(axis=(1, 2)) > 1.0
    assert 0.2 < changed.mean() < 0.4


def test_a_level_moves_every_band_alike_and_stays_in_range():
    levels = varied(drawn(200), level=(-12.0, 6.0)) - drawn(200)
    assert levels.min() >= -12.001
    assert levels.max() <= 6.001
    np.testing.assert_allclose(levels, levels[:, :1, :1].repeat(20, 1).repeat(5, 2), atol=1e-3)
    assert levels.min() < -11.0
    assert levels.max() > 5.0


def test_features_stay_within_the_limits_of_the_front_end():
    frames = np.stack([np.full((20, 5), 1.0), np.full((20, 5), 254.0)])
    frontend = replace(PICTURES, n_mels=5)
    assert varied(frames, frontend, level=(30.0, 30.0)).max() == 255.0
    assert varied(frames, frontend, level=(-30.0, -30.0)).min() == 0.0
    one_sided = replace(DECIBEL, low=-50.0)
    assert varied(drawn(), one_sided, level=(-30.0, -30.0)).min() == -50.0


def ramp(n):
    """Frames that hold their own number."""
    return np.arange(20.0)[None, :, None].repeat(n, 0).repeat(5, 2)


def test_a_shift_moves_whole_frames_and_repeats_the_edge():
    moved = varied(ramp(300), CEPSTRA, shift=0.04)
    by = moved[:, 10, 0] - 10
    assert set(by) == set(range(-4, 5))
    expected = np.clip(ramp(300) + by[:, None, None], 0, 19)
    np.testing.assert_array_equal(moved, expected)


def test_a_stretch_changes_the_speed_around_the_middle():
    moved = varied(ramp(300), CEPSTRA, stretch=0.2)[:, :, 0]
    middle = (moved[:, 9] + moved[:, 10]) / 2
    np.testing.assert_allclose(middle, 9.5, atol=0.51)
    span = moved[:, 16] - moved[:, 3]
    # 6.5 frames to either side of the middle become 5.2 to 7.8, in whole frames
    assert set(span) == {11, 13, 15}


def test_masks_hide_stretches_and_bands_behind_the_mean():
    frames = drawn(300)
    hidden = varied(frames, CEPSTRA, time_masks=2, time_mask=3, band_masks=1, band_mask=2)
    mean = frames.mean(axis=(1, 2), keepdims=True)
    gone = np.isclose(hidden, mean) & ~np.isclose(frames, mean)
    np.testing.assert_array_equal(hidden[~gone], frames[~gone])
    whole_frames, whole_bands = gone.all(axis=2), gone.all(axis=1)
    assert whole_frames.sum(axis=1).max() in range(4, 7)
    assert whole_bands.sum(axis=1).max() == 2
    crossed = whole_frames[:, :, None] | whole_bands[:, None, :]
    np.testing.assert_array_equal(gone, crossed)


def test_a_noise_floor_is_steady_and_as_loud_as_asked():
    # bands of power 1; the middle band of the tilt gets a floor of 10^(-1) on average
    frames = np.zeros((500, 20, 5))
    power = 10 ** (varied(frames, floor=1.0, floor_snr=(10.0, 10.0)) / 10) - 1.0
    assert power.min() >= -1e-6
    np.testing.assert_allclose(power[:, :, 2].mean(), 0.1, rtol=0.05)
    tilt = 10 * np.log10(power[:, :, 4].mean(axis=1) / power[:, :, 0].mean(axis=1))
    assert -18.0 < tilt.min() < -10.0
    assert 10.0 < tilt.max() < 18.0


def test_silence_is_background_at_a_drawn_level():
    background = np.full((3, 20, 5), -50.0, np.float32)
    augmenter = Augmenter(replace(STILL, silence_level=(-30.0, 10.0)), DECIBEL, background)
    silence = augmenter.silence(200, np.random.default_rng(0))
    assert silence.shape == (200, 20, 5)
    level = silence + 50.0
    np.testing.assert_allclose(level, level[:, :1, :1].repeat(20, 1).repeat(5, 2), atol=1e-3)
    assert -30.01 < level.min() < -28.0
    assert 8.0 < level.max() < 10.01


def test_background_is_turned_not_repeated():
    background = np.arange(20.0, dtype=np.float32)[None, :, None].repeat(5, 2)
    silence = Augmenter(STILL, CEPSTRA, background).silence(100, np.random.default_rng(0))
    first = silence[:, 0, 0]
    assert len(np.unique(first)) > 15
    np.testing.assert_array_equal(silence[:, :, 0], (np.arange(20) + first[:, None]) % 20)


def test_cepstra_are_moved_and_masked_and_nothing_is_mixed_in():
    frames, background = drawn(50), drawn(3, 1)
    everything = Augmentation(
        noise=1.0, floor=1.0, level=(-12.0, -12.0), time_masks=0, band_masks=0
    )
    augmenter = Augmenter(everything, CEPSTRA, background)
    for before, after in zip(frames, augmenter.speech(frames, np.random.default_rng(0))):
        assert {row.tobytes() for row in after} <= {row.tobytes() for row in before}
    for piece in augmenter.silence(5, np.random.default_rng(0)):
        assert any({r.tobytes() for r in piece} == {r.tobytes() for r in b} for b in background)


def test_the_same_seed_gives_the_same_clips():
    default = Augmentation()
    augmenter = Augmenter(default, DECIBEL, drawn(2, 1))
    one, two, other = (augmenter.speech(drawn(), np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def ratio_of(frames, noisy):
    """Of mean powers of clips and of what was added, in dB."""
    clean, sum_ = (10 ** (np.asarray(f, float) / 10) for f in (frames, noisy))
    added = (sum_ - clean).mean(axis=(1, 2))
    return 10 * np.log10(clean.mean(axis=(1, 2)) / added)


@pytest.mark.parametrize("kind", [{"made": 1.0}, {"babble": 1.0}], ids=str)
@pytest.mark.parametrize("snr", [0.0, 10.0])
def test_every_kind_of_noise_is_mixed_at_the_ratio_that_is_asked_for(kind, snr):
    frames, background = drawn(8), drawn(4, 1)
    noisy = varied(frames, background=background, noise=1.0, snr=(snr, snr), **kind)
    np.testing.assert_allclose(ratio_of(frames, noisy), snr, atol=0.02)


def test_without_recordings_noise_is_made():
    frames = drawn(8)
    noisy = varied(frames, noise=1.0, snr=(5.0, 5.0), made=0.5)
    np.testing.assert_allclose(ratio_of(frames, noisy), 5.0, atol=0.02)


@pytest.mark.parametrize("direct", [0.0, 10.0])
def test_a_room_adds_its_energy(direct):
    # a sound with silence behind it, so that all of the tail is heard
    frames = np.full((50, 200, 5), -150.0, np.float32)
    frames[:, 20:30] = 0.0
    heard = varied(
        frames, background=np.zeros((0, 200, 5)), reverberation=1.0, direct=(direct, direct),
        t60=(0.3, 0.3),
    )  # fmt: skip
    np.testing.assert_allclose(ratio_of(frames, heard), direct, atol=0.05)


def test_the_share_of_clips_in_rooms():
    changed = varied(drawn(400), reverberation=0.3) - drawn(400)
    assert 0.2 < (np.abs(changed).max(axis=(1, 2)) > 0.01).mean() < 0.4


def test_a_microphone_colours_all_of_a_clip_alike():
    colour = varied(drawn(100), microphone=(-6.0, 6.0)) - drawn(100)
    np.testing.assert_allclose(colour, colour[:, :1].repeat(20, axis=1), atol=1e-3)
    assert np.abs(colour).max() <= 3.0 + 4.0 + 1e-3
    assert np.ptp(colour, axis=2).max() > 4.0


def test_silence_of_made_noise_has_the_level_of_silence():
    augmenter = Augmenter(replace(STILL, made=1.0), DECIBEL, drawn(3))
    silence = augmenter.silence(50, np.random.default_rng(0))
    assert silence.shape == (50, 20, 5)
    np.testing.assert_allclose(
        (10 ** (silence.astype(float) / 10)).mean(axis=(1, 2)), 1.0, rtol=0.01
    )
