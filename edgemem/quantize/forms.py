"""The basis and the width in which a linear memory is held: the simplest that is exact enough.

``docs/memory-formats.md`` has the study behind these rules.
"""

from __future__ import annotations

import numpy as np

from edgemem.errors import ToleranceError
from edgemem.ir import Graph, Node
from edgemem.ir.passes import prune
from edgemem.ir.passes.basis import (
    Memory,
    memories,
    orthonormal_legendre,
    real_schur,
    rebased,
)
from edgemem.ir.passes.draft import Draft
from edgemem.ops import Array
from edgemem.quantize.memory import bounds, expected_error, radius, rounded, split

TOLERANCE = 0.03
"""Relative error of a memory that is let pass: about that of reading it in 8 bits."""


def choose_basis(graph: Graph, tolerance: float = TOLERANCE) -> tuple[Graph, dict[str, Array]]:
    """``graph`` with each linear memory in the first basis that serves it.

    As it is, where 8 bits for each row of ``A - I`` and ``B`` keep it within ``tolerance``; in the
    real Schur form of the orthonormal Legendre basis otherwise, where two 8-bit halves cost as
    many multiply-accumulates as 8 bits do in the other basis, since half of the matrix is zeros.
    :func:`with_halves` gives it these halves.

    Parameters
    ----------
    graph : Graph
        After :func:`~edgemem.ir.passes.fold` and, or not, :func:`~edgemem.ir.passes.residual`;
        before :func:`~edgemem.ir.passes.balance`.
    tolerance : float

    Returns
    -------
    graph : Graph
    bases : dict of (order, order) array
        For each memory that is held in another basis, by the name of its new state, ``T``: ``m`` is
        ``T`` times what is held.
    """
    bases: dict[str, Array] = {}
    for memory in memories(graph):
        if memory.readers is None or rounding_error(memory.change(graph)) <= tolerance:
            continue
        bases[memory.after] = schur_basis(*memory.matrices(graph))
        graph = rebased(graph, memory, bases[memory.after])
    return graph, bases


def schur_basis(A: Array, B: Array) -> Array:
    """The basis of the real Schur form, in units in which inputs within 1 need just 1."""
    orthonormal = orthonormal_legendre(len(A))
    T = orthonormal @ real_schur(np.linalg.solve(orthonormal, A @ orthonormal))
    limits = bounds(np.linalg.solve(T, A @ T), np.linalg.solve(T, B), 1.0)
    # rounding changes a little with the units of B
    return np.asarray(T * limits.magnitude(2) * 1.01)


def rounding_error(change: Array, halves: int = 1) -> float:
    """Relative error of a memory whose ``[A - I, B]`` is rounded; infinite where it grows."""
    A, B = _matrices(change)
    return expected_error(A, B, *_matrices(rounded(change, halves)))


def with_halves(graph: Graph, tolerance: float = TOLERANCE) -> Graph:
    """``graph`` with two 8-bit matrices in place of one where one is too coarse for a memory.

    ``m' = m + ((H m + H_u u) + (L m + L_u u))``: what is left after rounding ``[A - I, B]`` to
    8 bits a row is held in 8 bits a row again, so that both add up to about 16. The values of
    the graph stay as they were but for that rounding.

    Parameters
    ----------
    graph : Graph
        After :func:`choose_basis`, :func:`~edgemem.ir.passes.residual` and
        :func:`~edgemem.ir.passes.balance`.
    tolerance : float

    Raises
    ------
    ToleranceError
        If a memory that is stable in floats would grow in both forms.
    """
    for memory in memories(graph):
        if not memory.residual or len(memory.own) != 1:
            continue
        change = memory.change(graph)
        if rounding_error(change) <= tolerance:
            continue
        _check(memory, change)
        graph = _halved(graph, memory, change)
    return graph


def nonzero_macs(change: Array, halves: int = 1) -> int:
    """Multiply-accumulates of one channel's update where zeros of the weights are skipped."""
    return sum(int(np.count_nonzero(part)) for part in split(change, halves))


def _check(memory: Memory, change: Array) -> None:
    grown = radius(_matrices(rounded(change, 2))[0])
    if grown >= 1.0:
        raise ToleranceError(
            f"state {memory.state!r}: its memory of order {len(change)} grows by a factor of "
            f"{grown:.6f} a step, also with its weights in two 8-bit halves; train it with a "
            "lower order or a shorter theta, or convert it to floats (--quantize none)"
        )


def _halved(graph: Graph, memory: Memory, change: Array) -> Graph:
    parts = split(change, 2)
    draft = Draft(graph)
    for node in graph.nodes:
        if node.name != memory.after:
            draft.keep(node)
            continue
        sums = [_product(draft, memory, graph.states[memory.state], part) for part in parts]
        shape = graph.states[memory.state]
        total = draft.emit("add", (sums[0], sums[1]), shape)
        draft.nodes[node.name] = Node(node.name, "add", (total, memory.state), shape)
    return prune(draft.finish())


def _product(draft: Draft, memory: Memory, shape: tuple[int, ...], part: Array) -> str:
    """``[A, B] [m; u]`` of one half."""
    order = len(part)
    own = draft.add_param(memory.own[0], part[:, :order], constant=True)
    written = draft.add_param(memory.written[0], part[:, order:], constant=True)
    kept = draft.emit("matvec", (own, memory.state), shape)
    added = draft.emit("matvec", (written, memory.input), shape)
    return draft.emit("add", (kept, added), shape)


def _matrices(change: Array) -> tuple[Array, Array]:
    order = len(change)
    return np.eye(order) + change[:, :order], change[:, order:]
