"""The graph: what it refuses, what it keeps, what a scan is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgemem import cells
from edgemem.errors import GraphError
from edgemem.ir import Graph, Node, trace
from edgemem.ir.stored import read_graph
from edgemem.ops import FloatOps


def small(**changes):
    """``s' = W x + s``, written by hand."""
    parts = {
        "n_in": 2,
        "params": {"W": np.array([[1.0, 2.0], [3.0, 4.0]])},
        "constants": frozenset(),
        "states": {"s": (2,)},
        "nodes": (
            Node("driven", "matvec", ("W", "x"), (2,)),
            Node("s_new", "add", ("driven", "s"), (2,)),
        ),
        "next_states": {"s": "s_new"},
        "output": "s_new",
    }
    return Graph(**{**parts, **changes})


def test_a_scan_carries_the_state():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    y, states = small().scan(x)
    assert np.array_equal(y, [[1, 3], [3, 7], [6, 14]])
    assert np.array_equal(states["s"], [6, 14])


def test_a_scan_goes_on_where_another_ended():
    cell = cells.Stack((cells.LMU.paper(3, 4, 5, 6.0), cells.LEM(4, 2)))
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    x = np.random.default_rng(1).normal(size=(2, 12, 3))
    whole, end = graph.scan(x)
    head, middle = graph.scan(x[:, :5])
    tail, end_again = graph.scan(x[:, 5:], middle)
    assert np.array_equal(np.concatenate([head, tail], axis=1), whole)
    assert all(np.array_equal(end[name], end_again[name]) for name in end)


def test_a_scan_leaves_the_states_that_it_was_given():
    states = {"s": np.ones(2)}
    small().scan(np.ones((3, 2)), states)
    assert np.array_equal(states["s"], np.ones(2))


def test_producers_and_consumers():
    graph = small()
    assert graph.producers()["driven"].op == "matvec"
    assert {name: [n.name for n in nodes] for name, nodes in graph.consumers().items()} == {
        "W": ["driven"],
        "x": ["driven"],
        "driven": ["s_new"],
        "s": ["s_new"],
    }


def test_a_node_that_reads_a_name_twice_is_one_consumer():
    graph = small(nodes=(Node("s_new", "mul", ("s", "s"), (2,)),))
    assert len(graph.consumers()["s"]) == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"nodes": (Node("a", "conv", ("x",), (2,)),)}, "unknown op 'conv'"),
        ({"nodes": (Node("a", "relu", ("b",), (2,)),)}, "reads 'b', which comes later or never"),
        ({"nodes": (Node("x", "relu", ("x",), (2,)),)}, "'x' is assigned twice"),
        ({"nodes": (Node("W", "relu", ("x",), (2,)),)}, "'W' is assigned twice"),
        ({"output": "nowhere"}, "gives back 'nowhere', which it never computes"),
        ({"next_states": {"s": "nowhere"}}, "gives back 'nowhere'"),
        ({"next_states": {}}, "every state needs a value"),
        ({"next_states": {"s": "s_new", "t": "s_new"}}, "only states have one"),
    ],
)
def test_a_graph_that_is_not_well_formed_is_refused(changes, complaint):
    with pytest.raises(GraphError, match=complaint):
        small(**changes)


@pytest.mark.parametrize("cell", [cells.LEM(2, 3, 0.3), cells.LMU.paper(2, 3, 4, 5.0)], ids=str)
def test_a_graph_survives_json(cell):
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    again = read_graph(json.loads(json.dumps(graph.to_dict())), graph.params)
    assert again.to_dict() == graph.to_dict()
    assert again.nodes == graph.nodes
    x = np.random.default_rng(1).normal(size=(5, 2))
    assert np.array_equal(again.scan(x)[0], graph.scan(x)[0])


def test_other_arrays_leave_the_graph_as_it_was():
    graph = small()
    other = graph.with_params({"W": np.zeros((2, 2))})
    assert graph.params["W"].any()
    assert not other.scan(np.ones((1, 2)))[0].any()


def test_a_graph_has_a_meaning_of_its_own_in_each_precision():
    graph = small()
    params = {name: array.astype(np.float32) for name, array in graph.params.items()}
    states = {"s": np.zeros(2, np.float32)}
    _, y = graph.evaluate(FloatOps(), params, states, np.ones(2, np.float32))
    assert y.dtype == np.float32
