"""What the operators of a file say of one step, beside the program that they were made of."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem import artefact, target
from edgemem.artefact import Golden
from edgemem.cells import GRU, LEM, LMU, Cell
from edgemem.energy import Counted, graph_counts, program_counts
from edgemem.ir import Graph, trace
from edgemem.quantize import Scheme, build
from edgemem.target import Features
from edgemem_tflite import TFLiteOptions
from edgemem_tflite.runner import TFLiteRunner

CELLS = (LMU(5, 8, 6, 9.0, 4, input_to_hidden=True, activation="linear"), LEM(5, 6), GRU(5, 6))


class Net:
    name = "net"
    scheme = None

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.labels = tuple(f"label{i}" for i in range(cell.n_out))

    def graph(self) -> Graph:
        return trace(self.cell, self.cell.init(np.random.default_rng(0)))

    def reference(self) -> Graph:
        return self.graph()


def sequences() -> Features:
    return np.random.default_rng(1).normal(size=(4, 20, 5)).astype(np.float32)


def runner(cell: Cell, mode: str, reference_kernels: bool) -> TFLiteRunner:
    net, options = Net(cell), TFLiteOptions(mode)  # type: ignore[arg-type]
    made = target.get("tflite").convert(net, options, sequences())
    golden = Golden(np.zeros((1, 1, 5), np.float32), np.zeros((1, 1, cell.n_out), np.float32))
    facts = {"target": "tflite", **made.facts}
    return TFLiteRunner(
        artefact.build(made.payload, facts, net.labels, golden, made.parts), reference_kernels
    )


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)
@pytest.mark.parametrize("reference_kernels", [False, True])
def test_integers(cell: Cell, reference_kernels: bool) -> None:
    program = build(Net(cell).graph(), Scheme(), sequences()).program
    made = runner(cell, "int8", reference_kernels)
    assert isinstance(made, Counted)
    ours, theirs = made.step_counts, program_counts(program)
    assert ours.macs == theirs.macs
    assert ours.bytes_written == theirs.bytes_written
    weights = sum(program.arrays[name].nbytes for name in program.weights)
    # TFLite holds scales of rows in floats that are no tensors, where a program has two arrays
    assert weights + ours.bytes_written < ours.bytes_read <= theirs.bytes_read


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)
def test_floats(cell: Cell) -> None:
    ours, theirs = runner(cell, "none", False).step_counts, graph_counts(Net(cell).graph())
    assert ours.bytes_written == theirs.bytes_written
    # products with matrices of the memory are joined, so that there are no more than in the graph
    assert 0 < ours.macs <= theirs.macs
