"""Graphs as functions of affine sums, against the graph itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, Cell, Dense, Norm, Stack
from edgemem.errors import UnsupportedOpError
from edgemem.ir import INPUT, trace
from edgemem.ir.affine import Affine, affine
from edgemem.ops import Array, FloatOps

CELLS = [
    LMU(3, 4, 5, 9.0, 2, True, True, True, True, True, "tanh"),
    Stack((Norm(3), LMU(3, 4, 5, 9.0, 2, input_to_hidden=True, activation="linear"), Norm(4))),
    Stack((Norm(3, "relu"), Dense(3, 4, "sigmoid"), Dense(4, 2))),
]


@pytest.mark.parametrize("cell", CELLS)
def test_sums_are_those_of_the_graph(cell: Cell) -> None:
    rng = np.random.default_rng(0)
    params = {n: a + 0.1 * rng.normal(size=a.shape) for n, a in cell.init(rng).items()}
    graph = trace(cell, params)
    found = affine(graph)
    states = {name: rng.normal(size=shape) for name, shape in graph.states.items()}
    values = graph.run(FloatOps(), graph.params, states, rng.normal(size=graph.n_in))
    sources = {n: np.asarray(values[n]).reshape(-1) for n in (INPUT, *states, *found.functions)}

    def value(form: Affine) -> Array:
        parts = [term @ sources[name] for name, term in form.terms.items()]
        return np.asarray(form.bias + sum(parts))

    np.testing.assert_allclose(value(found.output), values[graph.output])
    for state, form in found.states.items():
        expected = values[graph.next_states[state]].reshape(-1)
        np.testing.assert_allclose(value(form), expected, atol=1e-12)
    floats = FloatOps()
    functions: dict[str, Callable[[Array], Array]] = {
        "relu": floats.relu,
        "tanh": floats.tanh,
        "sigmoid": floats.sigmoid,
    }
    for name, (op, argument) in found.functions.items():
        np.testing.assert_allclose(functions[op](value(argument)), sources[name])


@pytest.mark.parametrize("cell", [LEM(3, 4), GRU(3, 4)])
def test_refuses_products(cell: Cell) -> None:
    with pytest.raises(UnsupportedOpError, match="multiplies two values that change"):
        affine(trace(cell, cell.init(np.random.default_rng(0))))
