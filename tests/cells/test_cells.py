"""What every cell promises, whatever its equations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem import cells
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.ops import FloatOps
from edgemem.reading import DamageError

sizes = st.integers(1, 5)
activations = st.sampled_from(cells.base.ACTIVATIONS)
any_cell = st.one_of(
    st.builds(cells.Dense, sizes, sizes, activations),
    st.builds(cells.Norm, sizes, activations),
    st.builds(cells.LSTM, sizes, sizes),
    st.builds(cells.GRU, sizes, sizes),
    st.builds(cells.LEM, sizes, sizes, st.floats(0.01, 1.0)),
    st.builds(
        cells.LMU,
        sizes,
        sizes,
        sizes,
        st.floats(1.0, 30.0),
        sizes,
        *[st.booleans()] * 5,
        activations,
    ),
    st.just(cells.Stack((cells.LMU.paper(3, 4, 5, 6.0), cells.Norm(4), cells.LEM(4, 2)))),
)


def one_step(cell, arrays, states, x):
    return cell.step(FloatOps(), {**cell.constants, **arrays}, states, x)


def test_the_list_holds_every_cell_of_the_package_by_its_name():
    public = {
        value
        for value in vars(cells).values()
        if isinstance(value, type) and issubclass(value, cells.Cell) and value is not cells.Cell
    }
    assert set(cells.CELLS.values()) == public
    assert all(cell.name == name for name, cell in cells.CELLS.items())


@given(any_cell)
def test_fresh_arrays_have_the_shapes_that_the_cell_names(cell):
    arrays = cell.init(np.random.default_rng(0))
    assert {name: array.shape for name, array in arrays.items()} == dict(cell.params)
    again = cell.init(np.random.default_rng(0))
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


@given(any_cell, st.lists(sizes, max_size=2).map(tuple))
def test_a_step_keeps_the_shapes_of_states_and_gives_the_output(cell, batch):
    arrays = cell.init(np.random.default_rng(0))
    states = cell.zero_state(batch)
    after, y = one_step(cell, arrays, states, np.ones((*batch, cell.n_in)))
    assert y.shape == (*batch, cell.n_out)
    assert {k: v.shape for k, v in after.items()} == {k: v.shape for k, v in states.items()}


@given(any_cell)
def test_a_batch_is_each_of_its_rows(cell):
    rng = np.random.default_rng(1)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    states = {name: rng.normal(size=(3, *shape)) for name, shape in cell.states.items()}
    x = rng.normal(size=(3, cell.n_in))
    _, together = one_step(cell, arrays, states, x)
    for row in range(3):
        _, alone = one_step(cell, arrays, {k: v[row] for k, v in states.items()}, x[row])
        np.testing.assert_allclose(together[row], alone, atol=1e-12)


@given(any_cell)
def test_hyper_parameters_survive_json(cell):
    assert cells.from_dict(json.loads(json.dumps(cell.to_dict()))) == cell


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"cell": "dense", "n_in": 2}, "n_out"),
        ({"cell": "dense", "n_in": 2, "n_out": 2, "wings": 2}, "wings"),
        ({"cell": "lem", "n_in": "two", "n_units": 2}, "lem.n_in is 'two'"),
        ({"cell": "stack"}, "at least one cell"),
        ({"cell": "stack", "cells": 3}, "stack.cells is 3"),
        ({"cell": "stack", "cells": [{"cell": "norm", "n_in": 2}], "wings": 2}, "wings"),
    ],
)
def test_a_description_that_fits_no_cell_is_refused(config, complaint):
    with pytest.raises((ConfigError, DamageError), match=complaint):
        cells.from_dict(config)


@pytest.mark.parametrize("config", [{"cell": "rnn"}, {}])
def test_an_unknown_cell_is_refused_with_the_known_ones(config):
    with pytest.raises(UnknownNameError, match="known: bidirectional, conv, dense, gru"):
        cells.from_dict(config)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: cells.Dense(n, 2),
        lambda n: cells.Dense(2, n),
        lambda n: cells.Norm(n),
        lambda n: cells.LSTM(2, n),
        lambda n: cells.GRU(n, 2),
        lambda n: cells.LEM(2, 2, n),
        lambda n: cells.LMU(2, 2, 2, n),
        lambda n: cells.LMU(2, 2, 2, 4.0, memory_d=n),
    ],
)
@pytest.mark.parametrize("size", [0, -1, float("nan")])
def test_sizes_must_be_positive(make, size):
    with pytest.raises(ConfigError, match=f"greater than 0 \\(got {size}"):
        make(size)


def test_an_unknown_activation_is_refused_with_the_known_ones():
    cell = cells.Norm(2, "softplus")
    with pytest.raises(UnknownNameError, match="'softplus'; known: linear, relu, sigmoid, tanh"):
        one_step(cell, cell.init(np.random.default_rng(0)), {}, np.ones(2))
