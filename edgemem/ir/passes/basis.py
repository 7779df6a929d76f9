"""Linear memories of a graph, and the bases that they can be held in.

A memory ``m' = A m + B u`` that is read by products alone may be held as ``n`` with ``m = T n``:
``n' = (T^-1 A T) n + (T^-1 B) u``, and what read ``W m`` reads ``(W T) n``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from edgemem.ir.graph import Graph, Node
from edgemem.ir.passes.sums import Flattener, Sum
from edgemem.ops import Array

DUST = 1e-13
"""Share of the largest element of a matrix below which another one is zero."""


@dataclass(frozen=True)
class Memory:
    """A state that fixed matrices alone carry on.

    Parameters
    ----------
    state : str
    after : str
        Node of the next state.
    own : tuple of str
        Constants that multiply the state; their sum is ``A``, or ``A - I`` where ``residual``.
    written : tuple of str
        Constants that multiply the input; their sum is ``B``.
    input : str
        Node that they multiply.
    residual : bool
        Whether the state itself is a term of the next one.
    readers : tuple of str, optional
        Weights that read the state, its channels merged into one axis; None where something else
        than a product reads it too.
    """

    state: str
    after: str
    own: tuple[str, ...]
    written: tuple[str, ...]
    input: str
    residual: bool
    readers: tuple[str, ...] | None

    def change(self, graph: Graph) -> Array:
        """``[A - I, B]``, (order, order + 1)."""
        A = np.sum([graph.params[name] for name in self.own], axis=0)
        B = np.sum([graph.params[name] for name in self.written], axis=0)
        identity = np.zeros_like(A) if self.residual else np.eye(len(A))
        return np.concatenate([A - identity, B], axis=1)

    def matrices(self, graph: Graph) -> tuple[Array, Array]:
        """``A`` and ``B``."""
        change = self.change(graph)
        return np.eye(len(change)) + change[:, : len(change)], change[:, len(change) :]


def memories(graph: Graph) -> tuple[Memory, ...]:
    """The linear memories of ``graph``, before or after :func:`~edgemem.ir.passes.residual`."""
    flattener, producers = Flattener(graph), graph.producers()
    found = []
    for state, after in graph.next_states.items():
        node = producers.get(after)
        total = None if node is None else flattener.sum_of(node)
        memory = None if total is None else _memory(graph, state, after, total)
        if memory is not None:
            found.append(memory)
    return tuple(found)


def rebased(graph: Graph, memory: Memory, T: Array) -> Graph:
    """``graph`` with the memory held as ``n``, ``m = T n``, in every channel.

    Parameters
    ----------
    graph : Graph
    memory : Memory
        With ``readers``; each of its constants is read once.
    T : (order, order) array
    """
    params = dict(graph.params)
    for name in memory.own:
        # T^-1 (A - I) T = T^-1 A T - I
        params[name] = _without_dust(np.linalg.solve(T, params[name] @ T))
    for name in memory.written:
        params[name] = np.linalg.solve(T, params[name])
    order = len(T)
    for name in memory.readers or ():
        weight = params[name]
        channels = weight.reshape(len(weight), -1, order)
        params[name] = (channels @ T).reshape(weight.shape)
    return graph.with_params(params)


def orthonormal_legendre(order: int) -> Array:
    """``T`` to polynomials of unit norm, ``diag(sqrt(2 i + 1))``.

    White noise moves each of their coefficients alike.
    """
    return np.diag(np.sqrt(2.0 * np.arange(order) + 1.0))


def real_schur(A: Array) -> Array:
    """An orthogonal ``T`` for which ``T^-1 A T`` is upper triangular but for pairs of rows.

    Half of its elements are zeros, and its eigenvalues stand on the diagonal, where rounding
    hardly moves them.
    """
    from scipy.linalg import schur

    return np.asarray(schur(A, output="real")[1], np.float64)


def _without_dust(matrix: Array) -> Array:
    """``matrix`` with zeros where rounding errors of its computation stand for them."""
    return np.where(np.abs(matrix) < DUST * np.abs(matrix).max(), 0.0, matrix)


def _memory(graph: Graph, state: str, after: str, total: Sum) -> Memory | None:
    own = tuple(p for p in total.products if p.x == state)
    rest = tuple(p for p in total.products if p.x != state)
    terms = [(float(np.mean(t.gain)), t.value) for t in total.terms]
    fixed = all(p.constant and p.source for p in total.products)
    if not own or not rest or not fixed or total.constant is not None:
        return None
    if terms not in ([], [(1.0, state)]) or len({p.x for p in rest}) != 1:
        return None
    if own[0].weight.shape[0] != own[0].weight.shape[1]:
        return None
    names = [p.source for p in (*own, *rest)]
    reads = Counter(name for node in graph.nodes for name in node.inputs)
    once = all(reads[name] == 1 for name in names)
    return Memory(
        state=state,
        after=after,
        own=tuple(names[: len(own)]),
        written=tuple(names[len(own) :]),
        input=rest[0].x,
        residual=bool(terms),
        readers=_readers(graph, state, after, names, reads) if once else None,
    )


def _readers(
    graph: Graph, state: str, after: str, fixed: list[str], reads: Counter[str]
) -> tuple[str, ...] | None:
    if after == graph.output or len(graph.states[state]) != 2:
        return None
    consumers = graph.consumers()
    weights: list[str] = []
    for name in (state, after):
        for node in consumers.get(name, []):
            if node.name == after or (node.op == "matvec" and node.inputs[0] in fixed):
                continue
            merged = consumers.get(node.name, []) if node.op == "merge" else []
            if not merged or node.name in {graph.output, *graph.next_states.values()}:
                return None
            if not all(_is_product(graph, reader, node.name, reads) for reader in merged):
                return None
            weights += [reader.inputs[0] for reader in merged]
    return tuple(weights)


def _is_product(graph: Graph, node: Node, x: str, reads: Counter[str]) -> bool:
    if node.op != "matvec" or node.inputs[1] != x or node.inputs[0] not in graph.params:
        return False
    return reads[node.inputs[0]] == 1
