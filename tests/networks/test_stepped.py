"""The stepped form in core Nengo against the float64 equations."""

from __future__ import annotations

import itertools

import nengo
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem import cells, networks
from edgemem.errors import ShapeError, UnsupportedOpError
from edgemem.ir import Graph, Node, trace

FLAGS = ("hidden_to_memory", "memory_to_memory", "input_to_hidden", "hidden_to_hidden", "use_bias")

sizes = st.integers(1, 4)
activations = st.sampled_from(cells.base.ACTIVATIONS)
any_cell = st.one_of(
    st.builds(cells.Dense, sizes, sizes, activations),
    st.builds(cells.Norm, sizes, activations),
    st.builds(cells.LSTM, sizes, sizes),
    st.builds(cells.GRU, sizes, sizes),
    st.builds(cells.LEM, sizes, sizes, st.sampled_from([1.0, 0.3])),
    st.builds(
        cells.LMU, sizes, sizes, sizes, st.just(5.0), sizes, *[st.booleans()] * 5, activations
    ),
)


def drawn(cell, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) / 2 for name, shape in cell.params.items()}


def check(graph, n_steps=25):
    x = np.random.default_rng(1).normal(size=(n_steps, graph.n_in))
    expected, _ = graph.scan(x)
    np.testing.assert_allclose(networks.simulate(networks.build(graph), x), expected, atol=1e-10)


@pytest.mark.parametrize("values", list(itertools.product([False, True], repeat=len(FLAGS))))
def test_lmu_with_every_coupling(values):
    cell = cells.LMU(3, 5, 4, 6.0, memory_d=2, **dict(zip(FLAGS, values)))
    check(trace(cell, drawn(cell)))


@pytest.mark.parametrize("dt", [1.0, 0.3])
def test_lem(dt):
    cell = cells.LEM(3, 5, dt)
    check(trace(cell, drawn(cell)), n_steps=100)


def test_a_stack_with_layers_of_every_kind():
    cell = cells.Stack(
        (
            cells.Dense(3, 4, "relu"),
            cells.Norm(4),
            cells.LMU(4, 5, 3, 6.0, 2, True, True, True, True, True, "tanh"),
            cells.Norm(5, "relu"),
            cells.Stack((cells.LEM(5, 3, 0.5), cells.LSTM(3, 4))),
            cells.GRU(4, 3),
            cells.Dense(3, 2),
        )
    )
    check(trace(cell, drawn(cell)))


@settings(max_examples=25)
@given(any_cell, st.integers(0, 9))
def test_any_cell_of_any_size(cell, seed):
    check(trace(cell, drawn(cell, seed)), n_steps=6)


def test_the_result_does_not_depend_on_the_simulators_step():
    network = networks.build(cells.LEM(2, 3), seed=0)
    x = np.random.default_rng(0).normal(size=(10, 2))
    slow = networks.simulate(network, x, dt=0.01)
    np.testing.assert_allclose(networks.simulate(network, x), slow, atol=1e-14)


def test_a_cell_without_arrays_gets_fresh_ones_by_seed():
    cell = cells.LEM(2, 3)
    first, again, other = (networks.build(cell, seed=s).body.graph for s in (1, 1, 2))
    assert np.array_equal(first.params["W_z"], again.params["W_z"])
    assert not np.array_equal(first.params["W_z"], other.params["W_z"])


def test_a_graph_takes_other_arrays():
    cell = cells.LMU(2, 3, 4, 5.0)
    graph = trace(cell, drawn(cell))
    arrays = drawn(cell, 7)
    x = np.ones((5, 2))
    expected, _ = trace(cell, arrays).scan(x)
    ours = networks.simulate(networks.build(graph, arrays), x)
    np.testing.assert_allclose(ours, expected, atol=1e-10)


def test_arrays_come_back_from_core_nengo():
    cell = cells.Stack((cells.Norm(3, "tanh"), cells.LMU(3, 2, 4, 5.0, use_bias=True)))
    arrays = drawn(cell)
    network = networks.build(cell, arrays)
    with nengo.Simulator(network, progress_bar=False) as simulator:
        back = networks.read_params(network.body, simulator)
    assert set(back) == set(cell.params)
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize("x", [np.ones((5, 3)), np.ones(2), np.ones((0, 2))])
def test_a_sequence_of_another_shape_is_refused(x):
    network = networks.build(cells.Norm(2))
    with pytest.raises(ShapeError, match=r"shape \(n_steps, 2\)"):
        networks.simulate(network, x)


def test_simulation_leaves_the_input_free_for_data():
    network = networks.build(cells.Norm(2))
    networks.simulate(network, np.ones((3, 2)))
    assert np.array_equal(network.input.output, [0, 0])


def handmade(nodes, output, params=None, constants=(), states=None, next_states=None, n_in=6):
    return Graph(
        n_in=n_in,
        params=params or {},
        constants=frozenset(constants),
        states=states or {},
        nodes=tuple(Node(*node) for node in nodes),
        next_states=next_states or {},
        output=output,
    )


def rows(n_in=6):
    """The input as (2, n_in / 2)."""
    return ("split_0", "split", ("x",), (2, n_in // 2), (2,))


@pytest.mark.parametrize(
    "graph",
    [
        # a slice of rows, of a slice, and of a view read twice
        handmade(
            [
                rows(),
                ("slice_1", "slice", ("split_0",), (2, 2), (1, 3)),
                ("slice_2", "slice", ("slice_1",), (2, 1), (0, 1)),
                ("merge_3", "merge", ("slice_1",), (4,)),
                ("slice_4", "slice", ("merge_3",), (2,), (1, 3)),
                ("merge_5", "merge", ("slice_2",), (2,)),
                ("y", "add", ("slice_4", "merge_5"), (2,)),
            ],
            "y",
        ),
        # a row of values meets every row
        handmade(
            [
                rows(),
                ("slice_1", "slice", ("x",), (3,), (2, 5)),
                ("mul_2", "mul", ("slice_1", "split_0"), (2, 3)),
                ("sub_3", "sub", ("slice_1", "mul_2"), (2, 3)),
                ("y", "merge", ("sub_3",), (6,)),
            ],
            "y",
        ),
        # constants: a matrix and offsets for every row, a product and a difference of arrays
        handmade(
            [
                rows(),
                ("matvec_1", "matvec", ("C", "split_0"), (2, 2)),
                ("add_2", "add", ("matvec_1", "c"), (2, 2)),
                ("mul_3", "mul", ("d", "add_2"), (2, 2)),
                ("tanh_4", "tanh", ("mul_3",), (2, 2)),
                ("mul_5", "mul", ("c", "d"), (2,)),
                ("sub_6", "sub", ("mul_5", "c"), (2,)),
                ("add_7", "add", ("tanh_4", "sub_6"), (2, 2)),
                ("y", "merge", ("add_7",), (4,)),
            ],
            "y",
            {"C": np.arange(6.0).reshape(2, 3), "c": np.array([1.0, -2]), "d": np.array([0.5, 3])},
            {"C", "c", "d"},
        ),
        # trained terms that are scaled, subtracted, squared, labelled in passing
        handmade(
            [
                ("matvec_0", "matvec", ("W", "x"), (2,)),
                ("scale_1", "scale", ("matvec_0",), (2,), (0.25,)),
                ("seen", "sub", ("scale_1", "b"), (2,)),
                ("mul_3", "mul", ("seen", "seen"), (2,)),
                ("relu_4", "relu", ("c",), (2,)),
                ("add_5", "add", ("mul_3", "relu_4"), (2,)),
                ("rows", "split", ("add_5",), (2, 1), (2,)),
                ("y", "merge", ("rows",), (2,)),
            ],
            "y",
            {
                "W": np.arange(12.0).reshape(2, 6) / 12,
                "b": np.array([1.0, -2.0]),
                "c": np.array([3.0, -4.0]),
            },
        ),
        # arrays cut and reshaped
        handmade(
            [
                ("split_0", "split", ("c",), (2, 2), (2,)),
                ("merge_1", "merge", ("split_0",), (4,)),
                ("slice_2", "slice", ("merge_1",), (3,), (0, 3)),
                ("slice_3", "slice", ("x",), (3,), (0, 3)),
                ("y", "add", ("slice_2", "slice_3"), (3,)),
            ],
            "y",
            {"c": np.arange(4.0)},
        ),
        # states that swap, and one that is the input of the step before
        handmade(
            [("y", "sub", ("a", "b"), (6,))],
            "y",
            states={"a": (6,), "b": (6,)},
            next_states={"a": "x", "b": "a"},
        ),
        # the output is the input
        handmade([], "x"),
    ],
)
def test_graphs_that_no_cell_traces(graph):
    check(graph, n_steps=5)


def test_two_nodes_must_not_share_a_trained_array():
    graph = handmade(
        [
            ("tanh_0", "tanh", ("x",), (6,)),
            ("add_1", "add", ("tanh_0", "b"), (6,)),
            ("y", "mul", ("add_1", "b"), (6,)),
        ],
        "y",
        {"b": np.ones(6)},
    )
    with pytest.raises(UnsupportedOpError, match="two nodes read the trained array 'b'"):
        networks.build(graph)


@pytest.mark.parametrize(
    ("node", "params"),
    [
        (("y", "matvec", ("W", "split_0"), (2, 2)), {"W": np.ones((2, 3))}),
        (("y", "add", ("split_0", "W"), (2, 3)), {"W": np.ones(3)}),
        (("y", "mul", ("W", "split_0"), (2, 3)), {"W": np.ones(3)}),
    ],
)
def test_rows_must_not_share_a_trained_array(node, params):
    with pytest.raises(UnsupportedOpError, match="'W' meets several rows"):
        networks.build(handmade([rows(), node], "y", params))


def test_a_matrix_must_be_an_array():
    graph = handmade(
        [
            rows(),
            ("slice_1", "slice", ("x",), (3,), (0, 3)),
            ("y", "matvec", ("split_0", "slice_1"), (2,)),
        ],
        "y",
    )
    with pytest.raises(UnsupportedOpError, match="must be an array of the graph"):
        networks.build(graph)
