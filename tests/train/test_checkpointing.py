"""A sequence in chunks is the sequence, forward and backward."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.cells import GRU, LEM, LMU, LSTM, Dense, Stack
from edgemem.ir import trace
from edgemem.ir.passes.last_step import needed_at_every_step

tf = pytest.importorskip("tensorflow", reason="the train extra is not installed")

from edgemem.train.checkpointing import (  # noqa: E402
    checkpointed,
    checkpointed_last,
    steps_within,
)
from edgemem.train.ops_tf import TensorOps  # noqa: E402
from edgemem.train.sequence import unroll, unroll_last  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

CELLS = {
    "lem": LEM(3, 4, 0.5),
    "lstm": LSTM(3, 4),
    "gru": GRU(3, 4),
    "lmu-paper": LMU.paper(3, 4, 3, 6.0),
    "lmu-parallel": LMU(3, 4, 3, 6.0, 2, input_to_hidden=True),
    "stack": Stack((LMU(3, 4, 3, 6.0), LEM(4, 3), Dense(3, 2))),
}
BATCH, N_STEPS = 2, 7


def drawn(cell):
    """A graph, its trained arrays, a sequence and the states before it."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    graph = trace(cell, arrays)
    x = rng.normal(size=(BATCH, N_STEPS, 3))
    start = {name: rng.normal(size=(BATCH, *shape)) for name, shape in graph.states.items()}
    return graph, (arrays, x, start)


def differentiated(form, sources):
    """Outputs, states, and gradients of a weighted sum of both."""

    @tf.function
    def run(sources):
        rng = np.random.default_rng(1)
        with tf.GradientTape() as tape:
            tape.watch(sources)
            y, states = form(*sources)
            loss = tf.reduce_sum(y * rng.normal(size=y.shape))
            for name in sorted(states):
                loss += tf.reduce_sum(states[name] * rng.normal(size=states[name].shape))
        return y, states, tape.gradient(loss, sources, unconnected_gradients="zero")

    return run(tf.nest.map_structure(tf.constant, sources))


def step_by_step(graph, weights, x, states):
    """The equations, one step after the other."""
    fixed = {name: tf.constant(graph.params[name]) for name in graph.constants}
    outputs = []
    for t in range(N_STEPS):
        states, y = graph.evaluate(TensorOps(), {**fixed, **weights}, states, x[:, t])
        outputs.append(y)
    return tf.stack(outputs, axis=1), states


def last_of(form, *sources):
    y, states = form(*sources)
    return y[:, -1], states


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_chunks_give_the_equations_and_their_gradients(cell):
    graph, sources = drawn(cell)
    stepped = partial(step_by_step, graph)

    def ours(*sources):
        return checkpointed(partial(unroll, graph), *sources, chunk=3)

    def ours_last(*sources):
        return checkpointed_last(partial(unroll_last, graph), *sources, chunk=2)

    for form, expected in ((ours, stepped), (ours_last, partial(last_of, stepped))):
        found = differentiated(form, sources)
        tf.nest.map_structure(
            partial(np.testing.assert_allclose, atol=1e-9),
            found,
            differentiated(expected, sources),
        )


@pytest.mark.parametrize("chunk", [1, 4, 7, 9])
def test_a_chunk_may_have_any_length(chunk):
    graph, sources = drawn(CELLS["lmu-parallel"])
    found = differentiated(
        lambda *s: checkpointed(partial(unroll, graph), *s, chunk=chunk), sources
    )
    expected = differentiated(partial(step_by_step, graph), sources)
    tf.nest.map_structure(partial(np.testing.assert_allclose, atol=1e-9), found, expected)


@given(
    batch=st.integers(1, 64),
    n_steps=st.integers(1, 20_000),
    budget=st.integers(1, 1 << 32),
)
def test_a_chunk_fits_into_the_budget_or_is_one_step(batch, n_steps, budget):
    chunk = steps_within(GRAPH, batch, n_steps, budget)
    assert 1 <= chunk <= n_steps
    bytes_of_a_chunk = 4 * batch * chunk * VALUES
    assert chunk == 1 or bytes_of_a_chunk <= budget
    # no more chunks than needed, and of about the same length
    if chunk < n_steps:
        chunks = -(-n_steps // chunk)
        assert (chunks - 1) * chunk < n_steps


GRAPH, _ = drawn(CELLS["gru"])
VALUES = sum(int(np.prod(node.shape)) for node in GRAPH.nodes)


def test_what_fits_is_not_cut():
    assert steps_within(GRAPH, 64, 98) == 98
    assert steps_within(GRAPH, 64, 98, budget=1) == 1


def test_a_memory_that_is_read_once_needs_no_chunks():
    cell = LMU(1, 346, 468, 784.0, input_to_hidden=True)
    graph = trace(cell, {name: np.zeros(shape) for name, shape in cell.params.items()})
    assert steps_within(graph, 100, 784) < 784
    assert steps_within(graph, 100, 784, needed=needed_at_every_step(graph)) == 784
