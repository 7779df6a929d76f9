"""A float graph that rounds where the integer program does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.errors import ConfigError, ToleranceError, UnknownNameError, UnsupportedOpError
from edgemem.ir import trace
from edgemem.quantize import IntegerOps, Scheme, build, per_row
from edgemem.quantize.prepare import prepare
from edgemem.quantize.rounding import matrix_bits, rounded, rounded_network, settle, sources

LMU_STACK = Stack(
    (
        LMU(5, 6, 4, 8.0, 3, input_to_hidden=True, use_bias=True, activation="relu"),
        LMU(6, 5, 3, 6.0, 2, activation="relu"),
        Dense(5, 3),
    )
)
STACKS = {
    "lmu": LMU_STACK,
    "lem": Stack((LEM(5, 6), LEM(6, 4, 0.5), Dense(4, 3))),
    "gru": Stack((GRU(5, 6), Dense(6, 3))),
    "lstm": Stack((LSTM(5, 6), Dense(6, 3))),
    "paper-lmu": Stack((LMU.paper(5, 6, 4, 8.0), Dense(6, 3))),
}


def sequences(n: int = 16, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 1.0, (n, 30, 5)).astype(np.float32)


def settled(cell: Cell, bits: int = 8, seed: int = 0):
    """A prepared network whose matrices lie on their grid, and its scheme."""
    rng = np.random.default_rng(seed)
    arrays = {n: rng.normal(0.0, 0.4, shape) for n, shape in cell.params.items()}
    network = prepare(cell, {**arrays, **cell.constants}, sequences())
    scheme = settle(network.cell, network.params, bits, {}, sequences())
    params = dict(network.params)
    for name, width in matrix_bits(network.cell, params, scheme).items():
        form = per_row(params[name], width)
        params[name] = form.dequantize(form.quantize(params[name])).astype(np.float32)
    return network.cell, params, scheme


def integers(cell: Cell, params, scheme: Scheme, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Outputs of the integer program, and the size of one of their steps."""
    program = build(trace(cell, params), scheme, x[:0]).program
    ops = IntegerOps(program)
    states, outputs = program.zero_state((len(x),)), []
    for t in range(x.shape[1]):
        states, values = ops.step(states, ops.quantize(x[:, t]))
        outputs.append(ops.dequantize(values[program.output]))
    return np.stack(outputs, axis=1), float(program.tensors[program.output].form.scale)


@pytest.mark.parametrize("cell", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("bits", [8, 4])
def test_it_is_the_integer_program_but_for_a_few_roundings(cell: Cell, bits: int) -> None:
    cell, params, scheme = settled(cell, bits)
    x = sequences(40, seed=2)
    exact, step = integers(cell, params, scheme, x)
    ours, _ = rounded_network(cell, params, scheme).scan(x.astype(np.float64))
    assert np.mean(ours.argmax(axis=-1) == exact.argmax(axis=-1)) > 0.95
    # Where a value lies near the border between two steps, the program's last digits may decide
    # otherwise. Biases have the steps of the sums of a product, so that with weights of few
    # levels there are more such values.
    apart = np.abs(ours - exact) / step
    assert np.quantile(apart, 0.5 if bits == 8 else 0.4) < 0.01
    assert apart.mean() < (0.4 if bits == 8 else 0.8)
    if bits == 8:
        floats, _ = trace(cell, params).scan(x.astype(np.float64))
        assert np.mean((ours - exact) ** 2) < 0.6 * np.mean((floats - exact) ** 2)


def test_an_lmu_rounds_where_its_equations_say_with_the_formats_of_the_plan() -> None:
    cell = Stack((LMU(5, 6, 4, 8.0, 3, input_to_hidden=True, activation="relu"),))
    cell, params, scheme = settled(cell)
    home, narrow = scheme.plan.home, scheme.plan.narrow

    def held(form, value):
        return form.dequantize(form.quantize(value))

    p = {name.rpartition(".")[2]: array for name, array in params.items()}
    joined = np.concatenate([p["A"] - np.eye(4), p["B"]], axis=1)
    form = per_row(joined)
    change, write = np.split(form.dequantize(form.quantize(joined)), [4], axis=1)

    graph = rounded_network(cell, params, scheme)
    h_parts = [n.name for n in graph.nodes if n.op == "quantize" and n.shape == (6,)]
    w_m, w_x, h_new = (name.rpartition(":")[0] for name in h_parts)
    x = sequences(3, seed=4).astype(np.float64)
    m, expected = np.zeros((3, 3, 4)), []
    for t in range(x.shape[1]):
        x_t = held(home["x"], x[:, t])
        u = held(home["0.lmu.u"], x_t @ p["e_x"].T)
        m = m + (m @ change.T + u[:, :, None] @ write.T)
        m_8 = held(narrow["0.lmu.m_new"], m).reshape(3, 12)
        h = held(home[w_m], m_8 @ p["W_m"].T + p["b"]) + held(home[w_x], x_t @ p["W_x"].T)
        expected.append(held(home[h_new], np.maximum(h, 0.0)))
    ours, _ = graph.scan(x)
    np.testing.assert_allclose(ours, np.stack(expected, axis=1), atol=1e-9)


def test_with_16_bits_every_state_lies_on_its_grid() -> None:
    cell, params, scheme = settled(STACKS["lem"])
    built = build(trace(cell, params), scheme, sequences())
    graph = rounded(built.graph, built.steps, scheme.plan, wide=True)
    _, states = graph.scan(sequences(3).astype(np.float64))
    _, loose = rounded_network(cell, params, scheme).scan(sequences(3).astype(np.float64))
    for name, value in states.items():
        steps = value / float(scheme.plan.home[name].scale)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
        steps = loose[name] / float(scheme.plan.home[name].scale)
        assert np.abs(steps - np.rint(steps)).max() > 0.1


@pytest.mark.parametrize("cell", STACKS.values(), ids=STACKS)
def test_the_arrays_of_the_graph_are_sums_of_trained_ones(cell: Cell) -> None:
    found = sources(cell)
    rng = np.random.default_rng(5)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    scheme = settled(cell)[2]
    graph = rounded_network(cell, {**arrays, **cell.constants}, scheme)
    assert set(found) == set(graph.params) - graph.constants
    for name, made_of in found.items():
        np.testing.assert_allclose(graph.params[name], sum(arrays[n] for n in made_of))
    assert {n for made_of in found.values() for n in made_of} == set(arrays)


def test_a_gain_that_was_folded_cannot_be_trained() -> None:
    with pytest.raises(UnsupportedOpError, match="no trained array of the network"):
        sources(Stack((Norm(5), Dense(5, 3))))


def test_widths_go_to_the_matrices_they_name() -> None:
    params = settled(LMU_STACK)[1]
    scheme = settle(LMU_STACK, params, 4, {"0.lmu.W_m": 8, "2.dense.W": 2}, sequences())
    assert matrix_bits(LMU_STACK, params, scheme) == {
        **{f"{layer}.lmu.{name}": 4 for layer in (0, 1) for name in ("e_x", "W_m")},
        "0.lmu.W_x": 4,
        "0.lmu.W_m": 8,
        "2.dense.W": 2,
    }
    with pytest.raises(UnknownNameError, match=r"no trained matrix named '0\.lmu\.b'; known: 0"):
        settle(LMU_STACK, params, 4, {"0.lmu.b": 8}, sequences())


def test_a_memory_that_would_grow_is_refused_before_it_is_trained() -> None:
    cell = Stack((LMU(5, 4, 2, 9.0), Dense(4, 3)))
    # 0.999 - 1 is less than half a step of 4 / 127
    leak = {"0.lmu.A": np.diag([0.999, 0.5]), "0.lmu.B": np.full((2, 1), 4.0)}
    with pytest.raises(ToleranceError, match="its memory of order 2"):
        settle(cell, {**cell.init(np.random.default_rng(0)), **leak}, 8, {}, sequences())


def test_formats_are_needed() -> None:
    cell, params, scheme = settled(LMU_STACK)
    with pytest.raises(ConfigError, match="a scheme without formats cannot be trained in"):
        rounded_network(cell, params, replace(scheme, plan=None))
