"""The two loops against a step that TensorFlow unrolls and differentiates by itself."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM
from edgemem.frameworks import tf
from edgemem.ir import INPUT, trace
from edgemem.ir.graph import apply
from edgemem.ir.passes.adjoint import Recurrence
from edgemem.ir.passes.partition import loops
from edgemem.ops import FloatOps
from edgemem.train.ops_tf import TensorOps
from edgemem.train.scan import scan, stack_products

pytestmark = pytest.mark.training

CELLS = {
    "lem": LEM(3, 4),
    "lem-slow": LEM(3, 4, 0.3),
    "lstm": LSTM(3, 4),
    "gru": GRU(3, 4),
    "lmu-hidden-to-memory": LMU(3, 4, 3, 6.0, 2, hidden_to_memory=True),
    "lmu-memory-to-memory": LMU(3, 4, 3, 6.0, 2, memory_to_memory=True, activation="linear"),
    "lmu-hidden-to-hidden": LMU(
        3, 4, 3, 6.0, 2, hidden_to_memory=True, hidden_to_hidden=True, activation="relu"
    ),
    "lmu-all": LMU(3, 4, 3, 6.0, 2, True, True, True, True, True, "sigmoid"),
    "lmu-paper": LMU.paper(3, 4, 3, 6.0),
}
BATCH, N_STEPS = 2, 6


def drawn(cell, seed=0):
    """Graph, arrays, sequence and start states of a cell, all float64."""
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    graph = trace(cell, arrays)
    x = rng.normal(size=(BATCH, N_STEPS, graph.n_in))
    start = {name: rng.normal(size=(BATCH, *shape)) for name, shape in graph.states.items()}
    return graph, x, start


def inputs_of(graph, x, start):
    """What :func:`scan` takes: recurrence, weights, drives and start states as tensors."""
    (loop,) = loops(graph)
    recurrence = Recurrence.of(graph, loop)
    values = {**{n: tf.constant(a) for n, a in graph.params.items()}, INPUT: tf.constant(x)}
    for node in graph.nodes:
        if all(name in values for name in node.inputs):
            values[node.name] = apply(TensorOps(), node, values)
    return (
        recurrence,
        {name: values[name] for name in recurrence.weights},
        {name: values[name] for name in recurrence.drives},
        {name: tf.constant(a) for name, a in start.items()},
    )


def unrolled(recurrence, weights, drives, start):
    """The same as :func:`scan`, written down step by step."""
    ops, states, steps = TensorOps(), dict(start), []
    for t in range(N_STEPS):
        values = {**weights, **states, **{name: drive[:, t] for name, drive in drives.items()}}
        for node in recurrence.nodes:
            values[node.name] = apply(ops, node, values)
        states = {s: values[a] for s, a in zip(recurrence.states, recurrence.after)}
        steps.append(states)
    return {s: tf.stack([step[s] for step in steps], axis=1) for s in recurrence.states}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_the_loop_is_the_float64_equations_and_its_adjoint_their_gradient(cell):
    graph, x, start = drawn(cell)
    recurrence, weights, drives, states = inputs_of(graph, x, start)
    rng = np.random.default_rng(1)
    upstream = {n: rng.normal(size=(BATCH, N_STEPS, *s)) for n, s in graph.states.items()}

    @tf.function
    def differentiated(form):
        sources = (weights, drives, states)
        with tf.GradientTape() as tape:
            tape.watch(sources)
            steps = form(recurrence, *sources)
            loss = sum(tf.reduce_sum(steps[n] * upstream[n]) for n in steps)
        return steps, tape.gradient(loss, sources)

    found = {form: differentiated(form) for form in (scan, unrolled)}

    after = dict(start)
    for t in range(N_STEPS):
        after, _ = graph.evaluate(FloatOps(), graph.params, after, x[:, t])
        for name, state in after.items():
            np.testing.assert_allclose(found[scan][0][name][:, t], state, atol=1e-12)
    for ours, theirs in zip(found[scan][1], found[unrolled][1]):
        assert set(ours) == set(theirs)
        for name, gradient in theirs.items():
            np.testing.assert_allclose(ours[name], gradient, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_stacked_products_change_no_value(cell):
    graph, x, start = drawn(cell)
    recurrence, weights, _, _ = inputs_of(graph, x, start)
    nodes, stacked = stack_products(recurrence.nodes, weights)
    values = graph.run(FloatOps(), graph.params, start, x[:, 0])
    again = {**values, **{name: np.asarray(weight) for name, weight in stacked.items()}}
    for node in nodes:
        again[node.name] = apply(FloatOps(), node, again)
    for node in recurrence.nodes:
        np.testing.assert_allclose(again[node.name], values[node.name], atol=1e-13)


def test_products_of_one_state_become_one():
    graph, x, start = drawn(LEM(3, 4))
    recurrence, weights, _, _ = inputs_of(graph, x, start)
    nodes, stacked = stack_products(recurrence.nodes, weights)
    # W_1, W_2 and W_z read y; W_y reads z
    assert [n.op for n in recurrence.nodes].count("matvec") == 4
    assert [n.op for n in nodes].count("matvec") == 2
    assert sorted(w.shape[0] for w in stacked.values() if len(w.shape) == 2) == [4, 12]


def test_a_product_of_many_channels_is_left_alone():
    graph, x, start = drawn(CELLS["lmu-memory-to-memory"])
    recurrence, weights, _, _ = inputs_of(graph, x, start)
    nodes, stacked = stack_products(recurrence.nodes, weights)
    assert nodes == recurrence.nodes
    assert set(stacked) == set(weights)
