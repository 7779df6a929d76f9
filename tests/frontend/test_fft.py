"""The integer transform against numpy.fft and exact arithmetic; the logarithm against math.log2."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.frontend.fft import (
    DATA_LIMIT,
    LOG_TABLE,
    TWIDDLE_BITS,
    RealFFT,
    halves_up,
    log2,
    power_words,
    quarter_wave,
)

Pair = tuple[int, int]


def spectrum(samples: np.ndarray, n_bins: int) -> np.ndarray:
    n_fft = samples.shape[-1]
    bins = RealFFT(n_fft, n_bins)(samples)
    upper = np.arange(1, n_bins + 1) > n_fft // 4
    return np.where(upper, bins.conj(), bins)


def exact_turn(point: Pair, k: int, n: int) -> Pair:
    """exp(-2 pi i k / n) times 2^22 times a point, in unlimited integers."""
    cosine = round(math.cos(2 * math.pi * k / n) * 2**TWIDDLE_BITS)
    sine = round(math.sin(2 * math.pi * k / n) * 2**TWIDDLE_BITS)
    return point[0] * cosine + point[1] * sine, point[1] * cosine - point[0] * sine


def exact_transform(points: list[Pair]) -> list[Pair]:
    """Decimation in time as a recursion: the transforms of the even and of the odd points."""
    n = len(points)
    if n == 1:
        return points
    even, odd = exact_transform(points[::2]), exact_transform(points[1::2])
    half = 1 << (TWIDDLE_BITS - 1)
    turned = [exact_turn(point, k, n) for k, point in enumerate(odd)]
    rounded = [((re + half) >> TWIDDLE_BITS, (im + half) >> TWIDDLE_BITS) for re, im in turned]
    pairs = list(zip(even, rounded))
    return [(a + t, b + u) for (a, b), (t, u) in pairs] + [
        (a - t, b - u) for (a, b), (t, u) in pairs
    ]


def exact_powers(samples: list[int]) -> list[int]:
    """|X_k|^2 for k from 1 to n / 2 - 1 in unlimited integers."""
    n, m = len(samples), len(samples) // 2
    z = exact_transform(list(zip(samples[::2], samples[1::2])))
    powers = {}
    for k in range(1, m // 2 + 1):
        (a, b), (c, d) = z[k], z[m - k]
        sums = ((a + c) << TWIDDLE_BITS, (b - d) << TWIDDLE_BITS)
        re, im = exact_turn((a - c, b + d), k, n)
        for place, sign in ((m - k, -1), (k, 1)):
            # -i (re + i im) = im - i re
            twice = (sums[0] + sign * im, sums[1] - sign * re)
            x, y = ((v + (1 << TWIDDLE_BITS)) >> (TWIDDLE_BITS + 1) for v in twice)
            powers[place] = x * x + y * y
    return [powers[k] for k in range(1, m)]


@pytest.mark.parametrize("n_fft", [8, 16, 64, 512, 1024])
def test_the_spectrum_is_that_of_numpy(n_fft: int) -> None:
    rng = np.random.default_rng(n_fft)
    for size in (3.0, DATA_LIMIT / n_fft):
        samples = np.floor(rng.uniform(-size, size, (4, n_fft)))
        for n_bins in (1, n_fft // 4, n_fft // 4 + 1, n_fft // 2 - 1):
            expected = np.fft.rfft(samples)[:, 1 : n_bins + 1]
            # a rounding of 1/2 in each stage, and twiddles right to 2^-23
            allowed = np.sqrt(n_fft) + 1e-6 * np.abs(samples).sum(axis=1, keepdims=True)
            assert (np.abs(spectrum(samples, n_bins) - expected) < allowed).all()


def test_a_transform_by_hand() -> None:
    impulse = np.zeros((1, 8))
    impulse[0, 1] = 1000
    # 1000 exp(-2 pi i k / 8), halves up
    expected = [707 - 707j, -1000j, -707 - 707j]
    np.testing.assert_array_equal(spectrum(impulse, 3), [expected])


def test_an_impulse_at_the_start_reaches_every_bin_as_it_is() -> None:
    impulse = np.zeros((1, 512))
    impulse[0, 0] = 123456789
    np.testing.assert_array_equal(spectrum(impulse, 255), np.full((1, 255), 123456789))


@pytest.mark.parametrize("kind", ["noise", "tone", "constant", "alternating"])
def test_floats_hold_every_integer_of_the_loudest_sound(kind: str) -> None:
    n_fft = 128
    step = math.floor(DATA_LIMIT / n_fft)
    places = np.arange(n_fft)
    signs = {
        "noise": np.random.default_rng(0).choice([-1, 1], n_fft),
        "tone": np.where(np.sin(2 * np.pi * 5 * places / n_fft + 0.3) < 0, -1, 1),
        "constant": np.ones(n_fft),
        "alternating": (-1) ** places,
    }
    samples = (step * signs[kind]).astype(np.float64)
    high, low = power_words(RealFFT(n_fft, n_fft // 2 - 1)(samples[None]))
    got = [int(h) * 2**31 + int(w) for h, w in zip(high[0], low[0])]
    assert got == exact_powers([int(x) for x in samples])


@given(st.integers(-(2**52), 2**52 - 1), st.integers(1, 30))
def test_rounding_is_to_the_nearest_halves_up(x: int, bits: int) -> None:
    nearest = (2 * x + 2**bits) // 2 ** (bits + 1)
    assert halves_up(np.array([float(x)]), bits)[0] == nearest


@given(st.integers(1, 2**94 - 1))
@settings(max_examples=500)
def test_the_logarithm_is_right_to_its_stated_error(value: int) -> None:
    high, low = divmod(value, 2**31)
    got = int(log2(np.array([high]), np.array([low]))[0])
    assert abs(got / 2**16 - math.log2(value)) <= 6e-5


def test_the_logarithm_of_a_power_of_two_is_exact_and_it_never_falls() -> None:
    values = sorted({2**k for k in range(94)} | {2**k - 1 for k in range(1, 94)})
    high, low = np.array([divmod(value, 2**31) for value in values]).T
    logs = log2(high, low)
    assert (np.diff(logs) >= 0).all()
    exact = {2**k: k << 16 for k in range(94)}
    assert all(logs[values.index(value)] == log for value, log in exact.items())


def test_no_entry_of_a_table_depends_on_the_last_bits_of_a_library_function() -> None:
    angles = 2 * np.pi * np.arange(257) / 1024
    for exact, table in (
        (np.cos(angles) * 2**TWIDDLE_BITS, quarter_wave(1024)),
        (2**16 * np.log2(1 + np.arange(65) / 64), LOG_TABLE),
    ):
        np.testing.assert_array_equal(np.rint(exact), table)
        # halfway between two integers a bit of difference would round the other way
        assert np.abs(np.abs(exact - np.floor(exact)) - 0.5).min() > 1e-7
