"""Bounds against inputs that come up to them, and the integer step under those inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.cells.lmu import legendre_delay
from edgemem.errors import ToleranceError
from edgemem.quantize import multipliers
from edgemem.quantize.formats import Format, per_row
from edgemem.quantize.integer import rescaled
from edgemem.quantize.memory import (
    ROUNDING,
    bounds,
    covariance,
    expected_error,
    radius,
    rounded,
    split,
)

SIZES = [(4, 12.0), (6, 49.0), (12, 100.0), (24, 196.0)]
REACH = (1 << 15) - 1


def integer_memory(order: int, theta: float) -> tuple[np.ndarray, Format]:
    """``[A - I, B]`` in 8 bits a row, as it is in a program."""
    A, B = legendre_delay(order, theta)
    change = np.concatenate([A - np.eye(order), B], axis=1)
    form = per_row(change)
    return form.quantize(change), form


def matrices(change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = len(change)
    return np.eye(order) + change[:, :order], change[:, order:]


def worst_inputs(A: np.ndarray, rows: np.ndarray, n_steps: int) -> np.ndarray:
    """For each row i of responses ``(A^k start)_i``: the input of magnitude 1 that adds them up."""
    responses, now = [], rows
    for _ in range(n_steps):
        responses.append(now)
        now = A @ now
    # u_{T-k} = sign(response_k): the oldest first
    return np.where(np.concatenate(responses, axis=1)[:, ::-1] >= 0, 1.0, -1.0)


def trajectory(A: np.ndarray, B: np.ndarray, u: np.ndarray) -> np.ndarray:
    """States after each step, (n_steps, n, order), for inputs (n, n_steps)."""
    m, states = np.zeros((len(u), len(A))), []
    for t in range(u.shape[1]):
        m = m @ A.T + u[:, t : t + 1] * B[:, 0]
        states.append(m)
    return np.array(states)


@pytest.mark.parametrize(("order", "theta"), SIZES)
def test_the_worst_input_comes_up_to_the_bound_and_nothing_goes_beyond(
    order: int, theta: float
) -> None:
    A, B = legendre_delay(order, theta)
    n_steps = int(12 * theta)
    limits = bounds(A, B, 2.0)
    states = trajectory(A, B, 2.0 * worst_inputs(A, B, n_steps))
    last = np.abs(np.diagonal(states[-1]))
    assert np.all(last <= limits.state) and np.all(last >= 0.995 * limits.state)
    assert np.all(np.abs(states) <= limits.state)

    changes = np.diff(states, axis=0, prepend=0.0)
    assert np.all(np.abs(changes) <= limits.change)
    # m_T - m_{T-1} = B u_T + sum_k A^k (A - I) B u_{T-1-k}
    before = worst_inputs(A, A @ B - B, n_steps)
    u = 2.0 * np.concatenate([before, np.where(B >= 0, 1.0, -1.0)], axis=1)
    states = trajectory(A, B, u)
    last = np.abs(np.diagonal(states[-1] - states[-2]))
    assert np.all(last <= limits.change) and np.all(last >= 0.995 * limits.change)


@pytest.mark.parametrize(("order", "theta"), SIZES)
def test_the_worst_rounding_comes_up_to_the_bound(order: int, theta: float) -> None:
    A, B = legendre_delay(order, theta)
    limit = bounds(A, B, 1.0).rounding
    for row in range(order):
        # e_t = A e_{t-1} + r_t, |r_t| <= (1 + |B|) r, each with the sign that counts for the row
        response, error = np.eye(order)[row], 0.0
        for _ in range(int(12 * theta)):
            error += np.abs(response) @ (ROUNDING * (1.0 + np.abs(B[:, 0])))
            response = response @ A
        assert 0.995 * limit[row] <= error <= limit[row]


@pytest.mark.parametrize("u_scale", [1 / 128.0, 0.0123, 3.7])
@pytest.mark.parametrize(("order", "theta"), SIZES)
def test_no_integer_step_saturates_under_the_worst_inputs(
    order: int, theta: float, u_scale: float
) -> None:
    weight, form = integer_memory(order, theta)
    A, B = matrices(form.dequantize(weight))
    u_form = Format(8, u_scale)
    limits = bounds(A, B, 128 * float(u_form.scale))
    state = limits.state_format()
    multiplier, shift = multipliers.of_product(state, form, state)
    to_state = multipliers.of_rescale(u_form, state)
    ends = np.where(worst_inputs(A, B, int(4 * theta)) > 0, 127, -128).astype(np.int64)

    m, reached = np.zeros((order, order), np.int64), 0
    for t in range(ends.shape[1]):
        u = rescaled(ends[:, t : t + 1], to_state["multiplier"], to_state["shift"])
        total = np.concatenate([m, u], axis=1) @ weight.astype(np.int64).T
        change = rescaled(total, multiplier.astype(np.int64), shift.astype(np.int64))
        m = m + change
        for value in (u, change, m):
            assert np.abs(value).max() <= REACH + (value is u)
        reached = max(reached, int(np.abs(m).max()), int(np.abs(change).max()))
    # the bound is no idle one: the format next finer would overflow, or barely hold
    assert reached > 0.4 * REACH


def test_bounds_of_a_leak_are_its_geometric_series() -> None:
    A, B = np.array([[0.75]]), np.array([[2.0]])
    limits = bounds(A, B, 3.0)
    # sum 0.75^k = 4;  |0.75 - 1| sum 0.75^k = 1;  (1 + 2) r a step
    np.testing.assert_allclose(limits.state, 4.0 * 2.0 * 3.0, rtol=2e-3)
    np.testing.assert_allclose(limits.change, (1.0 + 1.0) * 2.0 * 3.0, rtol=2e-3)
    np.testing.assert_allclose(limits.rounding, 4.0 * 3.0 * ROUNDING, rtol=2e-3)
    # 24 (1 + tail) / (32767 - 6) steps need 2^5
    assert limits.state_format().scale == 2.0**5 / 2.0**15


def test_a_memory_that_keeps_everything_is_refused() -> None:
    with pytest.raises(
        ToleranceError, match=r"keeps its values for more than 131072 steps \(its .* 1\.0"
    ):
        bounds(np.eye(3), np.ones((3, 1)), 1.0)
    with pytest.raises(ToleranceError, match="rounding errors"):
        bounds(np.array([[1.0 - 5e-5]]), np.full((1, 1), 3.0), 1.0).state_format()


@settings(max_examples=30)
@given(st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0.1, 0.99))
def test_bounds_hold_for_any_stable_memory(order: int, seed: int, decay: float) -> None:
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(order, order)), rng.normal(size=(order, 1))
    A *= decay / radius(A)
    limits = bounds(A, B, 1.0)
    states = trajectory(A, B, rng.choice([-1.0, 1.0], size=(4, 60)))
    assert np.all(np.abs(states) <= limits.state * (1 + 1e-12))
    assert np.all(np.abs(np.diff(states, axis=0)) <= limits.change * (1 + 1e-12))


def test_two_halves_leave_a_share_of_two_to_the_sixteen() -> None:
    change = np.random.default_rng(0).normal(size=(7, 9))
    reach = np.abs(change).max(axis=1, keepdims=True)
    coarse, fine = (np.abs(rounded(change, n) - change) / reach for n in (1, 2))
    # half a step of 127, and that share of what is left
    assert coarse.max() <= 0.5 / 127 * (1 + 1e-5) and coarse.max() > 0.3 / 127
    assert fine.max() <= 0.25 / 127**2 * (1 + 1e-3)
    for part in split(change):
        form = per_row(part)
        np.testing.assert_array_equal(form.dequantize(form.quantize(part)), part)


def test_covariance_is_the_fixed_point() -> None:
    A, B = legendre_delay(6, 20.0)
    P = covariance(A, B)
    np.testing.assert_allclose(P, A @ P @ A.T + B @ B.T, rtol=1e-10, atol=1e-14)


def test_expected_error_is_that_of_a_run_on_white_noise() -> None:
    A, B = legendre_delay(6, 30.0)
    rough = rounded(np.concatenate([A - np.eye(6), B], axis=1))
    A_rounded, B_rounded = matrices(rough)
    u = np.random.default_rng(1).normal(size=(16, 4000))
    exact, got = trajectory(A, B, u)[300:], trajectory(A_rounded, B_rounded, u)[300:]
    share = np.mean((got - exact) ** 2, axis=(0, 1)) / np.mean(exact**2, axis=(0, 1))
    expected = expected_error(A, B, A_rounded, B_rounded)
    assert np.sqrt(share.mean()) == pytest.approx(expected, rel=0.1)
    # and in other units of the elements
    units = np.array([1.0, 3.0, 0.1, 7.0, 1.0, 0.5])
    scaled = [M * units / units[:, None] for M in (A, A_rounded)]
    inputs = [v / units[:, None] for v in (B, B_rounded)]
    other = expected_error(scaled[0], inputs[0], scaled[1], inputs[1])
    assert other == pytest.approx(expected, rel=1e-6)


def test_expected_error_of_a_growing_memory_is_infinite() -> None:
    A, B = np.array([[0.999]]), np.ones((1, 1))
    assert expected_error(A, B, np.eye(1), B) == np.inf
