"""What must wait for the step before: found by numbers, not by the graph's own bookkeeping."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.ir import Graph, trace
from edgemem.ir.passes import residual
from edgemem.ir.passes.partition import linear_memory, loops
from edgemem.ops import FloatOps

FEEDBACK = ("hidden_to_memory", "memory_to_memory")
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
]
SEVERAL = {
    "two-memories": (Stack((LMU(3, 5, 4, 6.0), LMU(5, 5, 4, 6.0))), [True, True]),
    "memory-then-lem": (Stack((LMU(3, 5, 4, 6.0), LEM(5, 4))), [True, False]),
    "gru-then-lstm": (Stack((GRU(3, 4), Dense(4, 3), LSTM(3, 4))), [False, False]),
    # m does not need h, but h needs itself
    "memory-and-hidden": (LMU(3, 5, 4, 6.0, 2, hidden_to_hidden=True), [True, False]),
}
STATELESS = [Dense(3, 2, "relu"), Norm(3), Stack((Dense(3, 4), Norm(4, "tanh")))]


def graph_of(cell: Cell) -> Graph:
    rng = np.random.default_rng(0)
    return trace(cell, {name: rng.normal(size=shape) for name, shape in cell.params.items()})


def all_graphs() -> dict[str, Graph]:
    cells = [*FREE, *BOUND, *STATELESS, *(cell for cell, _ in SEVERAL.values())]
    return {str(cell): graph_of(cell) for cell in cells}


GRAPHS = all_graphs()


def moved(graph: Graph, state: str) -> set[str]:
    """What changes within five steps, if ``state`` alone starts from another value."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, graph.n_in))
    start = {name: rng.normal(size=shape) for name, shape in graph.states.items()}
    other = {**start, state: start[state] + rng.normal(size=start[state].shape)}
    found: set[str] = set()
    for t in range(5):
        ours, theirs = (graph.run(FloatOps(), graph.params, s, x[t]) for s in (start, other))
        found |= {n.name for n in graph.nodes if not np.array_equal(ours[n.name], theirs[n.name])}
        found |= {s for s in graph.states if not np.array_equal(start[s], other[s])}
        start, other = (
            {s: values[after] for s, after in graph.next_states.items()}
            for values in (ours, theirs)
        )
    return found


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_states_that_move_each_other_share_a_loop(graph: Graph) -> None:
    found = loops(graph)
    assert sorted(s for loop in found for s in loop.states) == sorted(graph.states)
    reach = {state: moved(graph, state) for state in graph.states}
    for loop in found:
        for state in graph.states:
            together = state in reach[loop.states[0]] and loop.states[0] in reach[state]
            assert (state in loop.states) == together


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_the_nodes_of_a_loop_are_moved_by_its_states_and_move_them(graph: Graph) -> None:
    place = {node.name: i for i, node in enumerate(graph.nodes)}
    for loop in loops(graph):
        order = [place[node.name] for node in loop.nodes]
        assert order == sorted(order)
        for node in loop.nodes:
            assert all(node.name in moved(graph, state) for state in loop.states)
        # read by another node of the loop, or what the loop gives
        read = {name for node in loop.nodes for name in node.inputs}
        read |= {graph.next_states[state] for state in loop.states}
        assert {node.name for node in loop.nodes} <= read


@pytest.mark.parametrize("form", [lambda graph: graph, residual], ids=["plain", "residual"])
@pytest.mark.parametrize("cell", FREE, ids=str)
def test_a_memory_without_feedback_is_linear(cell: Cell, form) -> None:
    graph = form(graph_of(cell))
    (loop,) = loops(graph)
    memory = linear_memory(graph, loop)
    assert memory is not None
    rng = np.random.default_rng(1)
    m = rng.normal(size=graph.states[memory.state])
    found = graph.run(FloatOps(), graph.params, {memory.state: m}, rng.normal(size=3))
    expected = m @ memory.matrix.T + found[memory.drive]
    np.testing.assert_allclose(found[graph.next_states[memory.state]], expected, atol=1e-12)


@pytest.mark.parametrize("cell", BOUND, ids=str)
def test_a_recurrence_with_feedback_is_no_linear_memory(cell: Cell) -> None:
    graph = graph_of(cell)
    (loop,) = loops(graph)
    assert linear_memory(graph, loop) is None


@pytest.mark.parametrize(("cell", "linear"), SEVERAL.values(), ids=SEVERAL)
def test_each_of_several_is_looked_at_by_itself(cell: Cell, linear: list[bool]) -> None:
    graph = graph_of(cell)
    found = [linear_memory(graph, loop) is not None for loop in loops(graph)]
    assert found == linear


@pytest.mark.parametrize("cell", STATELESS, ids=str)
def test_without_states_there_is_no_loop(cell: Cell) -> None:
    assert loops(graph_of(cell)) == ()
