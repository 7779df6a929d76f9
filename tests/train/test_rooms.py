"""Late reverberation: its energy, its decay, and what sound convolved with a response gives."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.frontend import PICTURES, Stream
from edgemem.train.rooms import reverberate

PERIOD = 0.01


def of_impulse(t60=0.3, direct=3.0, n_frames=400, period=PERIOD):
    power = np.zeros((1, n_frames, 2), np.float32)
    power[0, 5] = 1.0
    heard = reverberate(power, np.full((1, 2), t60), np.array([direct]), period)
    return power, heard


@pytest.mark.parametrize("direct", [0.0, 6.0, 15.0])
def test_the_ratio_of_direct_to_reverberant_energy(direct):
    power, heard = of_impulse(direct=direct)
    late = (heard - power).sum(axis=1)
    np.testing.assert_allclose(10 * np.log10(1.0 / late), direct, atol=1e-3)


@pytest.mark.parametrize("t60", [0.1, 0.6])
def test_the_energy_falls_by_60_db_in_t60(t60):
    _, heard = of_impulse(t60)
    frames = round(t60 / PERIOD)
    np.testing.assert_allclose(10 * np.log10(heard[0, 6] / heard[0, 6 + frames]), 60.0, atol=1e-2)


def test_nothing_sounds_before_its_cause_and_every_band_has_its_own_decay():
    power = np.zeros((1, 50, 2), np.float32)
    power[0, 20] = 1.0
    heard = reverberate(power, np.array([[0.1, 0.5]]), np.array([0.0]), PERIOD)
    assert (heard[0, :20] == 0.0).all()
    assert heard[0, 40, 1] > 100.0 * heard[0, 40, 0]


def test_a_steady_sound_grows_by_the_reverberant_energy_from_the_first_frame_on():
    steady = np.full((2, 30, 3), 0.25, np.float32)
    heard = reverberate(steady, np.full((2, 3), 0.4), np.array([0.0, 10.0]), PERIOD)
    np.testing.assert_allclose(heard[0], 0.5, rtol=1e-5)
    np.testing.assert_allclose(heard[1], 0.275, rtol=1e-5)


def room_response(t60, direct, rng, rate=16000):
    """An impulse and an exponentially decaying noise (Polack's model), of given energies."""
    time = np.arange(round(t60 * rate)) / rate
    tail = rng.standard_normal(len(time)) * 10.0 ** (-3.0 * time / t60)
    tail *= np.sqrt(10.0 ** (-direct / 10.0) / (tail**2).sum())
    tail[0] += 1.0
    return tail


@pytest.mark.parametrize("t60,direct", [(0.2, 0.0), (0.4, 5.0)])
def test_powers_are_those_of_sound_convolved_with_a_room_on_average(t60, direct):
    rng = np.random.default_rng(0)
    frontend = PICTURES
    # bursts of noise with pauses, over a quiet floor
    envelope = np.repeat(rng.choice([0.003, 0.1, 1.0], 20, p=[0.6, 0.2, 0.2]), 800)
    sound = rng.standard_normal((40, len(envelope))) * envelope * 0.05

    def powers(samples):
        whole = np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)
        features = np.stack([Stream(frontend).push(row) for row in whole])
        return 10.0 ** ((features - frontend.offset) / (10.0 * frontend.gain))

    rooms = [room_response(t60, direct, rng) for _ in sound]
    convolved = [np.convolve(row, room)[: len(row)] for row, room in zip(sound, rooms)]
    wanted = powers(np.array(convolved)).mean(axis=(0, 2))
    dry = powers(sound).astype(np.float32)
    found = reverberate(
        dry, np.full((len(dry), dry.shape[2]), t60), np.full(len(dry), direct), PERIOD
    ).mean(axis=(0, 2))
    gap = 10 * np.log10(found / wanted)
    # frames overlap, which smears a room's first milliseconds; within 2 dB all along the decay
    assert np.abs(np.median(gap)) < 0.5
    assert np.quantile(np.abs(gap), 0.9) < 2.0
    assert np.abs(10 * np.log10(dry.mean(axis=(0, 2)) / wanted)).max() > 6.0
