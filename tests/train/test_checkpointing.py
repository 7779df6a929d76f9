"""A sequence in chunks is the sequence, forward and backward."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.cells import GRU, LEM, LMU, LSTM, Dense, Stack
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.ir.passes.last_step import needed_at_every_step
from edgemem.train.checkpointing import (
    checkpointed,
    checkpointed_last,
    steps_within,
)
from edgemem.train.ops_tf import TensorOps
from edgemem.train.sequence import unroll, unroll_last

pytestmark = pytest.mark.training

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


def gradients(form, sources):
    """Outputs, states, and gradients of a weighted sum of both."""
    rng = np.random.default_rng(1)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        y, states = form(*sources)
        loss = tf.reduce_sum(y * tf.constant(rng.normal(size=y.shape), y.dtype))
        for name in sorted(states):
            weight = tf.constant(rng.normal(size=states[name].shape), y.dtype)
            loss += tf.reduce_sum(states[name] * weight)
    return y, states, tape.gradient(loss, sources, unconnected_gradients="zero")


def expected_of(form, sources):
    return gradients(form, tf.nest.map_structure(tf.constant, sources))


def in_a_graph(form, sources, dtype="float64"):
    run = tf.function(partial(gradients, form), autograph=False)
    return run(tf.nest.map_structure(lambda array: tf.constant(array, dtype), sources))


def check(found, expected, share):
    """Every array within a share of its largest value."""

    def close(ours, theirs):
        bound = share * np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=bound)

    tf.nest.map_structure(close, found, expected)


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
    """In float32, so with the compiled kernel where there is one."""
    graph, sources = drawn(cell)
    stepped = partial(step_by_step, graph)
    every = partial(checkpointed, partial(unroll, graph), chunk=3)
    last = partial(checkpointed_last, partial(unroll_last, graph), chunk=2)
    for form, expected in ((every, stepped), (last, partial(last_of, stepped))):
        found = in_a_graph(form, sources, "float32")
        check(found, expected_of(expected, sources), 1e-5)


@pytest.mark.parametrize("chunk", [1, 4, 7, 9])
def test_a_chunk_may_have_any_length(chunk):
    graph, sources = drawn(CELLS["lmu-parallel"])
    found = in_a_graph(partial(checkpointed, partial(unroll, graph), chunk=chunk), sources)
    check(found, expected_of(partial(step_by_step, graph), sources), 1e-9)


def test_loops_of_tensorflow_are_cut_too():
    graph, sources = drawn(CELLS["gru"])  # in float64, for which there is no kernel
    found = in_a_graph(partial(checkpointed, partial(unroll, graph), chunk=3), sources)
    check(found, expected_of(partial(step_by_step, graph), sources), 1e-9)


LONGER = """
import numpy as np, tensorflow as tf
from functools import partial
from edgemem.cells import LEM
from edgemem.ir import trace
from edgemem.train.checkpointing import checkpointed_last
from edgemem.train.sequence import unroll_last

cell = LEM(2, 128, 0.1)
graph = trace(cell, cell.init(np.random.default_rng(0)))
weights = {n: tf.Variable(graph.params[n], dtype=tf.float32) for n in cell.params}
start = {n: tf.zeros((32, *shape)) for n, shape in graph.states.items()}

@tf.function
def gradients(x, chunk):
    with tf.GradientTape() as tape:
        held = {n: tf.convert_to_tensor(w) for n, w in weights.items()}
        run = partial(unroll_last, graph)
        y, _ = checkpointed_last(run, held, x, start, chunk)
    return tape.gradient(y, list(weights.values()))

for n_steps, chunk in ((400, 100), (2400, 100), (2400, 2400)):
    gradients(tf.zeros((32, n_steps, 2)), chunk)
    # ru_maxrss would begin with that of the process that started this one
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(int(status["VmHWM"].split()[0]) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux' /proc")
def test_memory_does_not_grow_with_the_sequence():
    command = [sys.executable, "-W", "ignore", "-c", LONGER]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    short, long, whole = (float(peak) for peak in told.split())
    # tracing for another length takes some tens of MiB of its own, the values of the whole sequence
    # some hundreds
    assert long - short < (whole - long) / 3
    assert whole - long > 124


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
