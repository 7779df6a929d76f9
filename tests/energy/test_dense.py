from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.energy import Counts, graph_counts, program_counts, times
from edgemem.ir import trace
from edgemem.ops import FloatOps
from edgemem.quantize import Format, Scheme, build
from edgemem.quantize.program import Operation, Program, Tensor

CELLS = {
    "lmu": LMU(5, 8, 6, 9.0, 4, input_to_hidden=True, activation="tanh"),
    "lem": LEM(5, 7),
    "lstm": LSTM(5, 6),
    "gru": GRU(5, 6),
    "deep": Stack((Norm(5), LMU(5, 8, 6, 9.0, 2), Norm(8, "relu"), Dense(8, 3))),
}


class Counting(FloatOps):
    """Counts while it computes: each product by its operands, each result by its size."""

    def __init__(self) -> None:
        self.macs = self.updates = 0

    def matvec(self, weight: Any, x: Any) -> Any:
        self.macs += sum(len(row) for _ in range(x.size // weight.shape[1]) for row in weight)
        return super().matvec(weight, x)

    def _result(self, values: Any) -> Any:
        self.updates += values.size
        return values

    def add(self, a: Any, b: Any) -> Any:
        return self._result(super().add(a, b))

    def sub(self, a: Any, b: Any) -> Any:
        return self._result(super().sub(a, b))

    def mul(self, a: Any, b: Any) -> Any:
        return self._result(super().mul(a, b))

    def scale(self, a: Any, factor: float) -> Any:
        return self._result(super().scale(a, factor))

    def sigmoid(self, a: Any) -> Any:
        return self._result(super().sigmoid(a))

    def tanh(self, a: Any) -> Any:
        return self._result(super().tanh(a))

    def relu(self, a: Any) -> Any:
        return self._result(super().relu(a))


def params(cell: Cell) -> dict[str, NDArray[np.float64]]:
    return cell.init(np.random.default_rng(0))


@pytest.mark.parametrize("name", CELLS)
def test_a_graph_as_it_is_computed(name: str) -> None:
    graph = trace(CELLS[name], params(CELLS[name]))
    ops = Counting()
    graph.evaluate(ops, graph.params, graph.zero_state(), np.ones(5))
    counts = graph_counts(graph)
    assert (counts.macs, counts.active_updates) == (ops.macs, ops.updates)
    assert counts.bytes_written == 4 * sum(a.size for a in graph.zero_state().values())
    assert graph_counts(graph, 8).bytes_read == 2 * counts.bytes_read


def test_a_dense_layer_by_hand() -> None:
    # y = W x + b, 3 rows of 4: weights and bias are read as floats of 4 bytes, nothing is kept
    graph = trace(Dense(4, 3), params(Dense(4, 3)))
    assert graph_counts(graph) == Counts(
        frames=1, macs=12, active_updates=3, bytes_read=4 * (12 + 3)
    )


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("bits", [8, 4])
def test_a_program_beside_its_own_macs(name: str, bits: int) -> None:
    x = np.random.default_rng(1).normal(size=(4, 20, 5)).astype(np.float32)
    program = build(trace(CELLS[name], params(CELLS[name])), Scheme(weights=bits), x).program
    counts = program_counts(program)
    assert counts.macs == program.macs() > 0
    zero = program.zero_state()
    assert counts.bytes_written == sum(state.nbytes for state in zero.values())
    # whole bytes of packed weights, and every other array once
    packed = sum(
        program.arrays[name].size * form.bits / 8 for name, form in program.weights.items()
    )
    others = sum(a.nbytes for n, a in program.arrays.items() if n not in program.weights)
    constants = sum(a.nbytes for a in program.constants.values())
    read = packed + others + constants + counts.bytes_written
    assert read <= counts.bytes_read <= read + len(program.operations)


def test_a_program_by_hand() -> None:
    """``h' = h + W x``: 3 rows of 5 weights of 4 bits, a state of 16 bits."""
    int8, int16 = Format(8, 1.0), Format(16, 1.0)
    vector = {"x": Tensor((5,), int8), "h": Tensor((3,), int16)}
    results = {name: Tensor((3,), int16) for name in ("wx", "h_new")}
    program = Program(
        tensors={**vector, **results, "y": Tensor((2,), int16)},
        operations=(
            Operation("product", "wx", ("x",), arrays={"weight": "w", "bias": "b"}),
            Operation("add", "h_new", ("h", "wx")),
            Operation("slice", "y", ("h_new",), {"start": 0, "stop": 2}),
        ),
        arrays={"w": np.zeros((3, 5), np.int8), "b": np.zeros(3, np.int32)},
        constants={},
        weights={"w": Format(4, np.ones(3, np.float32))},
        states={"h": "h_new"},
        input="x",
        output="y",
    )
    # 15 weights of 4 bits and 3 biases of 32 are 156 bits, 20 bytes; the state has 6 bytes
    assert program_counts(program) == Counts(
        frames=1, macs=15, active_updates=3, bytes_read=20 + 6, bytes_written=6
    )


def test_times_and_sums() -> None:
    one = Counts(frames=1, macs=12, bytes_read=5)
    assert times(one, 3) == one + one + one
    assert times(one, 3).per_frame()["macs"] == 12.0
