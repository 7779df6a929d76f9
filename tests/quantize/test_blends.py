"""Bounds of blended states against runs that drive them as far as they go."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Norm, Stack
from edgemem.errors import ToleranceError
from edgemem.ir import Graph, trace
from edgemem.ir.passes import fold, residual
from edgemem.quantize.blends import blend_format, blends


def graph_of(cell: Cell, gain: float = 1.0) -> Graph:
    arrays = cell.init(np.random.default_rng(0))
    return trace(cell, {name: gain * array for name, array in arrays.items()})


def test_states_of_a_lem_and_a_gru_are_blended() -> None:
    assert blends(graph_of(LEM(3, 4))) == {"z": 1.0, "y": 1.0}
    assert blends(graph_of(LEM(3, 4, 0.05))) == {"z": 0.05, "y": 0.05}
    assert blends(graph_of(GRU(3, 4))) == {"h": 1.0}
    stack = Stack((Norm(3), LEM(3, 4, 0.25), Norm(4)))
    folded = residual(fold(graph_of(stack)))
    assert blends(folded) == {"1.lem.z": 0.25, "1.lem.y": 0.25}


@pytest.mark.parametrize("cell", [LSTM(3, 4), LMU.paper(3, 4, 6, 20.0), LEM(3, 4, 1.5)])
def test_other_states_are_not(cell: Cell) -> None:
    assert blends(graph_of(cell)) == {}


@pytest.mark.parametrize("cell", [LEM(3, 8), LEM(3, 8, 0.3), GRU(3, 8)], ids=["lem", "dt", "gru"])
def test_a_blended_state_stays_within_one_and_comes_up_to_it(cell: Cell) -> None:
    graph = graph_of(cell, 50.0)
    states = graph.scan(np.full((2, 200, 3), [[[10.0]], [[-10.0]]]))[1]
    assert set(blends(graph)) == set(states)
    for state in states:
        assert 0.9 < np.abs(states[state]).max() <= 1.0


def settled(share: float, bits: int) -> float:
    """How far from 0.5 a state stops that moves there from 0 and is rounded after each step."""
    state = 0.0
    for _ in range(int(30 / share)):
        state = np.rint((state + share * (0.5 - state)) * 2.0**bits) / 2.0**bits
    return 0.5 - state


@pytest.mark.parametrize("share", [1.0, 0.2, 0.05, 0.02, 0.01, 0.002])
def test_the_format_is_as_fine_as_the_share_needs(share: float) -> None:
    form = blend_format(share)
    bits = round(-np.log2(float(form.scale)))
    assert form.bits == 16 and float(form.highest) * float(form.scale) > 0.9999
    assert settled(share, bits) <= 1e-2
    assert bits == 15 or settled(share, 14) <= 1e-3


def test_a_share_that_16_bits_cannot_follow_is_refused() -> None:
    with pytest.raises(ToleranceError, match=r"moves by 0\.001 of its way .* dt of 0\.0015"):
        blend_format(1e-3)
    assert settled(1e-3, 15) > 1e-2
