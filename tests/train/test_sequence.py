"""A step over a whole sequence: outputs, end states and gradients of the equations."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Dense, Norm, Stack
from edgemem.ir import trace

tf = pytest.importorskip("tensorflow", reason="the train extra is not installed")

from edgemem.train.ops_tf import TensorOps  # noqa: E402
from edgemem.train.sequence import has_loop, unroll  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

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


@pytest.mark.parametrize("cell", [*FREE.values(), *BOUND.values()], ids=[*FREE, *BOUND])
def test_unrolled_is_scanned_and_so_are_its_gradients(cell):
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    graph = trace(cell, arrays)
    x = rng.normal(size=(BATCH, N_STEPS, 3))
    start = {name: rng.normal(size=(BATCH, *shape)) for name, shape in graph.states.items()}
    y, after = graph.scan(x, start)
    seen = rng.normal(size=y.shape)
    last = {name: rng.normal(size=state.shape) for name, state in after.items()}

    weights = {name: tf.constant(array) for name, array in arrays.items()}
    fixed = {name: tf.constant(graph.params[name]) for name in graph.constants}
    sources = (weights, tf.constant(x), {n: tf.constant(s) for n, s in start.items()})

    def at_once():
        return unroll(graph, *sources)

    def step_by_step():
        ops, states, outputs = TensorOps(), sources[2], []
        for t in range(N_STEPS):
            states, out = graph.evaluate(ops, {**fixed, **weights}, states, sources[1][:, t])
            outputs.append(out)
        return tf.stack(outputs, axis=1), states

    @tf.function
    def differentiated(form):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            ours, states = form()
            loss = tf.reduce_sum(ours * seen)
            loss += sum(tf.reduce_sum(states[name] * last[name]) for name in last)
        return ours, states, tf.nest.flatten(tape.gradient(loss, sources))

    gradients = []
    for form in (at_once, step_by_step):
        ours, states, gradient = differentiated(form)
        np.testing.assert_allclose(ours, y, atol=1e-11)
        for name, state in after.items():
            np.testing.assert_allclose(states[name], state, atol=1e-11, err_msg=name)
        gradients.append(gradient)
    for ours, expected in zip(*gradients):
        np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_only_feedback_needs_a_loop():
    def graph_of(cell):
        return trace(cell, {name: np.zeros(shape) for name, shape in cell.params.items()})

    assert not any(has_loop(graph_of(cell)) for cell in FREE.values())
    assert all(has_loop(graph_of(cell)) for cell in BOUND.values())
