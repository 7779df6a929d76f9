"""Which part of a longer recording stands for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError
from edgemem.runtime.crop import SECOND, Crop

RATE = 16000
AROUND = Crop(1.0, center=True)


def word(start: float, length: float, whole: float = 4.0, level: float = 8000.0, dc: int = 0):  # type: ignore[no-untyped-def]
    """A tone somewhere in quiet noise, with a constant under it."""
    rng = np.random.default_rng(0)
    sound = 10.0 * rng.standard_normal(round(whole * RATE)) + dc
    first, last = round(start * RATE), round((start + length) * RATE)
    sound[first:last] += level * np.sin(0.3 * np.arange(last - first))
    return sound.astype(np.int16)


def test_without_center_the_beginning_stays() -> None:
    samples = word(2.0, 0.5)
    np.testing.assert_array_equal(SECOND.of(samples, RATE), samples[:RATE])
    np.testing.assert_array_equal(Crop(1.5).of(samples, RATE), samples[: RATE * 3 // 2])


@pytest.mark.parametrize("dc", [0, 6000])
@pytest.mark.parametrize("start", [0.7, 1.0, 2.13, 2.8])
def test_a_short_word_comes_into_the_middle(start: float, dc: int) -> None:
    samples = word(start, 0.5, dc=dc)
    assert AROUND.start(samples, RATE) / RATE == pytest.approx(start + 0.25 - 0.5, abs=0.03)
    part = AROUND.of(samples, RATE)
    assert len(part) == RATE and part.dtype == np.int16


@pytest.mark.parametrize(("start", "expected"), [(0.0, 0.0), (3.5, 3.0)])
def test_a_word_at_an_end_is_kept_whole(start: float, expected: float) -> None:
    samples = word(start, 0.5)
    first = AROUND.start(samples, RATE) / RATE
    assert first <= start + 0.01 and first + 1.0 >= start + 0.5 - 0.01
    assert abs(first - expected) <= 0.26


def test_of_a_long_word_the_loudest_part_is_kept() -> None:
    samples = word(0.5, 3.0, level=2000.0) // 1
    samples[2 * RATE : 3 * RATE] = word(0.0, 1.0, 1.0)
    assert AROUND.start(samples, RATE) / RATE == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("value", [0, 1234, -32768])
def test_a_constant_has_no_energy_and_no_warning(value: int) -> None:
    samples = np.full(3 * RATE, value, np.int16)
    assert 0 <= AROUND.start(samples, RATE) <= 2 * RATE


def test_a_short_recording_gets_zeros_at_its_end() -> None:
    samples = np.arange(1, 101).astype(np.int16)
    part = AROUND.of(samples, RATE)
    assert part[:100].tolist() == samples.tolist() and not part[100:].any() and len(part) == RATE


@given(
    st.lists(st.integers(-32768, 32767), min_size=1, max_size=400),
    st.floats(0.001, 0.02),
    st.booleans(),
)
def test_the_part_is_of_the_recording(values: list[int], seconds: float, center: bool) -> None:
    samples: npt.NDArray[np.int16] = np.array(values, np.int16)
    crop = Crop(seconds, center)
    n = crop.n_samples(RATE)
    first = crop.start(samples, RATE)
    assert 0 <= first <= max(0, len(samples) - n)
    wanted = np.zeros(n, np.int16)
    held = samples[first : first + n]
    wanted[: len(held)] = held
    np.testing.assert_array_equal(crop.of(samples, RATE), wanted)


@pytest.mark.parametrize(
    "seconds", [0, -1.0, float("nan"), float("inf"), 61.0, 10**400, True, "1", None]
)
def test_lengths_that_cannot_work_are_refused(seconds: object) -> None:
    with pytest.raises(ConfigError, match="expected a finite number above 0"):
        Crop(seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "expected fields and values"),
        ({"second": 1.0}, "unknown field 'second'"),
        ({"center": 1}, "center is 1"),
    ],
)
def test_what_a_file_says_is_checked(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Crop.from_dict(values)  # type: ignore[arg-type]


def test_what_is_said_comes_back() -> None:
    assert Crop.from_dict(Crop(1.5, True).to_dict()) == Crop(1.5, True)
    assert Crop.from_dict({}) == SECOND
