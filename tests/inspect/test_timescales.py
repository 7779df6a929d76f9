"""Time scales against gates whose values are known, and against states that decay."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell
from edgemem.inspect.layers import Pass
from edgemem.inspect.timescales import MOST_STEPS, QUANTILES, Steps, time_scales
from edgemem.ir import trace
from edgemem.ops import Array

CELLS = (LEM(1, 4), GRU(1, 4), LSTM(1, 4))


def zeros(cell: Cell) -> dict[str, Array]:
    return {name: np.zeros(shape) for name, shape in cell.params.items()}


def logit(p: Array) -> Array:
    return np.log(p / (1.0 - p))


def test_biases_alone_set_the_steps_of_a_lem() -> None:
    cell = LEM(2, 3, dt=0.5)
    dt, dt_bar = np.array([0.4, 0.1, 0.002]), np.array([0.25, 0.25, 0.0001])
    params = {**zeros(cell), "b_1": logit(dt / 0.5), "b_2": logit(dt_bar / 0.5)}
    x = np.random.default_rng(0).normal(size=(4, 9, 2))
    z, y = time_scales(Pass("0.lem", cell, params), x)
    assert [(s.gate, s.state) for s in (z, y)] == [("dt", "z"), ("dt_bar", "y")]
    for scale, expected in ((z, dt), (y, dt_bar)):
        np.testing.assert_allclose(scale.trained.geometric_mean, expected)
        np.testing.assert_allclose(scale.trained.quantiles, np.tile(expected, (5, 1)))
        np.testing.assert_allclose(scale.trained.time_constants, -1.0 / np.log(1.0 - expected))
        assert scale.trained.variation == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(
        z.trained.over_units, np.quantile(-1.0 / np.log(1.0 - dt), QUANTILES)
    )


def test_steps_that_follow_the_input() -> None:
    cell = LEM(1, 1)
    open_, shut = 0.9, 0.1
    # the gate of z is 0.9 where the input is 1 and 0.1 where it is -1
    params = {**zeros(cell), "V_1": np.array([[float(logit(np.array(open_)))]])}
    x = np.tile([1.0, -1.0], 10)[None, :, None]
    z, _ = time_scales(Pass("0.lem", cell, params), x)
    assert z.trained.geometric_mean[0] == pytest.approx(np.sqrt(open_ * shut))
    assert z.trained.time_constants[0] == pytest.approx(-2.0 / np.log((1 - open_) * (1 - shut)))
    assert z.trained.variation == pytest.approx(np.log10(9.0))


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_state_decays_by_its_time_constants(cell: Cell) -> None:
    """Nothing new is written, so that what is left of a state is exp(-steps / tau)."""
    rng = np.random.default_rng(1)
    gates = {"lem": ("1", "2"), "gru": ("z",), "lstm": ("f",)}[cell.name]
    prefix = "V_" if cell.name == "lem" else "W_"
    drawn = {f"{prefix}{gate}": rng.normal(0, 2, (4, 1)) for gate in gates}
    params = {**zeros(cell), **drawn}
    x = rng.normal(size=(1, 30, 1))
    scales = time_scales(Pass("0", cell, params), x)
    _, after = trace(cell, params).scan(x, {n: np.ones((1, *s)) for n, s in cell.states.items()})
    for scale in scales:
        left = np.exp(-30 / scale.trained.time_constants)
        np.testing.assert_allclose(after[scale.state][0], left, rtol=1e-9)


def test_untrained_arrays_are_those_of_the_cell() -> None:
    cell = LEM(2, 8)
    x = np.random.default_rng(0).normal(size=(3, 12, 2))
    fresh = cell.init(np.random.default_rng(7))
    (z, y) = time_scales(Pass("0", cell, fresh), x, seed=7)
    for scale in (z, y):
        np.testing.assert_array_equal(scale.fresh.time_constants, scale.trained.time_constants)
    (other, _) = time_scales(Pass("0", cell, fresh), x, seed=8)
    assert not np.allclose(other.fresh.time_constants, z.fresh.time_constants)


def test_gates_that_are_shut_or_wide_open_stay_finite() -> None:
    with np.errstate(all="raise"):
        steps = Steps.of(np.array([[0.0, 1.0, 1.7]]))
    assert np.isfinite(steps.time_constants).all()
    assert steps.time_constants[0] > 1e11 and steps.time_constants[1] < 0.05


def test_many_steps_are_thinned_out() -> None:
    cell = LEM(1, 1)
    params = {**zeros(cell), "V_1": np.ones((1, 1))}
    x = np.random.default_rng(0).normal(size=(MOST_STEPS // 10, 25, 1))
    z, _ = time_scales(Pass("0", cell, params), x)
    exact = Steps.of((1.0 / (1.0 + np.exp(-x))).reshape(-1, 1))
    assert z.trained.geometric_mean[0] == pytest.approx(exact.geometric_mean[0], rel=0.02)


def test_a_backward_layer_begins_at_the_end() -> None:
    cell = LEM(1, 1)
    params = {**zeros(cell), "V_1": np.ones((1, 1)), "W_1": np.ones((1, 1)), "V_y": np.ones((1, 1))}
    x = np.random.default_rng(0).normal(size=(2, 9, 1))
    backward = time_scales(Pass("0", cell, params, backward=True), x)
    turned = time_scales(Pass("0", cell, params), x[:, ::-1])
    straight = time_scales(Pass("0", cell, params), x)
    constants = [s[0].trained.time_constants[0] for s in (backward, turned, straight)]
    assert constants[0] == constants[1] != constants[2]


def test_cells_without_gates() -> None:
    cell = LMU(1, 2, 3, 4.0)
    assert (
        time_scales(Pass("0", cell, cell.init(np.random.default_rng(0))), np.ones((1, 2, 1))) == ()
    )
