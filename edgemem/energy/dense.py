"""What one step of a network takes where every product is computed in full, run or not.

Zeros of a weight are multiplied like any other number. A result that is computed element by
element is one update of a unit. Read are the weights, their scales and biases, constants and
states; written are the states. Values that live within the step are taken to stay close to the
arithmetic and are not counted as traffic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from edgemem.energy.counts import Counts
from edgemem.ir import Graph
from edgemem.quantize.program import Operation, Program

_MOVES = frozenset({"concat", "reshape", "slice", "split", "merge"})
_PRODUCTS = frozenset({"product", "wide_product", "matvec"})

FLOAT_BYTES = 4
"""Bytes of a value of a network of floats on a device."""


def program_counts(program: Program) -> Counts:
    """One step of an integer program.

    Parameters
    ----------
    program : Program

    Returns
    -------
    counts : Counts
        Of one frame. Weights of 4 and 2 bits are read packed.
    """
    tensors = program.tensors
    states = sum(_bits(program, state) for state in program.states) // 8
    return Counts(
        frames=1,
        macs=program.macs(),
        active_updates=sum(
            math.prod(tensors[op.output].shape)
            for op in program.operations
            if op.kind not in _MOVES | _PRODUCTS
        ),
        bytes_read=states + sum(_read(program, op) for op in program.operations),
        bytes_written=states,
    )


def graph_counts(graph: Graph, value_bytes: int = FLOAT_BYTES) -> Counts:
    """One step of a network of floats.

    Parameters
    ----------
    graph : Graph
    value_bytes : int
        Bytes of a value on the device.

    Returns
    -------
    counts : Counts
        Of one frame.
    """
    shapes = graph.shapes()
    macs = sum(
        math.prod(shapes[node.inputs[0]]) * math.prod(shapes[node.inputs[1]][:-1])
        for node in graph.nodes
        if node.op == "matvec"
    )
    states = _values(graph.states.values())
    read = sum(_values(shapes[n] for n in node.inputs if n in graph.params) for node in graph.nodes)
    return Counts(
        frames=1,
        macs=macs,
        active_updates=sum(
            math.prod(node.shape) for node in graph.nodes if node.op not in _MOVES | _PRODUCTS
        ),
        bytes_read=value_bytes * (read + states),
        bytes_written=value_bytes * states,
    )


def times(counts: Counts, frames: int) -> Counts:
    """The same for so many frames, when every frame takes as much.

    Parameters
    ----------
    counts : Counts
        Of one frame.
    frames : int
    """
    return Counts(**{name: frames * count for name, count in counts.to_dict().items()})


def _read(program: Program, op: Operation) -> int:
    """Bytes of weights, scales, biases and constants that one operation reads."""
    total = sum(_bits(program, name) for name in op.inputs if name in program.constants)
    for name in op.arrays.values():
        array = program.arrays[name]
        width = program.weights[name].bits if name in program.weights else 8 * array.itemsize
        total += int(array.size) * width
    return -(-total // 8)


def _bits(program: Program, name: str) -> int:
    tensor = program.tensors[name]
    return math.prod(tensor.shape) * tensor.form.bits


def _values(shapes: Iterable[tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes)
