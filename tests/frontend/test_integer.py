"""The integer front end against the float one, at all levels; its limits; what has no such form."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.errors import AudioError, ConfigError
from edgemem.frontend import PICTURES, RECORDINGS, FrontEnd, IntegerFrontEnd
from edgemem.frontend.integer import DCT_BITS, WINDOW_BITS
from edgemem.frontend.mel import dct_matrix, hann, mel_filters
from edgemem.runtime.sources import read_clip

Samples = npt.NDArray[np.int16]

DATA = os.environ.get("EDGEMEM_DATA")

FRONTENDS = {
    "pictures": PICTURES,
    "pairs": replace(PICTURES, stack=2),
    "blocked": replace(RECORDINGS, stack=2),
    "mfcc": FrontEnd(kind="mfcc", n_mfcc=13, stack=3, window="hann_symmetric"),
    "odd": FrontEnd(frame_length=401, hop_length=133, n_fft=512, f_max=8000.0, n_mels=20),
    "long": FrontEnd(frame_length=1024, hop_length=512, n_fft=1024, f_min=60.0, f_max=7600.0),
    "falling": FrontEnd(gain=-0.01, offset=1.0, floor_db=-80.0),
    "tiny": FrontEnd(frame_length=8, hop_length=8, n_fft=8, n_mels=1, f_min=1000.0, f_max=7000.0),
}


def sound(count: int, rms: float, seed: int = 0) -> Samples:
    """Noise that falls by 6 dB an octave with a swelling tone: a stand-in for speech."""
    rng = np.random.default_rng(seed)
    t = np.arange(count) / 16000
    brown = np.convolve(rng.standard_normal(count + 64), 0.94 ** np.arange(65), "valid")
    tone = 3.0 * np.sin(2 * np.pi * 700 * t) * (1 + np.sin(9 * t))
    both = brown + tone
    return np.rint(both * rms / np.sqrt(np.mean(both**2))).clip(-32768, 32767).astype(np.int16)


def decibels_off(frontend: FrontEnd, samples: Samples) -> npt.NDArray[np.float64]:
    form = IntegerFrontEnd.of(frontend)
    features = form.dequantize(form.features(samples)).astype(np.float64)
    return (features - frontend.features(samples)) / frontend.gain


@pytest.mark.parametrize("rms", [5000.0, 500.0, 70.0, 3.0])
@pytest.mark.parametrize("name", FRONTENDS)
def test_features_are_those_of_the_float_front_end(name: str, rms: float) -> None:
    frontend = FRONTENDS[name]
    error = np.abs(decibels_off(frontend, sound(16000, rms)))
    step = IntegerFrontEnd.of(frontend).scale / abs(frontend.gain)
    # almost nothing but the floor: there the transform's own roundings are not far below
    assert error.max() < (0.03 if rms > 10 else 0.08) + step
    assert error.mean() < (0.003 if rms > 10 else 0.015) + step / 2


@pytest.mark.skipif(not DATA, reason="EDGEMEM_DATA is not set: needs recorded clips")
@pytest.mark.parametrize("rms", [None, 70.0])
def test_recorded_clips_are_right_to_a_twentieth_of_a_decibel(rms: float | None) -> None:
    root = Path(DATA or "") / "speech_commands_v0.02_test"
    errors = []
    for path in sorted(root.glob("*/*.wav"))[::40]:
        samples = read_clip(path)
        if rms is not None:
            loud = max(1.0, float(np.sqrt(np.mean(samples.astype(float) ** 2))))
            samples = np.rint(samples * (rms / loud)).clip(-32768, 32767).astype(np.int16)
        errors.append(np.abs(decibels_off(PICTURES, samples)))
    assert len(errors) > 50
    assert max(error.max() for error in errors) < 0.05
    assert np.mean([error.mean() for error in errors]) < 0.005


def square(period: int, count: int = 4000) -> Samples:
    return np.where(np.arange(count) % period < period // 2, 32767, -32768).astype(np.int16)


@pytest.mark.parametrize("name", FRONTENDS)
@pytest.mark.parametrize("loud", ["lowest", "highest", "square 2", "square 20", "square 500"])
def test_the_loudest_sound_does_not_overflow(name: str, loud: str) -> None:
    frontend = FRONTENDS[name]
    samples = {"lowest": np.full(4000, -32768), "highest": np.full(4000, 32767)}.get(loud)
    if samples is None:
        samples = square(int(loud.split()[1]))
    error = np.abs(decibels_off(frontend, samples.astype(np.int16)))
    step = IntegerFrontEnd.of(frontend).scale / abs(frontend.gain)
    # what leaks out of a full-scale tone into the quietest bands is 130 dB below it
    assert error.max() < 0.3 + step


@pytest.mark.parametrize("name", FRONTENDS)
def test_digital_silence_has_the_level_of_the_floor(name: str) -> None:
    frontend = replace(FRONTENDS[name], kind="logmel")
    form = IntegerFrontEnd.of(frontend)
    expected = frontend.gain * frontend.floor_db + frontend.offset
    silent = form.features(np.zeros(4000, np.int16))
    assert np.abs(silent * form.scale - expected).max() <= form.scale + 0.001 * abs(frontend.gain)


@pytest.mark.parametrize("name", FRONTENDS)
@given(cuts=st.lists(st.integers(0, 1700), max_size=12), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_any_cutting_gives_the_same_frames_bit_for_bit(
    name: str, cuts: list[int], seed: int
) -> None:
    form = IntegerFrontEnd.of(FRONTENDS[name])
    samples = sound(sum(cuts) + 700, 1000.0, seed)
    stream = form.stream()
    ends = np.cumsum([0, *cuts])
    blocks = [stream.push(samples[a:b]) for a, b in zip(ends, ends[1:])]
    blocks.append(stream.push(samples[ends[-1] :]))
    got = np.concatenate(blocks)
    assert got.dtype == np.int16
    assert got.shape == (form.config.n_frames(len(samples)), form.n_features)
    np.testing.assert_array_equal(got, form.features(samples))


@pytest.mark.parametrize("name", ["pairs", "blocked"])
def test_reset_forgets_every_sample(name: str) -> None:
    form = IntegerFrontEnd.of(FRONTENDS[name])
    stream = form.stream()
    stream.push(sound(1000, 3000.0, seed=1))
    stream.reset()
    samples = sound(3000, 500.0)
    np.testing.assert_array_equal(stream.push(samples), form.features(samples))


def test_samples_of_another_kind_are_refused() -> None:
    with pytest.raises(AudioError, match="expected one channel of 16-bit"):
        IntegerFrontEnd.of(PICTURES).stream().push(np.zeros(480, np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "bits"),
    [
        # 0 to 255 in 7 fraction bits is 0 to 32640
        ({}, 7),
        ({"high": 256.0}, 6),
        # a square wave in the widest band: 10 log10(5.6 240^2 / 512) = 28 dB, feature 273
        ({"low": None, "high": None}, 6),
        # -90 to 28 dB
        ({"gain": 1.0, "offset": 0.0, "low": None, "high": None}, 8),
        ({"low": 0.0, "high": 1.0}, 14),
        # behind a blocker a square wave may be twice as high: 34 dB, feature 287
        ({"low": None, "high": None, "dc_pole": 0.995}, 6),
        ({"gain": 1.0, "offset": 0.0, "low": None, "high": None, "dc_pole": 0.995}, 8),
        ({"gain": 230500.0, "offset": 0.0, "low": None, "high": None}, -10),
    ],
)
def test_the_scale_follows_from_what_a_feature_can_reach(change: dict, bits: int) -> None:
    form = IntegerFrontEnd.of(replace(PICTURES, **change))
    assert form.fraction_bits == bits
    assert form.scale == 2.0**-bits
    loud = form.features(square(20)).astype(np.int64)
    assert np.abs(loud).max() < 1 << 15


def test_limits_hold() -> None:
    form = IntegerFrontEnd.of(replace(PICTURES, offset=250.0, low=100.0))
    features = form.dequantize(form.features(np.concatenate([np.zeros(500, np.int16), square(20)])))
    assert features.max() == 255.0
    assert features.min() == 100.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_fft": 500}, "n_fft is 500; .* power of two, 8 or more; train with n_fft = 512"),
        (
            {"frame_length": 4, "hop_length": 4, "n_fft": 4, "n_mels": 1, "f_max": 8000.0},
            "train with n_fft = 8",
        ),
        ({"floor_db": -250.0}, "floor_db is -250.0; .* raise it to -1"),
        ({"floor_db": 60.0}, "floor_db is 60.0; .* lower it to "),
        # bins lie at 62.5 and 93.75 Hz
        ({"f_min": 62.45, "f_max": 93.8, "n_mels": 1}, "band 0 is 0.003.*; train with fewer bands"),
        ({"gain": 1e12, "low": 0.0, "high": 1.0}, "gain 1000000000000.0 and offset .* 64 bits"),
        ({"offset": 1e12}, "lead out of 64 bits"),
    ],
)
def test_what_has_no_integer_form_is_refused_with_a_remedy(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IntegerFrontEnd.of(replace(PICTURES, **change))


def test_no_entry_of_a_table_depends_on_the_last_bits_of_a_library_function() -> None:
    for exact in (
        hann(480, periodic=True)[:241] * 2**WINDOW_BITS,
        mel_filters(40, 512, 16000, 0.0, 4000.0) * 2**15,
        dct_matrix(13, 40) * 2**DCT_BITS,
    ):
        # halfway between two integers a bit of difference would round the other way
        assert np.abs(np.abs(exact - np.floor(exact)) - 0.5).min() > 1e-8


def test_twice_the_amplitude_is_six_decibels_more() -> None:
    form = IntegerFrontEnd.of(FrontEnd(floor_db=-110.0))
    samples = sound(4000, 1000.0)
    louder = form.dequantize(form.features((2 * samples).astype(np.int16)))
    gained = louder - form.dequantize(form.features(samples))
    np.testing.assert_allclose(gained, 20 * math.log10(2), atol=0.01)
