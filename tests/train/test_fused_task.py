"""The fused form of tasks against the equations in float64."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Bidirectional, Cell, Conv, Dense, Stack
from edgemem.cells.stack import scope
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.train.fused_task import FusedTask, Reading

pytestmark = pytest.mark.training

N, N_STEPS, N_IN = 5, 9, 3
RECURRENT: dict[str, Cell] = {
    "lmu": LMU(N_IN, 5, 4, 6.0, 2, use_bias=True),
    "lmu-paper": LMU.paper(N_IN, 4, 3, 6.0),
    "lem": LEM(N_IN, 5, 0.5),
    "lstm": LSTM(N_IN, 4),
    "gru": GRU(N_IN, 4),
}


def networks(cell: Cell) -> dict[str, Stack]:
    both = Bidirectional(cell)
    return {
        "one": Stack((cell, Dense(cell.n_out, 2))),
        "two": Stack((Conv(N_IN, N_IN, 3, "relu"), cell, LEM(cell.n_out, 3), Dense(3, 2, "tanh"))),
        "both": Stack((both, Dense(both.n_out, 2))),
        "both-two": Stack((Bidirectional(LEM(N_IN, 3)), Bidirectional(GRU(6, 4)), Dense(8, 2))),
    }


CASES = [
    pytest.param(stack, id=f"{name}-{shape}")
    for name, cell in RECURRENT.items()
    for shape, stack in networks(cell).items()
    if shape != "both-two" or name == "gru"
]


def drawn(stack: Stack) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape) / 2 for name, shape in stack.params.items()}


def of_cell(cell: Cell, arrays, x: np.ndarray) -> np.ndarray:
    """Outputs of a layer over one sequence, (n_steps, n_out), by stepping in float64."""
    if not isinstance(cell, Bidirectional):
        return trace(cell, arrays).scan(x)[0]
    ahead = trace(cell.cell, scope(arrays, "forward.")).scan(x)[0]
    back = trace(cell.cell, scope(arrays, "backward.")).scan(x[::-1])[0]
    return np.concatenate([ahead, back[::-1]], axis=-1)


def expected(stack: Stack, arrays, x: np.ndarray, last: bool) -> np.ndarray:
    """Outputs over one sequence: at every step, or where each direction has read all of it."""
    scopes = list(stack.scopes())
    top = max(i for i, (_, cell) in enumerate(scopes) if cell.states)
    for place, (prefix, cell) in enumerate(scopes):
        x = of_cell(cell, scope(arrays, prefix), x)
        if last and place == top:
            half = cell.n_out // 2 if isinstance(cell, Bidirectional) else cell.n_out
            x = np.concatenate([x[-1, :half], x[0, half:]])[None]
    return x


def built(stack: Stack, reading: Reading, batch: int = 2, **options) -> FusedTask:
    layer = FusedTask(stack, drawn(stack), N_STEPS, batch, reading, **options)
    layer.build(None)
    return layer


@pytest.mark.parametrize("last", [False, True], ids=["steps", "last"])
@pytest.mark.parametrize("stack", CASES)
def test_outputs_are_those_of_the_equations(stack, last):
    x = np.random.default_rng(1).normal(size=(N, N_STEPS, N_IN)).astype(np.float32)
    found = built(stack, Reading(last=last)).outputs(x)
    arrays = drawn(stack)
    wanted = [expected(stack, arrays, row.astype(np.float64), last) for row in x]
    np.testing.assert_allclose(found, wanted, atol=2e-5)


@pytest.mark.parametrize("last", [False, True], ids=["steps", "last"])
@pytest.mark.parametrize("stack", CASES)
def test_a_sequence_that_ends_early_is_read_to_its_end_and_no_further(stack, last):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, N_STEPS, N_IN)).astype(np.float32)
    lengths = np.array([9, 1, 4, 7, 2])
    for row, length in zip(x, lengths):
        row[length:] = np.nan
    found = built(stack, Reading(last=last, ragged=True)).outputs(x)
    arrays = drawn(stack)
    for row, length, got in zip(x, lengths, found):
        wanted = expected(stack, arrays, row[:length].astype(np.float64), last)
        np.testing.assert_allclose(got[: len(wanted)], wanted, atol=2e-5)


def test_a_symbol_is_a_one_hot_vector():
    stack = Stack((LEM(N_IN, 4), Dense(4, 2)))
    symbols = np.random.default_rng(0).integers(0, N_IN, (4, N_STEPS))
    found = built(stack, Reading(symbols=True)).outputs(symbols[:, :, None])
    wanted = built(stack, Reading()).outputs(np.eye(N_IN)[symbols])
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_any_length_is_measured():
    stack = Stack((LSTM(N_IN, 4), Dense(4, 2)))
    layer = built(stack, Reading())
    x = np.random.default_rng(1).normal(size=(3, 23, N_IN)).astype(np.float32)
    wanted = trace(stack, {**drawn(stack), **stack.constants}).scan(x.astype(np.float64))[0]
    np.testing.assert_allclose(layer.outputs(x), wanted, atol=2e-5)


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    stack = Stack((LSTM(40, 2), Dense(2, 2)))
    layer = FusedTask(stack, drawn(stack), 50, 20, Reading(dropout=0.25))
    layer.build(None)
    ones = tf.ones((20, 50, 40))
    seen = layer.prepared(ones, True)[0].numpy()
    assert set(np.unique(seen.round(5))) == {0.0, np.float32(1.33333)}
    assert (seen == 0).mean() == pytest.approx(0.25, abs=0.01)
    layer.batches.assign_add(1)
    assert not np.array_equal(seen, layer.prepared(ones, True)[0].numpy())
    np.testing.assert_array_equal(layer.prepared(ones, False)[0], ones)
