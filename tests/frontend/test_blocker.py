"""The DC blocker: against scipy's filter, in blocks of any size, at full scale, over minutes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.frontend import RECORDINGS, IntegerFrontEnd
from edgemem.frontend.blocker import (
    GREATEST_POLE,
    LEAST_POLE,
    MEAN_BITS,
    Blocker,
    FloatBlocker,
    IntegerBlocker,
    share_of,
)

Samples = npt.NDArray[np.int16]

POLES = [LEAST_POLE, 0.9, 0.995, 0.999, GREATEST_POLE]
FORMS = {"floats": FloatBlocker, "integers": IntegerBlocker}


def noise(count: int, seed: int = 0, offset: float = 0.0, rms: float = 3000.0) -> Samples:
    values = offset + rms * np.random.default_rng(seed).standard_normal(count)
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def filtered(samples: Samples, pole: float) -> npt.NDArray[np.float64]:
    """y_n = x_n - x_(n-1) + pole y_(n-1), with the first sample before the first."""
    start = scipy.signal.lfilter_zi([1.0, -1.0], [1.0, -pole]) * float(samples[0])
    out, _ = scipy.signal.lfilter([1.0, -1.0], [1.0, -pole], samples.astype(float), zi=start)
    return np.asarray(out)


def reals(form: str, blocked: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    return np.asarray(blocked, np.float64) * (2.0**-MEAN_BITS if form == "integers" else 1.0)


@pytest.mark.parametrize("offset", [0.0, -300.0, 6553.0])
@pytest.mark.parametrize("pole", POLES)
def test_floats_are_those_of_scipy(pole: float, offset: float) -> None:
    samples = noise(16000, offset=offset)
    np.testing.assert_allclose(FloatBlocker(pole)(samples), filtered(samples, pole), atol=1e-4)


@pytest.mark.parametrize("pole", POLES)
def test_integers_are_right_to_the_roundings_of_the_mean(pole: float) -> None:
    samples = noise(48000, offset=1000.0)
    held = 1.0 - share_of(pole) / 2**20  # the pole of the integers
    assert held == pytest.approx(pole, abs=2**-21)
    error = reals("integers", IntegerBlocker(pole)(samples)) - filtered(samples, held)
    # half a step of 2^-14 a sample, summed along a mean of 1 / (1 - pole) samples
    assert np.abs(error).max() <= 0.5 * 2.0**-MEAN_BITS / (1.0 - held)


@pytest.mark.parametrize("form", FORMS)
@given(cuts=st.lists(st.integers(0, 200), max_size=30), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_any_cutting_gives_the_same_samples_bit_for_bit(
    form: str, cuts: list[int], seed: int
) -> None:
    samples = noise(sum(cuts) + 50, seed, offset=500.0)
    whole, cut = FORMS[form](0.995), FORMS[form](0.995)
    ends = [*np.cumsum([0, *cuts]).tolist(), len(samples)]
    parts = [cut(samples[a:b]) for a, b in zip(ends, ends[1:])]
    assert [len(part) for part in parts] == [b - a for a, b in zip(ends, ends[1:])]
    np.testing.assert_array_equal(np.concatenate(parts), whole(samples))


@pytest.mark.parametrize("form", FORMS)
def test_reset_forgets_every_sample(form: str) -> None:
    blocker: Blocker = FORMS[form](0.995)
    blocker(noise(1000, 1, offset=9000.0))
    blocker.reset()
    np.testing.assert_array_equal(blocker(noise(500)), FORMS[form](0.995)(noise(500)))


def square(half: int, count: int) -> Samples:
    return np.where(np.arange(count) // half % 2, -32768, 32767).astype(np.int16)


LOUDEST: dict[str, Callable[[int], Samples]] = {
    "lowest": lambda count: np.full(count, -32768, np.int16),
    "alternating": lambda count: square(1, count),
    "square of 1 kHz": lambda count: square(8, count),
    "square of 20 Hz": lambda count: square(400, count),
    "square of 0.5 Hz": lambda count: square(16000, count),
    "noise of every bit": lambda count: (
        np.random.default_rng(0).integers(-32768, 32768, count).astype(np.int16)
    ),
}


@pytest.mark.parametrize("loud", LOUDEST)
@pytest.mark.parametrize("pole", POLES)
def test_no_sound_of_16_bits_overflows(pole: float, loud: str) -> None:
    samples = LOUDEST[loud](64000)
    blocked = IntegerBlocker(pole)(samples).astype(np.int64)
    # the mean stays in the range of the samples; the sum of both fits 30 bits and a sign
    means = (samples.astype(np.int64) << MEAN_BITS) - blocked
    assert means.min() >= -(1 << 29)
    assert means.max() < 1 << 29
    assert np.abs(blocked).max() < 1 << 30
    # and with the share, the one product, 64
    assert (1 << 30) * share_of(pole) < 1 << 62
    np.testing.assert_allclose(reals("integers", blocked), FloatBlocker(pole)(samples), atol=40.0)


@given(st.lists(st.sampled_from([-32768, -32767, -1, 0, 1, 32767]), min_size=1, max_size=300))
@settings(max_examples=100)
def test_the_mean_never_leaves_the_range_of_the_samples(values: list[int]) -> None:
    samples = np.array(values, np.int16)
    for pole in POLES:
        means = (samples.astype(np.int64) << MEAN_BITS) - IntegerBlocker(pole)(samples)
        assert means.min() >= min(values) << MEAN_BITS
        assert means.max() <= max(values) << MEAN_BITS


@pytest.mark.parametrize("pole", POLES)
def test_a_step_fades_without_a_limit_cycle(pole: float) -> None:
    samples = np.concatenate([[0], np.full(16000 * 8, 20000)]).astype(np.int16)
    blocked = IntegerBlocker(pole)(samples)[1:]
    # it only falls, and then it stands still, below half a step of 16 bits
    assert (np.diff(blocked) <= 0).all()
    assert np.unique(blocked[-16000:]).size == 1
    assert 0 <= blocked[-1] <= 0.5 / (1.0 - pole) + 1
    assert reals("integers", blocked)[-1] < 0.31


@pytest.mark.parametrize("form", FORMS)
def test_two_minutes_of_sound_do_not_drift(form: str) -> None:
    samples = noise(16000 * 120, offset=2000.0)
    blocked = reals(form, FORMS[form](0.995)(samples))
    # the last ten seconds begin afresh, and are the same a fifth of a second later
    afresh = reals(form, FORMS[form](0.995)(samples[-160000:]))
    assert np.abs(blocked[-156800:] - afresh[3200:]).max() < 0.02
    assert abs(blocked[-160000:].mean()) < 10.0  # 3000 of 16 bits, 160,000 times: 7.5


@pytest.mark.parametrize("offset", [-6553, 327, 6553])
def test_features_do_not_hear_an_offset(offset: int) -> None:
    samples = noise(16000, rms=1500.0)
    moved = (samples + offset).astype(np.int16)
    for front in (RECORDINGS, IntegerFrontEnd.of(RECORDINGS)):
        np.testing.assert_allclose(
            front.features(moved).astype(float), front.features(samples).astype(float), atol=1e-2
        )
    assert IntegerFrontEnd.of(RECORDINGS).sample_bits == MEAN_BITS
