"""The adjoint against hand-computed cases and finite differences of the float64 equations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM
from edgemem.errors import UnsupportedOpError
from edgemem.ir import trace
from edgemem.ir.graph import Node, apply
from edgemem.ir.passes.adjoint import ADJOINT_OPS, AdjointOps, Recurrence, adjoint
from edgemem.ir.passes.partition import loops
from edgemem.ops import FloatOps

CELLS = {
    "lem": LEM(3, 4),
    "lem-slow": LEM(3, 4, 0.3),
    "lstm": LSTM(3, 4),
    "gru": GRU(3, 4),
    "lmu-hidden-to-memory": LMU(3, 4, 3, 6.0, 2, hidden_to_memory=True),
    "lmu-memory-to-memory": LMU(3, 4, 3, 6.0, 2, memory_to_memory=True, activation="linear"),
    "lmu-both": LMU(3, 4, 3, 6.0, 2, hidden_to_memory=True, memory_to_memory=True),
    "lmu-input": LMU(3, 4, 3, 6.0, 2, hidden_to_memory=True, input_to_hidden=True),
    "lmu-hidden-to-hidden": LMU(
        3, 4, 3, 6.0, 2, hidden_to_memory=True, hidden_to_hidden=True, activation="relu"
    ),
    "lmu-all": LMU(3, 4, 3, 6.0, 2, True, True, True, True, True, "sigmoid"),
    "lmu-paper": LMU.paper(3, 4, 3, 6.0),
}
BATCH = 2


def one(op, shape, *args, inputs=("s",)):
    """A recurrence that is a single node over a state, a drive ``d`` and a weight ``w``."""
    node = Node("n", op, inputs, shape, args)
    read = set(inputs)
    return Recurrence(
        (node,), ("w",) if "w" in read else (), ("d",) if "d" in read else (), ("s",), ("n",)
    )


def pulled(recurrence, values, bar):
    """Every adjoint of one step whose state after it has the adjoint ``bar``."""
    values = {name: np.asarray(value, float) for name, value in values.items()}
    shapes = {name: value.shape for name, value in values.items()}
    ops = AdjointOps()
    for node in recurrence.nodes:
        values[node.name] = apply(ops, node, values)
    found = adjoint(recurrence, shapes)
    values[found.seeds[0]] = np.asarray(bar, float)
    for node in found.nodes:
        assert node.op in ADJOINT_OPS
        values[node.name] = apply(ops, node, values)
        assert values[node.name].shape == node.shape
    return found, values


# op, static arguments, s, bar, d's or w's value, expected adjoint of s, of d or w
BY_HAND = [
    ("scale", (0.5,), [2.0, 4.0], [1.0, 3.0], [0.5, 1.5]),
    # sigma(ln 3) = 3/4: 3/4 * 1/4
    ("sigmoid", (), [0.0, np.log(3.0)], [1.0, 2.0], [0.25, 2 * 3 / 16]),
    # tanh(ln 2) = 3/5: 1 - 9/25
    ("tanh", (), [0.0, np.log(2.0)], [1.0, 2.0], [1.0, 2 * 16 / 25]),
    ("relu", (), [-1.0, 2.0], [5.0, 7.0], [0.0, 7.0]),
    # steps of 1/2 from -1 to 1: beyond them nothing moves
    ("quantize", (0.5, 0.0, -2.0, 2.0), [0.7, 1.3], [3.0, 4.0], [3.0, 0.0]),
    ("slice", (1, 3), [1.0, 2.0, 3.0, 4.0], [5.0, 6.0], [0.0, 5.0, 6.0, 0.0]),
    ("split", (2,), [1.0, 2.0, 3.0, 4.0], [[5.0, 6.0], [7.0, 8.0]], [5.0, 6.0, 7.0, 8.0]),
    ("merge", (), [[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0, 7.0, 8.0], [[5.0, 6.0], [7.0, 8.0]]),
]


@pytest.mark.parametrize(("op", "args", "s", "bar", "expected"), BY_HAND, ids=lambda v: str(v)[:12])
def test_an_op_of_one_value_by_hand(op, args, s, bar, expected):
    found, values = pulled(one(op, np.shape(bar), *args), {"s": s}, bar)
    np.testing.assert_allclose(values[found.states[0]], expected, atol=1e-15)


@pytest.mark.parametrize(
    ("op", "to_s", "to_d"),
    [
        ("add", [5.0, 6.0], [5.0, 6.0]),
        ("sub", [5.0, 6.0], [-5.0, -6.0]),
        ("mul", [15.0, 24.0], [5.0, 12.0]),  # bar d, bar s
    ],
)
def test_an_op_of_two_values_by_hand(op, to_s, to_d):
    values = {"s": [1.0, 2.0], "d": [3.0, 4.0]}
    found, values = pulled(one(op, (2,), inputs=("s", "d")), values, [5.0, 6.0])
    np.testing.assert_allclose(values[found.states[0]], to_s)
    np.testing.assert_allclose(values[found.drives[0]], to_d)
    assert not found.shares


def test_a_product_by_hand():
    values = {"s": [1.0, 2.0], "w": [[1.0, 2.0], [3.0, 4.0]]}
    found, values = pulled(one("matvec", (2,), inputs=("w", "s")), values, [5.0, 7.0])
    # W^T bar
    np.testing.assert_allclose(values[found.states[0]], [5 + 21, 10 + 28])
    (share,) = found.shares
    assert (share.weight, share.source) == ("w", "s")
    np.testing.assert_allclose(values[share.bar], [5.0, 7.0])


def test_a_vector_of_weights_by_hand():
    values = {"s": [1.0, 2.0], "w": [3.0, 4.0]}
    found, values = pulled(one("mul", (2,), inputs=("s", "w")), values, [5.0, 7.0])
    (share,) = found.shares
    assert (share.weight, share.source) == ("w", None)
    np.testing.assert_allclose(values[share.bar], [5.0, 14.0])


def test_a_value_read_twice_adds_up_what_it_is_handed():
    found, values = pulled(one("mul", (1,), inputs=("s", "s")), {"s": [3.0]}, [5.0])
    np.testing.assert_allclose(values[found.states[0]], [30.0])  # d(s^2) = 2 s


def test_what_no_state_after_depends_on_has_no_adjoint():
    nodes = (Node("n", "scale", ("s",), (2,), (2.0,)), Node("dead", "tanh", ("d",), (2,)))
    recurrence = Recurrence(nodes, (), ("d",), ("s", "other"), ("n", "n"))
    found = adjoint(recurrence, {"s": (2,), "d": (2,), "other": (2,)})
    assert found.drives == (None,)
    assert found.states[1] is None
    assert [node.op for node in found.nodes] == ["add", "scale"]


def test_an_op_without_a_chain_rule_is_refused_by_name():
    recurrence = one("sqrt", (2,))
    with pytest.raises(UnsupportedOpError, match=r"'n'.*'sqrt'"):
        adjoint(recurrence, {"s": (2,)})


def drawn(cell):
    """Recurrence of a cell and the value of everything that it reads."""
    rng = np.random.default_rng(0)
    graph = trace(cell, {name: rng.normal(size=shape) for name, shape in cell.params.items()})
    recurrence = Recurrence.of(graph, loops(graph)[0])
    shapes = graph.shapes()
    values = {name: graph.params[name] for name in recurrence.weights}
    for name in (*recurrence.drives, *recurrence.states):
        values[name] = rng.normal(size=(BATCH, *shapes[name]))
    return recurrence, values, {name: shapes[name] for name in values}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_a_step_backwards_is_the_finite_difference_of_the_step(cell):
    recurrence, given, shapes = drawn(cell)
    rng = np.random.default_rng(1)
    upstream = [rng.normal(size=given[state].shape) for state in recurrence.states]

    def loss(values):
        values = dict(values)
        for node in recurrence.nodes:
            values[node.name] = apply(FloatOps(), node, values)
        return sum(np.sum(values[n] * bar) for n, bar in zip(recurrence.after, upstream)), values

    _, values = loss(given)
    found = adjoint(recurrence, shapes)
    values.update(zip(found.seeds, upstream))
    for node in found.nodes:
        values[node.name] = apply(AdjointOps(), node, values)
    gradients = {name: np.zeros_like(given[name]) for name in given}
    for name, bar in [*zip(recurrence.states, found.states), *zip(recurrence.drives, found.drives)]:
        if bar is not None:
            gradients[name] = values[bar]
    for share in found.shares:
        bar = values[share.bar]
        bar = bar.reshape(-1, bar.shape[-1])
        if share.source is None:
            gradients[share.weight] += bar.sum(axis=0)
        else:
            source = values[share.source]
            gradients[share.weight] += bar.T @ source.reshape(-1, source.shape[-1])

    eps = 1e-6
    for name, gradient in gradients.items():
        for index in np.ndindex(gradient.shape):
            step = np.zeros_like(given[name])
            step[index] = eps
            ahead, back = (loss({**given, name: given[name] + s})[0] for s in (step, -step))
            difference = (ahead - back) / (2 * eps)
            np.testing.assert_allclose(gradient[index], difference, atol=1e-7, err_msg=name)


def test_values_read_and_recorded_are_what_a_loop_must_hold_and_leave_behind():
    recurrence, _, shapes = drawn(LSTM(3, 4))
    found = adjoint(recurrence, shapes)
    own = {*found.seeds, *(node.name for node in found.nodes)}
    assert not own & set(found.values_read)
    assert len(set(found.recorded)) == len(found.recorded) == 4  # one for each gate
    assert all(name in own for name in found.recorded)


def test_nothing_dead_is_left():
    recurrence, _, shapes = drawn(LEM(3, 4))
    found = adjoint(recurrence, shapes)
    read = {name for node in found.nodes for name in node.inputs}
    wanted = {*found.states, *found.recorded}
    assert all(node.name in read | wanted for node in found.nodes)
    again = adjoint(replace(recurrence), shapes)
    assert again == found
