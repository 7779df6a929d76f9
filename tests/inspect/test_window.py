"""The window of a memory against signals whose delay is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgemem.cells import LEM, LMU
from edgemem.inspect.layers import Pass
from edgemem.inspect.window import Window, middles, window
from edgemem.ops import Array


def decoded(cell: LMU, u: Array, shown: int = 0) -> Window:
    """The window of a memory into which ``u`` (n, n_steps, channels) is written as it is."""
    params = cell.init(np.random.default_rng(0)) | {"e_x": np.eye(cell.memory_d)}
    found = window(Pass("0.lmu", cell, params), u, shown)
    assert found is not None
    return found


def sines(theta: float, turns: float, n_steps: int) -> Array:
    """Eight phases of a sine with so many turns in a window, (8, n_steps, 1)."""
    phases = np.arange(8) * np.pi / 4
    return np.sin(2 * np.pi * turns / theta * np.arange(n_steps) + phases[:, None])[..., None]


def pade(n: int, m: int, s: complex) -> complex:
    """Numerator, of degree n, of the [n / m] Pade approximant of exp(s) (Pade 1892)."""
    return sum(
        math.comb(n, j) * math.factorial(m + n - j) / math.factorial(m + n) * s**j
        for j in range(n + 1)
    )


@pytest.mark.parametrize("turns", [1.0, 1.5, 2.0])
def test_the_error_at_the_end_of_the_window_is_that_of_the_pade_approximant(turns: float) -> None:
    order, theta = 6, 300.5  # the middle of what was written 300 steps ago is the window's end
    found = decoded(LMU(1, 1, order, theta), sines(theta, turns, 1500))
    assert found.delays[-1] == 300 and found.relative[-1] == 1.0
    # [order - 1 / order] approximant of exp(-s) at s = i omega theta (Voelker et al. 2019, sec. 2)
    s = 2j * np.pi * turns
    above, below = pade(order - 1, order, -s), pade(order, order - 1, s)
    expected = abs(above / below - np.exp(-s))
    # what is held for a step is not quite the sine
    assert found.nrmse[0, -1] == pytest.approx(expected, rel=0.02, abs=2e-4)


def test_slow_signals_are_known_and_fast_ones_are_not() -> None:
    cell = LMU(1, 1, 6, 60.0)
    slow, fast = (decoded(cell, sines(60.0, turns, 400)) for turns in (0.5, 8.0))
    assert slow.nrmse.max() < 0.01 and fast.nrmse[0, -1] > 0.5
    assert slow.overall < fast.overall


def test_no_polynomial_of_that_order_does_better_than_the_limit() -> None:
    rng = np.random.default_rng(0)
    found = decoded(LMU(2, 1, 4, 20.0, 2), rng.normal(size=(600, 60, 2)))
    best, memory = (np.square(each).mean(axis=1) for each in (found.limit, found.nrmse))
    assert (best < memory).all()
    # white noise: of 20 values 4 coefficients explain 4
    np.testing.assert_allclose(best, 16 / 20, rtol=0.05)
    exact = decoded(LMU(1, 1, 20, 20.0), rng.normal(size=(4, 60, 1)))
    assert exact.overall_limit < 1e-9


def test_channels_do_not_mix() -> None:
    u = np.concatenate([sines(40.0, 0.5, 200), sines(40.0, 6.0, 200)], axis=-1)
    found = decoded(LMU(2, 1, 5, 40.0, 2), u)
    assert found.nrmse.shape == (2, len(found.delays))
    assert found.nrmse[0].max() < 0.05 < 0.5 < found.nrmse[1, -1]


def test_the_drawn_window_is_the_end_of_the_sequence() -> None:
    u = sines(50.0, 0.7, 120)
    found = decoded(LMU(1, 1, 8, 50.0), u, shown=3)
    seen = found.seen
    assert seen.sequence == 3
    np.testing.assert_array_equal(seen.u[0], u[3, :69:-1, 0])
    true = np.sin(2 * np.pi * 0.7 / 50.0 * (119.5 - 50.0 * seen.fine) + 3 * np.pi / 4)
    np.testing.assert_allclose(seen.decoded[0], true, atol=0.02)


def test_a_window_longer_than_the_sequence() -> None:
    found = decoded(LMU(1, 1, 12, 400.0), sines(100.0, 0.5, 100))
    assert (found.whole, found.steps, found.delays[-1]) == (False, 1, 99)
    told = found.read()
    assert told[0] < 0.5 and told[1] < 0.9 and all(map(math.isnan, told[2:]))
    assert found.to_dict(None)["delay_seconds"] is None


def test_a_window_shorter_than_a_step() -> None:
    found = decoded(LMU(1, 1, 1, 0.25), sines(10.0, 1.0, 30))
    assert list(found.delays) == [0] and list(middles(found.delays, 0.25)) == [1.0]
    assert found.nrmse[0, 0] < 0.05


def test_channels_that_do_not_move() -> None:
    u = np.concatenate([np.full((8, 90, 1), 0.3), sines(20.0, 0.5, 90)], axis=-1)
    found = decoded(LMU(2, 1, 5, 20.0, 2), u)
    assert np.isnan(found.nrmse[0]).all() and np.isfinite(found.median).all()
    still = decoded(LMU(1, 1, 5, 20.0), u[..., :1])
    assert np.isnan(still.median).all()
    told = still.to_dict(0.02)
    assert told["nrmse_overall"] is None and told["nrmse"][0][0] is None
    assert told["theta_seconds"] == pytest.approx(0.4)


def test_cells_without_a_memory() -> None:
    cell = LEM(1, 2)
    part = Pass("0", cell, cell.init(np.random.default_rng(0)))
    assert window(part, np.ones((1, 2, 1))) is None
