"""A network without norms, and with like magnitudes, that computes what it did before."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.ir import Graph, trace
from edgemem.quantize import observe
from edgemem.quantize.prepare import absorbed, prepare

LINEAR = LMU(5, 6, 4, 8.0, 3, input_to_hidden=True, activation="linear")
STACKS = {
    "recipe-lmu": Stack(
        (
            *(Norm(5), LINEAR, Norm(6, "relu")),
            *(LMU(6, 4, 3, 6.0, 2, activation="linear"), Norm(4, "relu"), Dense(4, 3)),
        )
    ),
    "recipe-lem": Stack((Norm(5), LEM(5, 6), Norm(6), LEM(6, 4, 0.5), Norm(4), Dense(4, 3))),
    "recipe-lstm": Stack((Norm(5), LSTM(5, 6), Norm(6), Dense(6, 3))),
    "recipe-gru": Stack((Norm(5), GRU(5, 6), Norm(6), Dense(6, 3))),
    "paper-lmu": Stack((Norm(5), LMU.paper(5, 6, 4, 8.0), Norm(6), Dense(6, 3))),
    "hidden-state": Stack(
        (Norm(5), LMU(5, 6, 4, 8.0, 2, hidden_to_hidden=True), Norm(6), Dense(6, 3))
    ),
    "two-in-a-row": Stack((Norm(5), Norm(5), GRU(5, 4), Norm(4), Norm(4), Dense(4, 3))),
    "behind-a-dense": Stack((Dense(5, 4), Norm(4, "tanh"), Dense(4, 3), Norm(3, "sigmoid"))),
    "none": Stack((LEM(5, 6), Dense(6, 3))),
}
STAYING = {
    "first": (Stack((Norm(5, "tanh"), Dense(5, 3))), ["norm", "dense"]),
    "last": (Stack((GRU(5, 3), Norm(3))), ["gru", "norm"]),
    "behind-a-state": (Stack((LEM(5, 4), Norm(4, "relu"), Dense(4, 3))), ["lem", "norm", "dense"]),
    "linear-then-not": (
        Stack((LEM(5, 4), Norm(4), Norm(4, "relu"), Dense(4, 3))),
        ["lem", "norm", "dense"],
    ),
    "behind-a-function": (
        Stack((Dense(5, 4, "tanh"), Norm(4, "relu"), Dense(4, 3))),
        ["dense", "norm", "dense"],
    ),
}


def drawn(cell: Cell, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(0.0, 0.5, shape) for name, shape in cell.params.items()}
    return {**arrays, **cell.constants}


def sequences(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 1.0, (4, 30, 5)).astype(np.float32)


def outputs(cell: Cell, params: dict[str, np.ndarray]) -> np.ndarray:
    return trace(cell, params).scan(sequences(2).astype(np.float64))[0]


ALL = {**STACKS, **{f"staying-{name}": stack for name, (stack, _) in STAYING.items()}}


@pytest.mark.parametrize("cell", [*ALL.values(), LEM(5, 4)], ids=[*ALL, "no-stack"])
@pytest.mark.parametrize("form", ["absorbed", "prepared"])
def test_the_outputs_stay_what_they_were(cell: Cell, form: str) -> None:
    params = drawn(cell)
    network = absorbed(cell, params) if form == "absorbed" else prepare(cell, params, sequences())
    np.testing.assert_allclose(
        outputs(network.cell, network.params), outputs(cell, params), rtol=0.0, atol=1e-10
    )


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_no_norm_is_left_and_no_layer_is_gone(stack: Stack) -> None:
    network = absorbed(stack, drawn(stack))
    before = [cell.name for cell in stack.cells if not isinstance(cell, Norm)]
    assert [cell.name for cell in network.cell.cells] == before


@pytest.mark.parametrize(("stack", "left"), STAYING.values(), ids=STAYING)
def test_a_norm_that_fits_nowhere_stays(stack: Stack, left: list[str]) -> None:
    assert [cell.name for cell in absorbed(stack, drawn(stack)).cell.cells] == left


@pytest.mark.parametrize("stack", [*ALL.values()], ids=[*ALL])
def test_arrays_are_known_by_the_names_they_had(stack: Stack) -> None:
    params = drawn(stack)
    network = absorbed(stack, params)
    assert set(network.names) == set(network.cell.params)
    for now, before in network.names.items():
        if not before.endswith("b_u") and "norm" not in now:
            assert network.params[now].shape == params[before].shape
    untouched = [n for n in network.names if n.rpartition(".")[2] in ("e_h", "W_1", "U_i", "U_z")]
    for name in untouched:
        np.testing.assert_array_equal(network.params[name], params[network.names[name]])


def spread(graph: Graph, names: list[str]) -> float:
    """Largest ratio between the peaks of two elements of one value."""
    seen = observe(graph, sequences())
    return max(float(seen[n].peaks.max() / seen[n].peaks[seen[n].peaks > 0].min()) for n in names)


def test_hidden_units_and_memories_come_to_like_magnitudes() -> None:
    stack = STACKS["recipe-lmu"]
    params = drawn(stack)
    rows = np.array([30.0, 1.0, 0.03, 1.0, 8.0, 0.1])
    params["1.lmu.W_m"] *= rows[:, None]
    params["1.lmu.W_x"] *= rows[:, None]
    plain = absorbed(stack, params)
    balanced = prepare(stack, params, sequences())
    names = ["0.lmu.h_new", "0.lmu.m", "1.lmu.m"]
    before = spread(trace(plain.cell, plain.params), names)
    after = spread(trace(balanced.cell, balanced.params), names)
    assert after < 0.2 * before


def test_the_constants_of_a_balanced_memory_travel_with_it() -> None:
    network = prepare(STACKS["recipe-lmu"], drawn(STACKS["recipe-lmu"]), sequences())
    for name, array in network.cell.constants.items():
        assert network.params[name].shape == array.shape
        assert not np.allclose(network.params[name], array)
    # another basis, the same memory
    for layer in ("0.lmu.A", "1.lmu.A"):
        ours, theirs = (
            np.sort_complex(np.linalg.eigvals(arrays[layer]))
            for arrays in (network.params, network.cell.constants)
        )
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
