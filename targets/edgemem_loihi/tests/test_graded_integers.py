"""At threshold 0 the units compute what IntegerOps computes, value by value."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.ir import trace
from edgemem.quantize import IntegerOps, Program, Scheme, build
from edgemem_loihi.graded.emulator import Emulator
from edgemem_loihi.graded.fine import with_fine_states
from edgemem_loihi.graded.mapping import mapped

N_IN = 3
CELLS: dict[str, Cell] = {
    "lmu": LMU.paper(N_IN, 5, 4, 12.0),
    "long": LMU(N_IN, 4, 40, 300.0, activation="relu"),
    "lem": LEM(N_IN, 5),
    "lstm": LSTM(N_IN, 5),
    "gru": GRU(N_IN, 5),
    "stack": Stack(
        (
            Norm(N_IN),
            LMU(N_IN, 6, 4, 9.0, 2, input_to_hidden=True, activation="linear"),
            Norm(6, "relu"),
            Dense(6, 4),
        )
    ),
}


def noise(seed: int, n: int, t: int, scale: float = 1.0) -> Any:
    x = np.random.default_rng(seed).normal(scale=scale, size=(n, t, N_IN))
    return np.cumsum(0.4 * x, axis=1).astype(np.float32) if seed % 2 else x.astype(np.float32)


@cache
def program(cell: str, activations: str, states: str = "16") -> Program:
    params = CELLS[cell].init(np.random.default_rng(3))
    scheme = Scheme(activations=activations)
    made = build(trace(CELLS[cell], params), scheme, noise(0, 8, 40)).program
    return with_fine_states(made) if states == "24" else made


@pytest.mark.parametrize("activations", ["int8", "int16"])
@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=4)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.1, 1.0, 4.0]))
def test_every_value_is_that_of_the_integer_program(
    cell: str, activations: str, seed: int, scale: float
) -> None:
    same_values(program(cell, activations), noise(seed, 2, 12, scale))


@pytest.mark.parametrize("cell", ["lmu", "long", "lem"])
def test_the_same_with_states_of_24_bits(cell: str) -> None:
    same_values(program(cell, "int16", "24"), noise(5, 2, 40))


def same_values(chosen: Program, x: Any) -> None:
    ops, states = IntegerOps(chosen), chosen.zero_state((2,))
    run = Emulator(mapped(chosen)).start((2,))
    for t in range(x.shape[1]):
        integers = ops.quantize(x[:, t])
        states, expected = ops.step(states, integers)
        found = run.step(integers)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
            assert found[name].dtype == value.dtype


@pytest.mark.parametrize("cell", ["lmu", "long", "lem"])
def test_24_bits_are_no_further_from_the_floats(cell: str) -> None:
    params = CELLS[cell].init(np.random.default_rng(3))
    expected, _ = trace(CELLS[cell], params).scan(noise(9, 2, 60).astype(np.float64))
    errors = []
    for states in ("16", "24"):
        chosen = program(cell, "int16", states)
        ops, run = IntegerOps(chosen), Emulator(mapped(chosen)).start((2,))
        x = ops.quantize(noise(9, 2, 60))
        y = [ops.dequantize(run.step(x[:, t])[chosen.output]) for t in range(60)]
        errors.append(float(np.sqrt(np.mean((np.stack(y, axis=1) - expected) ** 2))))
    assert errors[1] <= 1.05 * errors[0]


def test_states_of_24_bits_leave_what_adds_nothing() -> None:
    chosen = program("gru", "int8")
    # h' = z (h - c) + c has no sum with the state itself
    assert with_fine_states(chosen).states == chosen.states
