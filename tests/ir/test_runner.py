"""A graph as a runner: the same outputs as the whole sequence at once."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import LEM, LMU, Dense, Stack
from edgemem.errors import ShapeError
from edgemem.ir import trace
from edgemem.ir.runner import GraphRunner


@pytest.fixture
def runner() -> GraphRunner:
    cell = Stack((LMU(n_in=3, n_units=4, order=3, theta=5.0), LEM(4, 5), Dense(5, 2)))
    rng = np.random.default_rng(0)
    return GraphRunner(trace(cell, {**cell.constants, **cell.init(rng)}))


def test_steps_are_the_whole_sequence_and_reset_starts_it_anew(runner: GraphRunner) -> None:
    x = np.random.default_rng(1).standard_normal((20, 3)).astype(np.float32)
    whole, _ = runner.graph.scan(x.astype(np.float64))
    for _ in range(2):
        steps = [runner.step(row) for row in x]
        np.testing.assert_allclose(steps, whole, atol=1e-6)
        runner.reset()
    assert (runner.n_in, runner.n_out) == (3, 2)


def test_an_input_of_another_width_is_refused(runner: GraphRunner) -> None:
    with pytest.raises(ShapeError, match=r"input of shape \(4,\), expected \(3,\)"):
        runner.step(np.zeros(4, np.float32))


def test_tensors_are_those_of_the_equations() -> None:
    cell = LEM(3, 4)
    p = cell.init(np.random.default_rng(0))
    runner = GraphRunner(trace(cell, p))
    assert runner.tensors() == {}
    y, z = np.zeros(4), np.zeros(4)
    for x in np.random.default_rng(2).standard_normal((3, 3)).astype(np.float32):
        runner.step(x)
        dt, dt_bar = (
            1 / (1 + np.exp(-(p[f"V_{k}"] @ x + p[f"b_{k}"] + p[f"W_{k}"] @ y))) for k in "12"
        )
        z = z + dt * (np.tanh(p["V_z"] @ x + p["b_z"] + p["W_z"] @ y) - z)
        y = y + dt_bar * (np.tanh(p["V_y"] @ x + p["b_y"] + p["W_y"] @ z) - y)
        found = runner.tensors()
        for name, expected in {"x": x, "dt": dt, "dt_bar": dt_bar, "z_new": z, "y_new": y}.items():
            np.testing.assert_allclose(found[name].array, expected, atol=1e-12)
    assert list(found) == ["x", *(node.name for node in runner.graph.nodes)]
    assert (found["dt"].op, found["dt"].scale, runner.output_scale) == ("sigmoid", None, None)
    runner.reset()
    assert runner.tensors() == {}
