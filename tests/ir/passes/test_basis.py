"""Bases of a memory: the same outputs, and the properties for which a basis is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.cells.lmu import legendre_delay
from edgemem.ir import Graph, Node, trace
from edgemem.ir.passes import fold, residual
from edgemem.ir.passes.basis import memories, orthonormal_legendre, real_schur, rebased

CELLS: list[Cell] = [
    LMU(3, 8, 5, 20.0, memory_d=2, activation="relu"),
    LMU.paper(3, 8, 6, 20.0),
    LMU(3, 5, 4, 9.0, 3, True, True, True, True, True, "linear"),
    Stack((Norm(3), LMU(3, 8, 6, 20.0, 2, activation="linear"), Norm(8, "relu"), Dense(8, 4))),
    Stack((LMU(3, 5, 4, 6.0), LMU(5, 5, 7, 16.0, 2))),
]


def graph_of(cell: Cell, seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)
    params = {name: rng.normal(scale=0.3, size=shape) for name, shape in cell.params.items()}
    return trace(cell, params)


@pytest.mark.parametrize("held", [lambda g: g, fold, lambda g: residual(fold(g))])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_another_basis_leaves_the_outputs(cell: Cell, held: object) -> None:
    rng = np.random.default_rng(1)
    graph = held(graph_of(cell))  # type: ignore[operator]
    x = rng.normal(size=(2, 40, 3))
    found = memories(graph)
    assert len(found) == sum(isinstance(c, LMU) for c in getattr(cell, "cells", (cell,)))
    changed = graph
    for memory in found:
        order = graph.states[memory.state][-1]
        changed = rebased(changed, memory, rng.normal(size=(order, order)) + 3 * np.eye(order))
    np.testing.assert_allclose(changed.scan(x)[0], graph.scan(x)[0], rtol=1e-9, atol=1e-9)
    for memory, again in zip(found, memories(changed)):
        assert again == memory
        A, other = memory.matrices(graph)[0], again.matrices(changed)[0]
        assert not np.allclose(A, other)
        np.testing.assert_allclose(np.linalg.det(A), np.linalg.det(other), rtol=1e-8)


def test_a_memory_is_described_by_its_own_matrices() -> None:
    cell = LMU(3, 8, 5, 20.0, memory_d=2, memory_to_memory=True)
    graph = graph_of(cell)
    A, B = legendre_delay(5, 20.0)
    for held, is_change in ((graph, False), (residual(graph), True)):
        (memory,) = memories(held)
        assert memory.state == "m" and memory.residual is is_change
        assert sorted(memory.readers or ()) == ["W_m", "e_m"]
        np.testing.assert_allclose(memory.matrices(held)[0], A, atol=1e-12)
        np.testing.assert_allclose(memory.matrices(held)[1], B, atol=1e-12)
        expected = np.concatenate([A - np.eye(5), B], axis=1)
        np.testing.assert_allclose(memory.change(held), expected, atol=1e-12)


@pytest.mark.parametrize("cell", [LEM(3, 4), GRU(3, 4), LSTM(3, 4), Dense(3, 2)])
def test_other_recurrences_are_no_linear_memories(cell: Cell) -> None:
    assert memories(graph_of(cell)) == ()


def test_a_memory_that_more_than_products_read_has_no_free_basis() -> None:
    graph = graph_of(LMU(3, 8, 5, 20.0))
    squared = Node("squared", "mul", ("m_new", "m_new"), (1, 5))
    looked_at = Graph(
        graph.n_in,
        graph.params,
        graph.constants,
        graph.states,
        (*graph.nodes, squared),
        graph.next_states,
        "squared",
    )
    assert [m.readers for m in memories(graph)] == [("W_m",)]
    assert [m.readers for m in memories(looked_at)] == [None]


@settings(max_examples=25)
@given(st.integers(1, 30), st.floats(1.0, 300.0))
def test_the_schur_form_is_orthogonal_and_triangular_in_pairs(order: int, theta: float) -> None:
    A = legendre_delay(order, theta)[0]
    T = real_schur(A)
    np.testing.assert_allclose(T.T @ T, np.eye(order), atol=1e-12)
    form = T.T @ A @ T
    scale = np.abs(A).max()
    np.testing.assert_allclose(np.tril(form, -2), 0.0, atol=1e-12 * scale)
    below = np.abs(np.diag(form, -1)) > 1e-12 * scale
    assert not np.any(below[1:] & below[:-1])


def test_white_noise_moves_orthonormal_coefficients_alike() -> None:
    order, theta = 8, 200.0
    A, B = legendre_delay(order, theta)
    T = orthonormal_legendre(order)
    P, now = np.zeros((order, order)), np.linalg.solve(T, B)
    for _ in range(3000):
        P += now @ now.T
        now = np.linalg.solve(T, A @ T @ now)
    # sum over a window of 200 steps of p(t) q(t) / 200^2, but for what is older than the window
    np.testing.assert_allclose(np.diag(P)[:4] * theta, 1.0, atol=0.15)
    assert np.abs(P - np.diag(np.diag(P))).max() * theta < 0.3
