"""What must wait for the step before: found by numbers, not by the graph's own bookkeeping."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.ir import Graph, trace
from edgemem.ir.passes.partition import linear_memory, partition
from edgemem.ops import FloatOps

FEEDBACK = ("hidden_to_memory", "memory_to_memory", "hidden_to_hidden")
FREE = [
    LMU(3, 5, 4, 6.0),
    LMU(3, 5, 4, 6.0, 2, input_to_hidden=True, use_bias=True, activation="relu"),
    Stack((Norm(3), LMU(3, 5, 4, 6.0, 2), Norm(5, "relu"), Dense(5, 2))),
]
BOUND = [
    *(LMU(3, 5, 4, 6.0, 2, **{flag: True}) for flag in FEEDBACK),
    LMU.paper(3, 5, 4, 6.0),
    LEM(3, 5),
    LEM(3, 5, 0.3),
    LSTM(3, 4),
    GRU(3, 4),
    Stack((LMU(3, 5, 4, 6.0), LMU(5, 5, 4, 6.0))),
]
STATELESS = [Dense(3, 2, "relu"), Norm(3), Stack((Dense(3, 4), Norm(4, "tanh")))]


def graph_of(cell: Cell) -> Graph:
    rng = np.random.default_rng(0)
    return trace(cell, {name: rng.normal(size=shape) for name, shape in cell.params.items()})


def values(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    """Everything that has a name, for one input and states drawn by ``seed``."""
    rng = np.random.default_rng(seed)
    states = {name: rng.normal(size=shape) for name, shape in graph.states.items()}
    return graph.run(FloatOps(), graph.params, states, np.array([0.3, -0.2, 0.5]))


@pytest.mark.parametrize("cell", [*FREE, *BOUND, *STATELESS], ids=str)
def test_the_parts_are_the_graph_and_keep_its_order(cell: Cell) -> None:
    graph = graph_of(cell)
    parts = partition(graph)
    groups = (parts.before, parts.recurrent, parts.after)
    place = {node.name: i for i, node in enumerate(graph.nodes)}
    assert sorted(place[n.name] for group in groups for n in group) == list(range(len(place)))
    for group in groups:
        assert [place[n.name] for n in group] == sorted(place[n.name] for n in group)


@pytest.mark.parametrize("cell", [*FREE, *BOUND, *STATELESS], ids=str)
def test_only_what_stands_before_is_the_same_whatever_the_states(cell: Cell) -> None:
    graph = graph_of(cell)
    parts = partition(graph)
    runs = [values(graph, seed) for seed in range(12)]
    same = {
        n.name for n in graph.nodes if all(np.array_equal(r[n.name], runs[0][n.name]) for r in runs)
    }
    assert same == {node.name for node in parts.before}


@pytest.mark.parametrize("cell", [*FREE, *BOUND, *STATELESS], ids=str)
def test_the_states_need_all_of_the_loop_and_nothing_behind_it(cell: Cell) -> None:
    graph = graph_of(cell)
    parts = partition(graph)
    kept = (*parts.before, *parts.recurrent)
    read = {name for node in parts.recurrent for name in node.inputs}
    read.update(graph.next_states.values())
    assert {node.name for node in parts.recurrent} <= read
    if graph.states:
        # a graph without the rest still gives every state, or it would not be well formed
        replace(graph, nodes=kept, output=next(iter(graph.next_states.values())))


@pytest.mark.parametrize("cell", FREE, ids=str)
def test_a_memory_without_feedback_is_linear(cell: Cell) -> None:
    graph = graph_of(cell)
    memory = linear_memory(graph, partition(graph))
    assert memory is not None
    found = values(graph, 1)
    m = np.random.default_rng(1).normal(size=graph.states[memory.state])
    expected = m @ graph.params[memory.matrix].T + found[memory.drive]
    np.testing.assert_allclose(found[graph.next_states[memory.state]], expected, atol=1e-12)


@pytest.mark.parametrize("cell", [*BOUND, *STATELESS], ids=str)
def test_every_other_recurrence_is_none(cell: Cell) -> None:
    graph = graph_of(cell)
    assert linear_memory(graph, partition(graph)) is None
