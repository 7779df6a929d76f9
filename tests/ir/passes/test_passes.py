"""Every pass leaves what a graph computes as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.ir import INPUT, Graph, Node, trace
from edgemem.ir.passes import balance, fold, fuse, prune, residual
from edgemem.quantize import observe

Pass = Callable[[Graph], Graph]


def balanced(graph: Graph) -> Graph:
    x = np.random.default_rng(9).normal(size=(4, 20, graph.n_in)).astype(np.float32)
    return balance(graph, {name: seen.peaks for name, seen in observe(graph, x).items()})


PASSES: dict[str, Pass] = {
    "fold": fold,
    "fuse": fuse,
    "prune": prune,
    "residual": residual,
    "balance": lambda graph: balanced(residual(fold(graph))),
    "all": lambda graph: fuse(residual(fold(graph))),
}

CELLS: list[Cell] = [
    LMU(3, 8, 6, 20.0, memory_d=2, activation="relu"),
    LMU.paper(3, 8, 6, 20.0),
    LMU(3, 5, 4, 9.0, 2, True, True, True, True, True, "linear"),
    LEM(3, 8),
    LEM(3, 8, dt=0.3),
    LSTM(3, 8),
    GRU(3, 8),
    Norm(3),
    Stack((Norm(3), LMU(3, 8, 6, 20.0, 2, activation="linear"), Norm(8, "relu"), Dense(8, 4))),
    Stack((LEM(3, 6), Norm(6), LSTM(6, 5), Norm(5, "tanh"), GRU(5, 4), Dense(4, 2, "sigmoid"))),
]


def lively(cell: Cell, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Parameters with no zeros and no ones, so that a forgotten one shows."""
    return {name: rng.normal(scale=0.5, size=shape) for name, shape in cell.params.items()}


def assert_same(graph: Graph, changed: Graph, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 30, graph.n_in))
    np.testing.assert_allclose(changed.scan(x)[0], graph.scan(x)[0], rtol=1e-9, atol=1e-9)


def assert_same_states(graph: Graph, changed: Graph, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 30, graph.n_in))
    expected, got = graph.scan(x)[1], changed.scan(x)[1]
    for name, state in expected.items():
        np.testing.assert_allclose(got[name], state, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_cells(cell: Cell, name: str) -> None:
    rng = np.random.default_rng(0)
    graph = trace(cell, lively(cell, rng))
    assert_same(graph, PASSES[name](graph), rng)
    if name != "balance":  # which holds a memory in units of its own
        assert_same_states(graph, PASSES[name](graph), rng)


def random_graph(rng: np.random.Generator, n: int = 4) -> Graph:
    """A graph over vectors of one size, with every op that keeps the size."""
    params = {f"W{i}": rng.normal(scale=0.4, size=(n, n)) for i in range(4)}
    params.update({f"v{i}": rng.normal(size=n) for i in range(3)})
    values, nodes = [INPUT, "s", "t"], []
    for i in range(25):
        op = str(rng.choice(["matvec", "add", "sub", "mul", "scale", "sigmoid", "tanh", "relu"]))
        a, b = rng.choice(values), rng.choice([*values, "v0", "v1", "v2"])
        inputs = {"matvec": (f"W{rng.integers(4)}", a), "add": (a, b), "sub": (b, a), "mul": (a, b)}
        args = (float(rng.normal()),) if op == "scale" else ()
        nodes.append(Node(f"n{i}", op, tuple(map(str, inputs.get(op, (a,)))), (n,), args))
        values.append(f"n{i}")
    # squashed, so that the states of a wild graph stay finite
    nodes += [Node(f"end{i}", "tanh", (f"n{20 + i}",), (n,)) for i in range(3)]
    return Graph(
        n_in=n,
        params=params,
        constants=frozenset({"W0"}),
        states={"s": (n,), "t": (n,)},
        nodes=tuple(nodes),
        next_states={"s": "end0", "t": "end1"},
        output="end2",
    )


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("seed", range(25))
def test_random_graphs(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    assert_same(graph, PASSES[name](graph), rng)


def ops_of(graph: Graph) -> list[str]:
    return sorted(node.op for node in graph.nodes)


def test_fold_puts_a_norm_into_the_product_before_it() -> None:
    cell = Stack((Dense(3, 4), Norm(4, "relu")))
    graph = fold(trace(cell, lively(cell, np.random.default_rng(0))))
    assert ops_of(graph) == ["add", "matvec", "relu"]


def test_fold_puts_a_norm_into_the_products_after_it() -> None:
    cell = Stack((Norm(3), LSTM(3, 4)))
    params = lively(cell, np.random.default_rng(0))
    plain = fold(trace(LSTM(3, 4), {k[7:]: v for k, v in params.items() if "lstm" in k}))
    assert ops_of(fold(trace(cell, params))) == ops_of(plain)


def test_fold_by_hand() -> None:
    # W (g * x + c) + b with W = [[2, 3]], g = [5, 7], c = [1, -1], b = [10]
    cell = Stack((Norm(2), Dense(2, 1)))
    params = {
        "0.norm.gain": np.array([5.0, 7.0]),
        "0.norm.offset": np.array([1.0, -1.0]),
        "1.dense.W": np.array([[2.0, 3.0]]),
        "1.dense.b": np.array([10.0]),
    }
    graph = fold(trace(cell, params))
    product, total = graph.nodes
    np.testing.assert_array_equal(graph.params[product.inputs[0]], [[10.0, 21.0]])
    np.testing.assert_array_equal(graph.params[total.inputs[1]], [9.0])


def test_fold_leaves_an_array_that_others_read() -> None:
    cell = Stack((LEM(3, 4), Norm(4), Dense(4, 2)))
    graph = trace(cell, lively(cell, np.random.default_rng(0)))
    before = {name: array.copy() for name, array in graph.params.items()}
    fold(graph)
    for name, array in before.items():
        np.testing.assert_array_equal(graph.params[name], array)


def test_residual_holds_the_change_and_adds_the_state_last() -> None:
    cell = LMU(3, 8, 6, 20.0, memory_d=2)
    graph = residual(trace(cell, lively(cell, np.random.default_rng(0))))
    last = graph.producers()[graph.next_states["m"]]
    assert last.op == "add" and "m" in last.inputs
    changes = [graph.params[n.inputs[0]] for n in graph.nodes if n.inputs[-1] == "m"]
    assert any(np.array_equal(c, cell.constants["A"] - np.eye(6)) for c in changes)
    assert {"A"}.isdisjoint(graph.params)


def test_residual_leaves_trained_matrices_alone() -> None:
    cell = GRU(3, 8)
    graph = trace(cell, lively(cell, np.random.default_rng(0)))
    assert ops_of(residual(graph)) == ops_of(graph)


def test_fuse_makes_one_product_of_those_with_one_input() -> None:
    cell = LSTM(3, 8)
    graph = fuse(trace(cell, lively(cell, np.random.default_rng(0))))
    products = [node for node in graph.nodes if node.op == "matvec"]
    assert [node.inputs[1] for node in products] == ["x", "h"]
    assert [node.shape for node in products] == [(32,), (32,)]


def test_prune_drops_what_nothing_reads() -> None:
    nodes = (Node("a", "tanh", ("x",), (2,)), Node("b", "mul", ("x", "g"), (2,)))
    graph = Graph(2, {"g": np.ones(2)}, frozenset({"g"}), {}, nodes, {}, "a")
    small = prune(graph)
    assert [node.name for node in small.nodes] == ["a"]
    assert not small.params and not small.constants


def memories(graph: Graph) -> dict[str, np.ndarray]:
    x = np.random.default_rng(9).normal(size=(4, 20, graph.n_in)).astype(np.float32)
    seen = observe(graph, x)
    return {name: seen[name].peaks for name in graph.states}


def spread(peaks: np.ndarray) -> float:
    return float(peaks.max() / peaks.min())


def test_balance_brings_the_elements_of_a_memory_together() -> None:
    cell = Stack((LMU(3, 8, 6, 20.0, memory_d=4, input_to_hidden=True), Dense(8, 2)))
    params = lively(cell, np.random.default_rng(0))
    params["0.lmu.e_x"] = params["0.lmu.e_x"] * np.array([[1.0], [10.0], [0.1], [3.0]])
    graph = trace(cell, params)
    before, after = memories(graph)["0.lmu.m"], memories(balanced(residual(fold(graph))))["0.lmu.m"]
    assert spread(after) < spread(before) ** 0.5


def test_balance_brings_hidden_values_together() -> None:
    cell = Stack((Dense(3, 4, "relu"), Dense(4, 2)))
    params = lively(cell, np.random.default_rng(0))
    params["0.dense.W"] = params["0.dense.W"] * np.array([[1.0], [16.0], [0.1], [3.0]])
    graph = balanced(residual(fold(trace(cell, params))))
    rows = np.abs(next(a for n, a in graph.params.items() if a.shape == (4, 3))).max(axis=1)
    assert spread(rows) < spread(np.abs(params["0.dense.W"]).max(axis=1)) ** 0.6


@pytest.mark.parametrize("cell", [LEM(3, 8), LSTM(3, 8), GRU(3, 8)], ids=lambda cell: cell.name)
def test_balance_leaves_what_a_curve_reads(cell: Cell) -> None:
    graph = residual(fold(trace(cell, lively(cell, np.random.default_rng(0)))))
    for name, array in balanced(graph).params.items():
        np.testing.assert_array_equal(array, graph.params[name])
