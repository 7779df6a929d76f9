"""Counts against closed formulas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.cells import GRU, LEM, LMU, LSTM, Bidirectional, Cell, Dense, Norm, Stack
from edgemem.energy import graph_counts
from edgemem.inspect import Layer, LayerCounts, layer_counts, layers
from edgemem.inspect.counts import total
from edgemem.model import Model


def counted(cell: Cell) -> LayerCounts:
    return layer_counts(Layer("0", cell, cell.init(np.random.default_rng(0))))


@settings(max_examples=20)
@given(n=st.integers(1, 40), m=st.integers(1, 40))
def test_gated_cells(n: int, m: int) -> None:
    lem = counted(LEM(m, n))
    # 4n^2 + 4nm + 4n numbers (one bias a gate), 4n^2 + 4nm products, y and z carried
    assert (lem.parameters, lem.macs) == (4 * n * n + 4 * n * m + 4 * n, 4 * n * n + 4 * n * m)
    assert (lem.states, lem.constants) == (2 * n, 0)
    lstm = counted(LSTM(m, n))
    assert (lstm.parameters, lstm.macs, lstm.states) == (lem.parameters, lem.macs, 2 * n)
    gru = counted(GRU(m, n))
    assert (gru.parameters, gru.macs) == (3 * n * (n + m + 2), 3 * n * (n + m))
    assert gru.states == n


@settings(max_examples=20)
@given(
    m=st.integers(1, 9), n=st.integers(1, 9), order=st.integers(1, 8), channels=st.integers(1, 4)
)
def test_memory(m: int, n: int, order: int, channels: int) -> None:
    plain = counted(LMU(m, n, order, 10.0, channels, input_to_hidden=True))
    memory = channels * order
    assert plain.parameters == channels * m + n * m + n * memory + n
    assert plain.constants == order * order + order
    # each channel has its own A m + B u
    assert plain.macs == channels * m + channels * (order**2 + order) + n * m + n * memory
    assert plain.states == memory
    paper = counted(LMU.paper(m, n, order, 10.0))
    assert paper.parameters == m + n + order + n * m + n * n + n * order + n
    assert paper.states == n + order


def test_both_directions_count_twice() -> None:
    one, two = counted(LEM(3, 5)), counted(Bidirectional(LEM(3, 5)))
    assert (two.parameters, two.macs, two.states) == (
        2 * one.parameters,
        2 * one.macs,
        2 * one.states,
    )
    assert two.n_out == 10


def test_the_sum_is_the_network(make_model: Callable[..., Model]) -> None:
    model = make_model(Stack((Norm(4), LMU(4, 6, 3, 8.0, 2), LEM(6, 5), Dense(5, 3))))
    every = total(map(layer_counts, layers(model)))
    assert every.macs == graph_counts(model.graph()).macs
    assert every.parameters == model.n_params
    assert (every.n_in, every.n_out) == (4, 3)
    assert every.to_dict(0.02)["macs_per_second"] == pytest.approx(50 * every.macs)
    assert every.to_dict(None)["macs_per_second"] is None
