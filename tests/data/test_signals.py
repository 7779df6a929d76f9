"""Band-limited noise, against Nengo's own process and the spectrum it must have."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.data.signals import delayed, white_signals
from edgemem.errors import ConfigError


@pytest.mark.parametrize(("window", "high"), [(50, 10.0), (101, 3.0), (1000, 10.0)])
def test_signals_are_those_of_nengo(window: int, high: float) -> None:
    import nengo

    dt, n_steps = 1.0 / window, int(2.5 * window + 1e-7)
    process = nengo.processes.WhiteSignal(n_steps * dt, high=high, y0=0)
    rng = np.random.RandomState(3)
    wanted = np.stack([process.run_steps(n_steps, dt=dt, rng=rng)[:, 0] for _ in range(4)])
    wanted /= np.abs(wanted).max(axis=1, keepdims=True)
    np.testing.assert_allclose(white_signals(4, n_steps, dt, high, 3), wanted, atol=1e-12)


def test_no_power_above_the_cut_off() -> None:
    x = white_signals(50, 1000, 0.01, 5.0, 0)
    power = (np.abs(np.fft.rfft(x)) ** 2).mean(axis=0)
    frequencies = np.fft.rfftfreq(1000, 0.01)
    passed = (frequencies > 0) & (frequencies <= 5.0)
    assert power[~passed].max() < 1e-20 * power[passed].mean()
    assert power[passed].std() < 0.5 * power[passed].mean()
    np.testing.assert_allclose(np.abs(x).max(axis=1), 1.0)


def test_a_delay_by_hand() -> None:
    x = np.array([[1, 2, 3, 4, 5]], np.float32)
    y = delayed(x, np.array([0, 1, 3]))
    assert np.isnan(y[0, :3]).all()
    assert y[0, 3:].tolist() == [[4, 3, 1], [5, 4, 2]]


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ConfigError, match="6 Hz is above half of 10 steps a second"):
        white_signals(1, 100, 0.1, 6.0, 0)
    with pytest.raises(ConfigError, match=r"0\.5 s hold no period of 1 Hz"):
        white_signals(1, 5, 0.1, 1.0, 0)
