"""What is needed at every step: by hand, and by numbers."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.ir import Graph, trace
from edgemem.ir.graph import Node
from edgemem.ir.passes.last_step import needed_at_every_step
from edgemem.ir.passes.partition import linear_memory, loops, written
from edgemem.ops import FloatOps

CELLS = [
    LMU(3, 5, 4, 6.0),
    LMU(3, 5, 4, 6.0, 2, input_to_hidden=True, use_bias=True, activation="relu"),
    LMU(3, 5, 4, 6.0, 2, hidden_to_hidden=True),
    LMU.paper(3, 5, 4, 6.0),
    LEM(3, 5, 0.3),
    LSTM(3, 4),
    GRU(3, 4),
    Dense(3, 2),
    Stack((Norm(3, "tanh"), LMU(3, 5, 4, 6.0), LMU(5, 5, 4, 6.0), Dense(5, 2))),
    Stack((LMU(3, 5, 4, 6.0), LEM(5, 4), Dense(4, 2))),
    Stack((LEM(3, 4), LMU(4, 5, 4, 6.0), Dense(5, 2))),
]


def graph_of(cell: Cell) -> Graph:
    rng = np.random.default_rng(0)
    return trace(cell, {name: rng.normal(size=shape) for name, shape in cell.params.items()})


def test_a_memory_that_nothing_else_reads_needs_its_drive_alone() -> None:
    needed = needed_at_every_step(graph_of(LMU(3, 5, 4, 6.0, input_to_hidden=True)))
    assert {"x", "u"} <= needed
    assert not {"m", "m_new", "h_new"} & needed


def test_memories_that_others_read_need_all_steps() -> None:
    graph = graph_of(Stack((LMU(3, 5, 4, 6.0), LMU(5, 5, 4, 6.0), Dense(5, 2))))
    first, second = (name for name in graph.states)
    needed = needed_at_every_step(graph)
    assert first in needed and second not in needed


def test_what_stands_over_the_last_recurrence_needs_the_last_step() -> None:
    assert needed_at_every_step(graph_of(Dense(3, 2))) == frozenset()
    alone = needed_at_every_step(graph_of(LEM(3, 4)))
    stack = graph_of(Stack((LEM(3, 4), Dense(4, 2))))
    assert len(needed_at_every_step(stack)) == len(alone)
    assert stack.output not in needed_at_every_step(stack)


def test_a_value_that_is_read_a_step_later_needs_all_steps() -> None:
    # y_t = W x_{t-1}: a delay, read as it was before the last step
    graph = Graph(
        n_in=2,
        params={"W": np.eye(2)},
        constants=frozenset(),
        states={"held": (2,)},
        nodes=(Node("y", "matvec", ("W", "held"), (2,)),),
        next_states={"held": "x"},
        output="y",
    )
    assert needed_at_every_step(graph) == {"x", "held"}


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_other_values_may_be_anything_before_the_last_step(cell: Cell) -> None:
    """Nothing that is needed at every step reads what is not."""
    graph = graph_of(cell)
    needed = needed_at_every_step(graph)
    rng = np.random.default_rng(1)
    x = rng.normal(size=graph.n_in)
    states = {name: rng.normal(size=shape) for name, shape in graph.states.items()}
    spoiled = {n: s if n in needed else s + rng.normal(size=s.shape) for n, s in states.items()}
    ours, theirs = (graph.run(FloatOps(), graph.params, s, x) for s in (states, spoiled))
    for name in needed:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    for state in needed.intersection(graph.states):
        assert graph.next_states[state] in needed


@pytest.mark.parametrize("cell", [CELLS[0], CELLS[1]], ids=str)
def test_a_drive_is_its_write_vector_times_its_source(cell: Cell) -> None:
    graph = graph_of(cell)
    (loop,) = loops(graph)
    memory = linear_memory(graph, loop)
    assert memory is not None
    write, source = written(graph, memory)
    assert write.shape == (4, 1)
    rng = np.random.default_rng(1)
    values = graph.run(FloatOps(), graph.params, graph.zero_state(), rng.normal(size=3))
    np.testing.assert_allclose(values[source] @ write.T, values[memory.drive], atol=1e-12)
