"""The front end's description: checks, JSON, digest, counts."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from edgemem.errors import ConfigError, ShapeError
from edgemem.frontend import PICTURES, RECORDINGS, FrontEnd


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "plp"}, "kind is 'plp'; known: logmel, mfcc"),
        ({"window": "kaiser"}, "window is 'kaiser'; known: hann_periodic, hann_symmetric"),
        ({"stack": 0}, "stack is 0"),
        ({"n_mels": 40.0}, "n_mels is 40.0"),
        ({"hop_length": True}, "hop_length is True"),
        ({"gain": "2"}, "gain is '2'"),
        ({"gain": 0.0}, "gain must not be zero"),
        ({"offset": float("nan")}, "offset is nan; it must be finite"),
        ({"low": float("-inf")}, "low is -inf; it must be finite"),
        ({"low": 1.0, "high": 1.0}, "high must lie above low, 1.0; got 1.0"),
        ({"hop_length": 481}, "hop_length must be at most frame_length, 480; got 481"),
        ({"n_fft": 256}, "n_fft must be at least frame_length, 480; got 256"),
        ({"frame_length": 1, "hop_length": 1}, "frame_length must be 2 or more"),
        ({"f_min": -1.0}, "f_min must be 0 Hz or more"),
        ({"f_max": 9000.0}, "f_max must lie above f_min, 0.0 Hz, and at most at half"),
        ({"f_min": 4000.0}, "f_max must lie above f_min"),
        ({"kind": "mfcc", "n_mfcc": 41}, "n_mfcc must be at most n_mels, 40; got 41"),
        ({"dc_pole": 1.0}, "dc_pole must lie between 0.5 and 0.9999; got 1.0"),
        ({"dc_pole": 0}, "dc_pole must lie between"),
        ({"dc_pole": True}, "dc_pole is True; it must be a number"),
        ({"n_mels": 120}, "holds no bin of an FFT of 512 samples"),
        # edges that are one number in floats: a band of nothing, not of NaN
        ({"f_min": 3999.9999999999995, "f_max": 4000.0}, "holds no bin"),
        ({"f_max": 1e-300}, "holds no bin"),
        ({"floor_db": 1e6}, "floor_db must lie within 1000 dB"),
        ({"n_fft": 1 << 28}, "a whole number from 1 to 16384"),
        ({"hop_length": 1 << 27}, "a whole number from 1 to 16384"),
        ({"n_mels": 10**12}, "a whole number from 1 to"),
        ({"n_mels": 513}, "n_mels must be at most 512"),
        ({"stack": 1024, "n_mels": 100}, "at most 65536"),
        ({"high": 10**400}, "must be finite"),
    ],
)
def test_values_that_cannot_work_are_named(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match="front end: ") as raised:
        replace(PICTURES, **change)
    assert message in str(raised.value)


def test_json_brings_the_same_front_end_back() -> None:
    frontend = FrontEnd(kind="mfcc", n_mfcc=20, low=-50, stack=2)
    again = FrontEnd.from_dict(json.loads(json.dumps(frontend.to_dict())))
    assert again == frontend
    assert again.digest() == frontend.digest()


def test_without_a_blocker_text_and_digest_are_what_they_were() -> None:
    # of the pictures' front end, before there was a blocker
    digest = "1c4a235f11c5e3c98760c919603db3344acd0248f0630fa4bab3ed7cd3e76225"
    assert PICTURES.digest() == digest
    assert "dc_pole" not in PICTURES.to_dict()
    assert FrontEnd.from_dict(PICTURES.to_dict()).dc_pole is None
    assert RECORDINGS.to_dict() == {**PICTURES.to_dict(), "dc_pole": 0.995}
    assert FrontEnd.from_dict(RECORDINGS.to_dict()) == RECORDINGS
    assert RECORDINGS.digest() != PICTURES.digest()


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown field 'n_mel'; known: .*n_mels"):
        FrontEnd.from_dict({"n_mel": 40})


def test_the_digest_is_that_of_the_sorted_json() -> None:
    text = json.dumps(dict(sorted(PICTURES.to_dict().items())), separators=(",", ":"))
    assert PICTURES.digest() == hashlib.sha256(text.encode()).hexdigest()
    assert replace(PICTURES, gain=2.0).digest() != PICTURES.digest()
    assert replace(PICTURES, f_max=4000).digest() == PICTURES.digest()


def test_sizes_and_times() -> None:
    assert (PICTURES.n_bands, PICTURES.n_features, PICTURES.frame_period) == (40, 40, 0.01)
    paired = FrontEnd(kind="mfcc", n_mfcc=13, stack=2)
    assert (paired.n_bands, paired.n_features, paired.frame_period) == (13, 26, 0.02)
    # The first of 98 vectors ends at sample 480, the last at 97 * 160 + 480 = 16,000.
    assert PICTURES.lead + PICTURES.frame_period == pytest.approx(480 / 16000)
    assert PICTURES.lead + 98 * PICTURES.frame_period == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 0), (479, 0), (480, 1), (639, 1), (640, 2), (16000, 98)]
)
def test_number_of_frames(samples: int, frames: int) -> None:
    assert PICTURES.n_frames(samples) == frames
    assert replace(PICTURES, stack=2).n_frames(samples) == frames // 2
    assert PICTURES.features(np.zeros(samples, np.int16)).shape == (frames, 40)


def test_stacking_puts_the_oldest_frame_first() -> None:
    frames = np.arange(2 * 5 * 40, dtype=np.float32).reshape(2, 5, 40)
    stacked = replace(PICTURES, stack=2).stack_frames(frames)
    assert stacked.shape == (2, 2, 80)
    np.testing.assert_array_equal(stacked[1, 1, :40], frames[1, 2])
    np.testing.assert_array_equal(stacked[1, 1, 40:], frames[1, 3])


def test_stacking_refuses_frames_of_another_width() -> None:
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., t, 40\)"):
        PICTURES.stack_frames(np.zeros((5, 39), np.float32))
