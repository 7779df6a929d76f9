"""A traced graph is the step itself."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem import cells
from edgemem.cells.base import Cell
from edgemem.errors import ShapeError, UnknownNameError
from edgemem.ir import trace
from edgemem.ops import FloatOps

CELLS = [
    cells.Dense(3, 4, "sigmoid"),
    cells.Norm(3, "tanh"),
    cells.LSTM(3, 4),
    cells.GRU(3, 4),
    cells.LEM(3, 4, 0.3),
    cells.LMU(3, 4, 5, 6.0),
    cells.LMU(3, 4, 5, 6.0, 2, True, True, True, True, True, "relu"),
    cells.Stack((cells.LEM(3, 4), cells.LMU.paper(4, 2, 3, 4.0))),
]


def drawn(cell, rng, batch=()):
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    states = {name: rng.normal(size=batch + shape) for name, shape in cell.states.items()}
    return arrays, states


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_graph_computes_what_the_step_computes(cell):
    rng = np.random.default_rng(0)
    arrays, states = drawn(cell, rng, (3,))
    x = rng.normal(size=(3, cell.n_in))
    ops = FloatOps()
    graph = trace(cell, arrays)
    after, y = graph.evaluate(ops, graph.params, states, x)
    expected, expected_y = cell.step(ops, {**cell.constants, **arrays}, states, x)
    assert np.array_equal(y, expected_y)
    assert set(after) == set(expected)
    assert all(np.array_equal(after[name], expected[name]) for name in expected)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_every_node_has_the_shape_that_the_trace_says(cell):
    arrays, states = drawn(cell, np.random.default_rng(0))
    graph = trace(cell, arrays)
    values = graph.run(FloatOps(), graph.params, states, np.ones(cell.n_in))
    assert {name: np.shape(value) for name, value in values.items()} == graph.shapes()
    assert graph.n_out == cell.n_out


def test_constants_are_computed_or_taken_as_given():
    cell = cells.LMU(2, 3, 4, 5.0)
    arrays, _ = drawn(cell, np.random.default_rng(0))
    computed = trace(cell, arrays)
    assert computed.constants == {"A", "B"}
    stored = trace(cell, {**arrays, "A": np.eye(4), "B": np.ones((4, 1))})
    assert stored.constants == {"A", "B"}
    assert np.array_equal(stored.params["A"], np.eye(4))


def test_a_missing_parameter_is_named():
    with pytest.raises(ShapeError, match="'dense': parameter 'b' is missing"):
        trace(cells.Dense(2, 3), {"W": np.ones((3, 2))})


def test_a_parameter_of_another_shape_is_named():
    with pytest.raises(ShapeError, match=r"'b' has shape \(2,\), expected \(3,\)"):
        trace(cells.Dense(2, 3), {"W": np.ones((3, 2)), "b": np.ones(2)})


def test_a_missing_constant_is_named():
    cell = cells.LMU(2, 3, 4, 5.0)
    arrays, _ = drawn(cell, np.random.default_rng(0))
    with pytest.raises(ShapeError, match=r"array 'B' is missing; beside the parameters .*: A"):
        trace(cell, {**arrays, "A": np.eye(4)})


def test_an_array_without_use_is_named():
    with pytest.raises(UnknownNameError, match=r"no array .* named 'bias'; known: W, b"):
        trace(cells.Dense(1, 1), {"W": np.ones((1, 1)), "b": np.ones(1), "bias": np.ones(1)})


def test_an_unknown_activation_stays_what_it_is():
    with pytest.raises(UnknownNameError, match="no activation named 'softplus'"):
        trace(cells.Norm(1, "softplus"), {"gain": np.ones(1), "offset": np.ones(1)})


class Wrong(Cell):
    """One op of the test's choice on arrays of the test's choice."""

    name = "wrong"
    n_in = 2
    n_out = 2
    params = {"M": (3, 4), "v": (3,)}  # noqa: RUF012

    def __init__(self, op):
        self.op = op

    def step(self, ops, p, s, x):
        return {}, self.op(ops, p, x)


@pytest.mark.parametrize(
    ("op", "complaint"),
    [
        (lambda ops, p, x: ops.matvec(p["M"], x), r"matvec: M \(3, 4\) against x \(2,\)"),
        (lambda ops, p, x: ops.matvec(x, x), "matvec: x"),
        (lambda ops, p, x: ops.add(x, p["v"]), r"add: x \(2,\) against v \(3,\)"),
        (lambda ops, p, x: ops.mul(p["v"], x), r"mul: v \(3,\) against x \(2,\)"),
        (lambda ops, p, x: ops.sub(p["M"], x), r"sub: M \(3, 4\) against x \(2,\)"),
        (lambda ops, p, x: ops.split(p["v"], 2), r"split: v \(3,\) into 2 rows"),
        (lambda ops, p, x: ops.merge(x), r"merge: x \(2,\) has fewer than two axes"),
        (lambda ops, p, x: ops.slice(x, 1, 3), r"slice: 1 to 3 of x \(2,\)"),
        (lambda ops, p, x: ops.slice(x, 1, 1), r"slice: 1 to 1 of x \(2,\)"),
    ],
)
def test_shapes_that_do_not_meet_are_refused(op, complaint):
    with pytest.raises(ShapeError, match=complaint):
        trace(Wrong(op), {"M": np.ones((3, 4)), "v": np.ones(3)})


def test_a_label_names_a_fresh_value_once():
    def step(ops, p, x):
        y = ops.label(ops.relu(x), "first")
        return ops.label(ops.label(y, "second"), "third")

    graph = trace(Wrong(step), {"M": np.ones((3, 4)), "v": np.ones(3)})
    assert [node.name for node in graph.nodes] == ["first"]
    assert graph.output == "first"


def test_a_label_does_not_rename_the_input():
    graph = trace(
        Wrong(lambda ops, p, x: ops.label(x, "y")), {"M": np.ones((3, 4)), "v": np.ones(3)}
    )
    assert graph.output == "x"
