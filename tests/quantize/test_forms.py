"""Which form a memory gets, held against runs of its rounded matrices and counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import LMU, Dense, Norm, Stack
from edgemem.errors import ToleranceError
from edgemem.ir import Graph, trace
from edgemem.ir.passes import balance, fold, residual
from edgemem.ir.passes.basis import memories
from edgemem.quantize import observe, per_row
from edgemem.quantize.build import build
from edgemem.quantize.forms import (
    TOLERANCE,
    choose_basis,
    nonzero_macs,
    rounding_error,
    with_halves,
)
from edgemem.quantize.integer import IntegerOps
from edgemem.quantize.memory import bounds, held, radius
from edgemem.quantize.scheme import Scheme
from edgemem.quantize.steps import steps

SMALL = LMU(3, 6, 8, 30.0, 2, activation="relu")
LARGE = LMU(3, 6, 64, 200.0, 2, activation="relu")


def prepared(cell: LMU | Stack) -> Graph:
    return residual(fold(trace(cell, cell.init(np.random.default_rng(0)))))


def noise(n_steps: int = 120) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, n_steps, 3))


def test_a_small_memory_stays_as_it_is() -> None:
    graph = prepared(SMALL)
    same, bases = choose_basis(graph)
    assert same is graph and not bases
    assert with_halves(graph) is graph


def test_a_large_memory_gets_the_schur_form_in_two_halves() -> None:
    graph, x = prepared(LARGE), noise()
    changed, _ = choose_basis(graph)
    np.testing.assert_allclose(changed.scan(x)[0], graph.scan(x)[0], rtol=1e-8, atol=1e-8)
    (memory,) = memories(changed)
    assert np.all(np.tril(memory.change(changed)[:, :64], -2) == 0.0)

    peaks = {n: o.peaks for n, o in observe(changed, x.astype(np.float32)).items()}
    halved = with_halves(balance(changed, peaks))
    assert sorted(s.op for s in steps(halved) if s.inputs[0] == "m") == ["join", "join"]
    expected, got = graph.scan(x)[0], halved.scan(x)[0]
    assert np.abs(got - expected).max() < 2e-3 * np.abs(expected).max()
    assert not np.allclose(got, expected, rtol=1e-9)


def test_two_halves_are_what_their_weights_are_rounded_to() -> None:
    halved = with_halves(prepared(LARGE))
    (memory,) = memories(halved)
    assert len(memory.own) == len(memory.written) == 2
    for step in (s for s in steps(halved) if s.op == "join"):
        form = per_row(step.weight)
        np.testing.assert_array_equal(form.dequantize(form.quantize(step.weight)), step.weight)
    np.testing.assert_allclose(held(halved, memory), memory.change(halved), atol=1e-15)


def test_a_network_keeps_its_other_layers() -> None:
    cell = Stack((Norm(3), SMALL, Norm(6, "relu"), LMU(6, 5, 48, 150.0), Dense(5, 4)))
    graph, x = prepared(cell), noise(60)
    changed = with_halves(choose_basis(graph)[0])
    assert [len(m.own) for m in memories(changed)] == [1, 2]
    expected, got = graph.scan(x)[0], changed.scan(x)[0]
    assert np.abs(got - expected).max() < 2e-3 * np.abs(expected).max()


def test_the_error_that_decides_is_that_of_a_run() -> None:
    graph = prepared(LMU(1, 6, 24, 100.0))
    (memory,) = memories(graph)
    exact, rough = memory.change(graph), held(graph, memory)
    rng = np.random.default_rng(2)
    m = np.zeros((2, 32, 24))
    energy = np.zeros((2, 24))
    for t in range(1500):
        u = rng.normal(size=(32, 1))
        for which, change in enumerate((exact, rough)):
            m[which] = m[which] + np.concatenate([m[which], u], axis=1) @ change.T
        if t >= 300:
            energy += np.mean([(m[1] - m[0]) ** 2, m[0] ** 2], axis=1)
    measured = np.sqrt(np.mean(energy[0] / energy[1]))
    assert rounding_error(exact) == pytest.approx(measured, rel=0.1)


def test_the_schur_form_fills_its_format() -> None:
    graph, _ = choose_basis(prepared(LARGE))
    (memory,) = memories(graph)
    A, B = memory.matrices(graph)
    assert float(bounds(A, B, 1.0).state_format(2).scale) == 2.0**-15
    assert float(bounds(A, B, 1.3).state_format(2).scale) == 2.0**-14


def test_zeros_cost_nothing() -> None:
    graph, _ = choose_basis(prepared(LARGE))
    change = memories(graph)[0].change(graph)
    pairs = np.count_nonzero(np.diag(change[:, :64], -1))
    assert nonzero_macs(change) <= 64 * 65 // 2 + pairs + 64
    # as many as one dense matrix of 8 bits, and those of the pairs
    assert nonzero_macs(change, 2) <= 64 * 65 + 2 * pairs + 64
    assert nonzero_macs(np.array([[1.0, 0.0], [0.3, 2.0]])) == 3


def test_a_memory_that_no_form_keeps_stable_is_refused() -> None:
    cell = LMU(3, 6, 3, 30.0)
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    # beside 1000 and 503 in its row, 16 bits do not hold a leak of 1e-3
    slow = np.array([[1.0 - 1e-3, 1000.0, 503.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]])
    assert radius(slow) < 1.0
    graph = residual(graph.with_params({**graph.params, "A": slow}))
    with pytest.raises(
        ToleranceError, match=r"'m': its memory of order 3 grows .* two 8-bit halves"
    ):
        with_halves(graph)


@pytest.mark.parametrize(("order", "theta"), [(6, 49.0), (10, 60.0), (16, 196.0)])
def test_memories_of_keyword_spotters_are_good_in_8_bits(order: int, theta: float) -> None:
    graph = prepared(LMU(3, 6, order, theta))
    assert rounding_error(memories(graph)[0].change(graph)) < TOLERANCE


def test_a_program_holds_the_large_memory_and_never_saturates_it() -> None:
    cell = LMU(3, 6, 48, 120.0, 2, activation="linear")
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    x = noise(300).astype(np.float32)
    built = build(graph, Scheme("int16"), x)
    ops, states = IntegerOps(built.program), built.program.zero_state((2,))
    outputs = []
    for t in range(x.shape[1]):
        states, values = ops.step(states, ops.quantize(x[:, t]))
        outputs.append(ops.dequantize(values[built.program.output]))
    expected, got = graph.scan(x)[0], np.stack(outputs, axis=1)
    assert np.sqrt(np.mean((got - expected) ** 2)) < 0.05 * expected.std()

    # u at either end of its format, by the sign that adds up in one element after the other
    (memory,) = memories(built.graph)
    change = held(built.graph, memory)
    A, now = np.eye(48) + change[:, :48], change[:, 48:]
    responses = []
    for _ in range(360):
        responses.append(now[:, 0])
        now = A @ now
    signs = np.where(np.array(responses)[::-1] >= 0, 1.0, -1.0)
    drive = 1e3 * np.linalg.pinv(built.graph.params["e_x"])[:, 0]
    states, reached = built.program.zero_state((48,)), 0
    for t in range(360):
        u = ops.quantize((signs[t][:, None] * drive).astype(np.float32))
        states, values = ops.step(states, u)
        reached = max(reached, int(np.abs(states["m"].astype(np.int64)).max()))
        for step in (s for s in built.steps if s.op in ("join", "add") and s.name in values):
            if len(values[step.name].shape) == 3:
                assert np.abs(values[step.name].astype(np.int64)).max() < 32767
    assert reached > 5000
