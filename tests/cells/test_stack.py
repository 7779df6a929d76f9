"""A stack is its cells, one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem import cells
from edgemem.cells.stack import scope
from edgemem.errors import ConfigError
from edgemem.ir import trace


def test_a_stack_runs_each_cell_on_the_output_below():
    members = (
        cells.Dense(3, 4, "relu"),
        cells.LMU.paper(4, 5, 3, 6.0),
        cells.Norm(5),
        cells.Stack((cells.LEM(5, 4, 0.5), cells.GRU(4, 2))),
    )
    stack = cells.Stack(members)
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in stack.params.items()}
    x = rng.normal(size=(2, 11, 3))
    together, states = trace(stack, arrays).scan(x)
    y = x
    for prefix, cell in stack.scopes():
        y, after = trace(cell, scope(arrays, prefix)).scan(y)
        for name, state in after.items():
            np.testing.assert_allclose(states[prefix + name], state, atol=1e-13)
    np.testing.assert_allclose(together, y, atol=1e-13)
    assert (stack.n_in, stack.n_out) == (3, 2)


def test_names_carry_the_place_and_the_cell():
    stack = cells.Stack((cells.LMU(2, 3, 4, 5.0), cells.Dense(3, 1)))
    assert "0.lmu.W_m" in stack.params
    assert "0.lmu.m" in stack.states
    assert "0.lmu.A" in stack.constants
    graph = trace(stack, stack.init(np.random.default_rng(0)))
    assert {"0.lmu.u", "0.lmu.m_new", "0.lmu.h_new", "1.dense.y"} <= set(graph.producers())
    assert graph.output == "1.dense.y"


def test_a_stack_needs_a_cell():
    with pytest.raises(ConfigError, match="at least one cell"):
        cells.Stack(())


def test_sizes_must_meet():
    with pytest.raises(ConfigError, match="lem gives 3 values, the dense above it takes 4"):
        cells.Stack((cells.LEM(2, 3), cells.Dense(4, 1)))
