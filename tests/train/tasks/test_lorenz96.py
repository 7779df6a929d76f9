"""Lorenz-96 against scipy and against what is known of the system."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import solve_ivp

from edgemem.errors import ConfigError
from edgemem.train.tasks.lorenz96 import Options, load, rate, states


def written_out(t: float, x: npt.NDArray[np.float64]) -> list[float]:
    """The equations of five places, one by one, at F = 8."""
    a, b, c, d, e = x
    return [
        (b - d) * e - a + 8.0,
        (c - e) * a - b + 8.0,
        (d - a) * b - c + 8.0,
        (e - b) * c - d + 8.0,
        (a - c) * d - e + 8.0,
    ]


def test_states_are_the_solution_of_the_equations() -> None:
    start = np.array([8.0, 8.3, 7.6, 8.1, 7.9])
    times = np.linspace(0.0, 2.0, 201)
    # longer would compare what chaos has made of differences of 1e-9
    exact = solve_ivp(written_out, (0, 2), start, "DOP853", times, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(states(start[None], 200, 8.0)[0], exact.y.T, atol=2e-5)


def test_the_state_in_which_all_places_equal_the_forcing_stays() -> None:
    np.testing.assert_array_equal(rate(np.full((2, 5), 3.0), 3.0), 0.0)


def test_the_nonlinear_part_keeps_the_energy() -> None:
    # sum x_j (x_{j+1} - x_{j-2}) x_{j-1} = 0, so d/dt sum x^2 / 2 = sum (F x - x^2)
    x = np.random.default_rng(0).normal(size=(50, 5))
    got = (x * rate(x, 2.0)).sum(axis=1)
    np.testing.assert_allclose(got, (2.0 * x - x**2).sum(axis=1), atol=1e-12)


def test_the_state_some_steps_ahead_is_wanted_in_units_of_the_training_sets_deviation() -> None:
    data = load(Options(ahead=7, length=30), None, 0)
    x, y = data.test.x, data.test.y
    assert x.shape == y.shape == (512, 30, 5)
    np.testing.assert_array_equal(x[:, 7:], y[:, :-7])
    train = data.train.sequences  # type: ignore[attr-defined]
    assert train.x.std() == pytest.approx(1.0, abs=0.02)
    assert train.x.mean() == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ahead": 0}, r"ahead must be 1 or more \(got 0\)"),
        ({"length": 0}, r"length must be 1 or more \(got 0\)"),
        ({"forcing": 0.0}, r"forcing must lie in \(0, 20\] \(got 0.0\)"),
    ],
)
def test_options_that_cannot_work(values: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Options(**values)
