"""Closed form of a window against units that integrate and fire step by step."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgemem.spiking.fire import fire, spike_times

STEPS = st.integers(1, 40)
RATES = st.floats(-1.0, 1.0, allow_subnormal=False)
RESTS = st.floats(-0.499, 0.499, allow_subnormal=False)


def stepped(v: float, rate: float, steps: int) -> tuple[list[int], Fraction]:
    """Plain integrate-and-fire in exact fractions, with the threshold of the text."""
    membrane, spikes = Fraction(v), []
    early = Fraction(1, 2**20)
    for _ in range(steps):
        membrane += Fraction(rate)
        spike = 0
        if membrane >= Fraction(1, 2) - early:
            spike = 1
        elif membrane < -Fraction(1, 2) - early:
            spike = -1
        membrane -= spike
        spikes.append(spike)
    return spikes, membrane


@given(RESTS, RATES, STEPS)
def test_closed_form_is_the_loop(v: float, rate: float, steps: int) -> None:
    spikes, left = stepped(v, rate, steps)
    sent, after = fire(np.array([v]), np.array([rate]), steps)
    assert sent[0] == sum(spikes)
    np.testing.assert_allclose(after[0], float(left), atol=1e-9)
    np.testing.assert_array_equal(spike_times(np.array([v]), np.array([rate]), steps)[:, 0], spikes)


@given(RATES, STEPS)
def test_rounded_to_the_nearest_spike(rate: float, steps: int) -> None:
    sent, _ = fire(np.zeros(1), np.array([rate]), steps)
    assert abs(sent[0] - steps * rate) <= 0.5 + 1e-5


def test_a_full_rate_spikes_in_every_step() -> None:
    rates = np.array([1.0, -1.0, 0.0])
    trains = spike_times(np.zeros(3), rates, 5)
    np.testing.assert_array_equal(trains, np.tile([1, -1, 0], (5, 1)))


def test_a_quarter_of_the_steps() -> None:
    # v: 1/4, 1/2 -> spike, -1/4, 0 | 1/4, 1/2 -> spike, ...
    train = spike_times(np.zeros(1), np.array([0.25]), 8)[:, 0]
    np.testing.assert_array_equal(train, [0, 1, 0, 0, 0, 1, 0, 0])


def test_what_is_left_adds_up_over_windows() -> None:
    v, total = np.zeros(1), 0.0
    for _ in range(100):
        sent, v = fire(v, np.array([0.13]), 3)
        total += sent[0]
    assert total == 39  # 100 * 3 * 0.13
