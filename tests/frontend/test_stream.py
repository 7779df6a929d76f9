"""Features of sound: against an independent computation, in blocks of any size, in silence."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from python_speech_features import sigproc

from edgemem.errors import AudioError
from edgemem.frontend import PICTURES, RECORDINGS, FrontEnd
from edgemem.frontend.mel import mel_filters

Samples = npt.NDArray[np.int16]

FRONTENDS = {
    "pictures": PICTURES,
    "pairs": replace(PICTURES, stack=2),
    "mfcc": FrontEnd(kind="mfcc", n_mfcc=13, stack=3, window="hann_symmetric"),
    "blocked": replace(RECORDINGS, stack=2),
    "odd": FrontEnd(frame_length=400, hop_length=133, n_fft=400, f_max=8000.0, n_mels=20),
}


def sound(count: int, seed: int = 0) -> Samples:
    """Noise with a swelling tone: all levels, no silence."""
    rng = np.random.default_rng(seed)
    t = np.arange(count) / 16000
    tone = np.sin(2 * np.pi * 700 * t) * 0.5 * (1 + np.sin(9 * t))
    return np.asarray(8000 * tone + 300 * rng.standard_normal(count)).astype(np.int16)


@pytest.mark.parametrize("window", ["hann_periodic", "hann_symmetric"])
@pytest.mark.parametrize("kind", ["logmel", "mfcc"])
def test_features_are_those_of_python_speech_features_and_scipy(kind: str, window: str) -> None:
    frontend = FrontEnd(kind=kind, window=window, gain=0.5, offset=3.0)
    samples = sound(16000)
    shape = scipy.signal.get_window("hann", 480, fftbins=window == "hann_periodic")
    frames = sigproc.framesig(samples / 32768, 480, 160, lambda n: shape)
    power = sigproc.powspec(frames, 512)
    decibel = 10 * np.log10(power @ mel_filters(40, 512, 16000, 0, 4000).T + 1e-9)
    if kind == "mfcc":
        decibel = scipy.fft.dct(decibel, norm="ortho", axis=-1)[:, :13]
    # sigproc pads the end with zeros to fill a last frame; a causal front end does not.
    np.testing.assert_allclose(frontend.features(samples), (0.5 * decibel + 3.0)[:98], atol=2e-5)


@pytest.mark.parametrize("name", FRONTENDS)
@given(cuts=st.lists(st.integers(0, 1700), max_size=12), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_any_cutting_gives_the_same_frames_bit_for_bit(
    name: str, cuts: list[int], seed: int
) -> None:
    frontend, samples = FRONTENDS[name], sound(sum(cuts) + 700, seed)
    stream = frontend.stream()
    ends = np.cumsum([0, *cuts])
    blocks = [stream.push(samples[a:b]) for a, b in zip(ends, ends[1:])]
    blocks.append(stream.push(samples[ends[-1] :]))
    np.testing.assert_array_equal(np.concatenate(blocks), frontend.features(samples))


@pytest.mark.parametrize("block", [1, 160, 161, 480, 512])
def test_blocks_of_one_size_over_more_than_one_chunk(block: int) -> None:
    samples = sound(50000 if block > 1 else 2000)
    stream = PICTURES.stream()
    blocks = [stream.push(samples[i : i + block]) for i in range(0, len(samples), block)]
    np.testing.assert_array_equal(np.concatenate(blocks), PICTURES.features(samples))


@given(later=st.integers(0, 97))
@settings(max_examples=20)
def test_the_front_end_is_causal(later: int) -> None:
    samples = sound(16000)
    whole = PICTURES.features(samples)
    changed = samples.copy()
    changed[later * 160 + 480 :] = 0
    np.testing.assert_array_equal(PICTURES.features(changed)[: later + 1], whole[: later + 1])


@pytest.mark.parametrize("name", ["pairs", "blocked"])
def test_reset_forgets_every_sample(name: str) -> None:
    stream = FRONTENDS[name].stream()
    stream.push(sound(1000, seed=1))
    stream.reset()
    samples = sound(3000)
    np.testing.assert_array_equal(stream.push(samples), FRONTENDS[name].features(samples))


def test_digital_silence_has_the_level_of_the_floor() -> None:
    features = FrontEnd(floor_db=-80.0).features(np.zeros(1600, np.int16))
    np.testing.assert_allclose(features, -80.0, atol=1e-5)


def test_limits_hold_and_the_loudest_sound_is_finite() -> None:
    loud = np.where(np.arange(4000) % 20 < 10, 32767, -32768).astype(np.int16)
    features = replace(PICTURES, offset=250.0).features(loud)
    assert features.max() == 255.0
    assert features.min() >= 0.0
    assert np.isfinite(FrontEnd().features(loud)).all()


def test_twice_the_amplitude_is_six_decibels_more() -> None:
    quiet = FrontEnd().features(sound(4000))
    loud = FrontEnd().features((2 * sound(4000)).astype(np.int16))
    np.testing.assert_allclose(loud - quiet, 20 * np.log10(2), atol=1e-2)


@pytest.mark.parametrize(
    ("samples", "got"),
    [(np.zeros(480, np.float32), "float32"), (np.zeros((2, 480), np.int16), r"\(2, 480\)")],
)
def test_samples_of_another_kind_are_refused(samples: Samples, got: str) -> None:
    with pytest.raises(AudioError, match=f"samples are .*{got}.*expected one channel of 16-bit"):
        PICTURES.stream().push(samples)
