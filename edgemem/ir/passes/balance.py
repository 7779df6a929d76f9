"""Elements of one value brought to like magnitudes, so that one scale fits all of them.

A value that is read by products alone may be held in other units, element by element: what makes it
is divided by a gain, what reads it multiplied (Nagel et al. 2019, "Data-free quantization through
weight equalization and bias correction", sec. 4.1, for ReLU layers; here also for the rows and
columns of a linear memory).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from edgemem.ir.graph import Graph, Node
from edgemem.ir.passes.sums import Flattener
from edgemem.ops import Array

EXPONENT = 0.75
"""Not all the way to equal peaks: those of quiet elements are known less well."""

SMALLEST = 1e-3
"""No gain is below this, also for an element that was never seen to move."""

FULL = 127.0 / 128.0
"""Where the largest peak of a memory comes to lie."""


def balance(graph: Graph, peaks: Mapping[str, Array]) -> Graph:
    """``graph`` with the elements of hidden values and linear memories of like magnitudes.

    Parameters
    ----------
    graph : Graph
        After :func:`~edgemem.ir.passes.fold` and :func:`~edgemem.ir.passes.residual`.
    peaks : mapping
        Greatest magnitude of each element of each node and state, in their shapes.
    """
    balancer = _Balancer(graph, peaks)
    for node in graph.nodes:
        balancer.hidden(node)
    for state in graph.states:
        balancer.memory(state)
    return graph.with_params(balancer.params)


class _Balancer:
    def __init__(self, graph: Graph, peaks: Mapping[str, Array]) -> None:
        self.params = dict(graph.params)
        self._graph = graph
        self._peaks = peaks
        self._producers = graph.producers()
        self._consumers = graph.consumers()
        self._leaving = {graph.output, *graph.next_states.values()}
        self._reads = Counter(name for node in graph.nodes for name in node.inputs)
        self._flattener = Flattener(graph)

    def hidden(self, node: Node) -> None:
        """``relu(W x + b)`` or ``W x + b``, read by products alone."""
        if node.name in self._leaving or len(node.shape) != 1:
            return
        top = self._producers.get(node.inputs[0]) if node.op == "relu" else node
        if top is None or (top is not node and not self._is_inner(top.name)):
            return
        leaves = self._leaves(top)
        readers = self._weights_that_read(node.name)
        if leaves is None or not readers:
            return
        names = [node.name, *(leaf for leaf in leaves if leaf in self._peaks)]
        gain = _gain(np.maximum.reduce([self._peaks[name] for name in names]))
        self._divide_rows(leaves, gain)
        self._multiply_columns(readers, gain)

    def memory(self, state: str) -> None:
        """``m' = m + (A m + B split(u))`` with ``m`` read by A and, merged, by products."""
        after = self._producers.get(self._graph.next_states[state])
        total = None if after is None or after.op != "add" else self._flattener.sum_of(after)
        if total is None or total.constant is not None or len(self._graph.states[state]) != 2:
            return
        own = [p for p in total.products if p.constant and p.x == state]
        rest = [p for p in total.products if not (p.constant and p.x == state)]
        if [term.value for term in total.terms] != [state] or len(own) != 1 or len(rest) != 1:
            return
        written = self._written(rest[0].x)
        readers = self._readers_of_memory(state, own[0].source)
        if written is None or readers is None or not (rest[0].constant and rest[0].source):
            return
        peak = np.maximum(self._peaks[state], self._peaks[self._graph.next_states[state]])
        if not peak.any():  # it never moved: nothing is known of its units
            return
        channels = _gain(peak.max(axis=1))
        orders = _gain((peak / channels[:, None]).max(axis=0))
        # just below 1, which a power of two covers without waste
        channels = channels * (peak / np.outer(channels, orders)).max() / FULL
        # m = diag(channels) m~ diag(orders);  A~ = D^-1 A D, B~ = D^-1 B with D = diag(orders)
        A, B = own[0].source, rest[0].source
        self.params[A] = self.params[A] * orders / orders[:, None]
        self.params[B] = self.params[B] / orders[:, None]
        self._divide_rows(written, channels)
        self._multiply_columns(readers, np.outer(channels, orders).reshape(-1))

    def _written(self, name: str) -> list[str] | None:
        """The leaves of ``u``, where ``name`` is ``split(u)`` and nothing else reads either."""
        split = self._producers.get(name)
        if split is None or split.op != "split" or not self._is_inner(name):
            return None
        u = self._producers.get(split.inputs[0])
        if u is None or not self._is_inner(u.name):
            return None
        return self._leaves(u)

    def _readers_of_memory(self, state: str, own: str) -> list[str] | None:
        """Weights that read the state or the next one, merged; None if anything else does."""
        after = self._graph.next_states[state]
        if self._reads[own] != 1 or after == self._graph.output:
            return None
        weights: list[str] = []
        for name in (state, after):
            for node in self._consumers.get(name, []):
                if node.name == after or (node.op == "matvec" and node.inputs[0] == own):
                    continue
                found = self._weights_that_read(node.name) if node.op == "merge" else None
                if found is None:
                    return None
                weights += found
        return weights

    def _leaves(self, node: Node) -> list[str] | None:
        """Products and constants that a sum is made of; None if anything else is."""
        if node.op == "matvec" and self._reads[node.inputs[0]] == 1:
            return [node.name] if node.inputs[0] in self.params else None
        if node.op not in ("add", "sub"):
            return None
        leaves: list[str] = []
        for name in node.inputs:
            if name in self.params and self._reads[name] == 1:
                leaves.append(name)
                continue
            inner = self._producers.get(name)
            found = self._leaves(inner) if inner is not None and self._is_inner(name) else None
            if found is None:
                return None
            leaves += found
        return leaves

    def _weights_that_read(self, name: str) -> list[str] | None:
        weights = []
        for node in self._consumers.get(name, []):
            if node.op != "matvec" or node.inputs[1] != name or self._reads[node.inputs[0]] != 1:
                return None
            weights.append(node.inputs[0])
        return weights if name not in self._leaving else None

    def _is_inner(self, name: str) -> bool:
        return self._reads[name] == 1 and name not in self._leaving

    def _divide_rows(self, leaves: Sequence[str], gain: Array) -> None:
        for leaf in leaves:
            if leaf in self.params:
                self.params[leaf] = self.params[leaf] / gain
            else:
                weight = self._producers[leaf].inputs[0]
                self.params[weight] = self.params[weight] / gain[:, None]

    def _multiply_columns(self, weights: Sequence[str], gain: Array) -> None:
        for weight in weights:
            self.params[weight] = self.params[weight] * gain


def _gain(peak: Array) -> Array:
    """Between :data:`SMALLEST` and 1, the larger the peak."""
    share = peak / max(float(peak.max()), 1e-30)
    return np.asarray(np.maximum(share**EXPONENT, SMALLEST))
