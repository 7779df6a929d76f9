"""The kernel inside of TensorFlow: eagerly, in a traced function, and without it."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Stack
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.train import scan as scanning
from edgemem.train.kernel import build, call
from edgemem.train.sequence import unroll

pytestmark = pytest.mark.training

CELLS = {
    "lem": LEM(3, 4),
    "lstm": LSTM(3, 4),
    "gru": GRU(3, 4),
    "lmu-paper": LMU.paper(3, 4, 3, 6.0),
    "stack": Stack((LMU(3, 4, 3, 6.0, 2), LEM(4, 3), LSTM(3, 2))),
}
BATCH, N_STEPS = 3, 5


def differentiated(cell, dtype):
    """Outputs and gradients of everything, in one precision."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    graph = trace(cell, arrays)
    sources = (
        {name: tf.constant(array, dtype) for name, array in arrays.items()},
        tf.constant(rng.normal(size=(BATCH, N_STEPS, 3)), dtype),
        {n: tf.constant(rng.normal(size=(BATCH, *s)), dtype) for n, s in graph.states.items()},
    )
    seen = tf.constant(rng.normal(size=(BATCH, N_STEPS, graph.n_out)), dtype)

    def both():
        with tf.GradientTape() as tape:
            tape.watch(sources)
            y, _ = unroll(graph, *sources)
            loss = tf.reduce_sum(y * seen)
        return y, *tf.nest.flatten(tape.gradient(loss, sources))

    return both


def close(ours, theirs):
    for a, b in zip(ours, theirs):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=2e-6 * max(1.0, np.abs(b).max()))


@pytest.fixture
def calls(monkeypatch):
    """How often the kernel was taken."""
    taken = []
    original = scanning.run
    monkeypatch.setattr(scanning, "run", lambda *args: taken.append(1) or original(*args))
    return taken


@pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_float32_is_float64_but_for_rounding(cell, calls):
    exact = tf.function(differentiated(cell, tf.float64))()
    assert not calls
    close(tf.function(differentiated(cell, tf.float32))(), exact)
    assert calls


@pytest.mark.skipif(build.compiler() is None, reason="there is no C compiler")
def test_it_runs_without_a_traced_function_too(calls):
    both = differentiated(CELLS["lem"], tf.float32)
    close(both(), tf.function(both)())
    assert calls


def test_without_a_kernel_tensorflow_does_it(monkeypatch, calls):
    both = differentiated(CELLS["gru"], tf.float32)
    usual = tf.function(both)()
    before = len(calls)
    monkeypatch.setenv(call.SWITCH, "0")
    close(tf.function(both)(), usual)
    assert len(calls) == before
