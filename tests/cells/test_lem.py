"""LEM against Rusch et al. 2022, eq. 3, written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem import cells
from edgemem.ir import trace


def equation_3(p, u, dt):
    def logistic(a):
        return 1 / (1 + np.exp(-a))

    n = len(p["b_1"])
    y, z, out = np.zeros(n), np.zeros(n), []
    for u_n in u:
        dt_n = dt * logistic(p["W_1"] @ y + p["V_1"] @ u_n + p["b_1"])
        dt_bar_n = dt * logistic(p["W_2"] @ y + p["V_2"] @ u_n + p["b_2"])
        z = (1 - dt_n) * z + dt_n * np.tanh(p["W_z"] @ y + p["V_z"] @ u_n + p["b_z"])
        y = (1 - dt_bar_n) * y + dt_bar_n * np.tanh(p["W_y"] @ z + p["V_y"] @ u_n + p["b_y"])
        out.append(y)
    return np.array(out), y, z


@pytest.mark.parametrize("dt", [1.0, 0.3])
def test_a_sequence_follows_the_equation(dt):
    cell = cells.LEM(3, 6, dt)
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    u = rng.normal(size=(30, 3))
    expected, y, z = equation_3(arrays, u, dt)
    ours, states = trace(cell, arrays).scan(u)
    np.testing.assert_allclose(ours, expected, atol=1e-14)
    np.testing.assert_allclose(states["y"], y, atol=1e-14)
    np.testing.assert_allclose(states["z"], z, atol=1e-14)


@given(st.floats(0.01, 1.0), st.floats(0.1, 100.0), st.integers(0, 100))
def test_states_stay_within_one_for_dt_up_to_one(dt, size, seed):
    cell = cells.LEM(2, 3, dt)
    rng = np.random.default_rng(seed)
    arrays = {name: size * rng.normal(size=shape) for name, shape in cell.params.items()}
    _, states = trace(cell, arrays).scan(size * rng.normal(size=(20, 2)))
    assert all(np.abs(state).max() <= 1 for state in states.values())
