"""A step over a whole sequence: outputs, end states and gradients of the equations."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Dense, Norm, Stack
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.train.ops_tf import TensorOps
from edgemem.train.sequence import has_loop, unroll, unroll_last

pytestmark = pytest.mark.training

FREE = {
    "lmu": LMU(3, 4, 3, 6.0),
    "lmu-channels": LMU(3, 4, 3, 6.0, 2, input_to_hidden=True, activation="relu"),
    "lmu-bias": LMU(3, 4, 3, 6.0, 2, use_bias=True),
    "lmu-in-a-stack": Stack((Norm(3, "tanh"), LMU(3, 4, 3, 6.0, 2), Dense(4, 2))),
    "dense": Dense(3, 2, "relu"),
    "norm": Norm(3, "sigmoid"),
    "two-lmus": Stack((LMU(3, 4, 3, 6.0), LMU(4, 4, 3, 6.0, 2), Dense(4, 2))),
}
BOUND = {
    "lem": LEM(3, 4, 0.5),
    "lstm": LSTM(3, 4),
    "gru": GRU(3, 4),
    "lmu-paper": LMU.paper(3, 4, 3, 6.0),
    "lmu-memory-and-hidden": LMU(3, 4, 3, 6.0, 2, hidden_to_hidden=True),
    "lem-over-lmu": Stack((LMU(3, 4, 3, 6.0), Norm(4, "relu"), LEM(4, 3), Dense(3, 2))),
    "two-gated": Stack((GRU(3, 4), LSTM(4, 3))),
}
BATCH, N_STEPS = 2, 7


EVERY = pytest.mark.parametrize("cell", [*FREE.values(), *BOUND.values()], ids=[*FREE, *BOUND])


def drawn(cell):
    """A graph, a sequence, states to start from, and float64 stepping along it."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    graph = trace(cell, arrays)
    x = rng.normal(size=(BATCH, N_STEPS, 3))
    start = {name: rng.normal(size=(BATCH, *shape)) for name, shape in graph.states.items()}
    return graph, arrays, x, start, graph.scan(x, start)


def check(graph, arrays, x, start, form, y, after):
    """Values and gradients of ``form`` are those of the equations, step by step."""
    rng = np.random.default_rng(1)
    seen = rng.normal(size=y.shape)
    last = {name: rng.normal(size=state.shape) for name, state in after.items()}
    weights = {name: tf.constant(array) for name, array in arrays.items()}
    fixed = {name: tf.constant(graph.params[name]) for name in graph.constants}
    sources = (weights, tf.constant(x), {n: tf.constant(s) for n, s in start.items()})

    def step_by_step(weights, x, states):
        ops, outputs = TensorOps(), []
        for t in range(N_STEPS):
            states, out = graph.evaluate(ops, {**fixed, **weights}, states, x[:, t])
            outputs.append(out)
        return (tf.stack(outputs, axis=1) if len(y.shape) == 3 else outputs[-1]), states

    @partial(tf.function, autograph=False)
    def differentiated(form):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            ours, states = form(*sources)
            loss = tf.reduce_sum(ours * seen)
            loss += sum(tf.reduce_sum(states[name] * last[name]) for name in last)
        gradient = tape.gradient(loss, sources, unconnected_gradients="zero")
        return ours, states, tf.nest.flatten(gradient)

    gradients = []
    for computed in (form, step_by_step):
        ours, states, gradient = differentiated(computed)
        np.testing.assert_allclose(ours, y, atol=1e-11)
        for name, state in after.items():
            np.testing.assert_allclose(states[name], state, atol=1e-11, err_msg=name)
        gradients.append(gradient)
    for ours, expected in zip(*gradients):
        np.testing.assert_allclose(ours, expected, atol=1e-9)


@EVERY
def test_unrolled_is_scanned_and_so_are_its_gradients(cell):
    graph, arrays, x, start, (y, after) = drawn(cell)
    check(graph, arrays, x, start, partial(unroll, graph), y, after)


@EVERY
def test_the_last_step_by_itself_is_the_last_step_of_all(cell):
    graph, arrays, x, start, (y, after) = drawn(cell)
    check(graph, arrays, x, start, partial(unroll_last, graph), y[:, -1], after)


@pytest.mark.parametrize(("order", "batch"), [(256, 3), (468, 2)])
def test_a_picture_in_one_product_is_exact_in_float32(order, batch):
    cell = LMU(1, 20, order, 784.0, input_to_hidden=True, activation="relu")
    rng = np.random.default_rng(0)
    arrays = cell.init(rng)
    graph = trace(cell, arrays)
    x = rng.random((batch, 784, 1))
    start = {"m": rng.normal(size=(batch, 1, order)) / 10}
    y, after = graph.scan(x, start)
    single = tf.nest.map_structure(lambda a: tf.constant(a, tf.float32), (arrays, x, start))
    ours, states = unroll_last(graph, *single)
    for found, expected in ((ours, y[:, -1]), (states["m"], after["m"])):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_only_feedback_needs_a_loop():
    def graph_of(cell):
        return trace(cell, {name: np.zeros(shape) for name, shape in cell.params.items()})

    assert not any(has_loop(graph_of(cell)) for cell in FREE.values())
    assert all(has_loop(graph_of(cell)) for cell in BOUND.values())
