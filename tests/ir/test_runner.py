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
    with pytest.raises(ShapeError, match=r"input of shape \(4,\); the graph takes \(3,\)"):
        runner.step(np.zeros(4, np.float32))
