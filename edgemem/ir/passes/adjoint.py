"""The adjoint of a recurrence: its step walked backwards, as a straight line of ops of its own.

With ``bar v`` for the derivative of a loss with respect to a value ``v``, each op hands ``bar`` of
its result down to what it read by its own chain rule; a value that is read more than once adds
up what it is handed (reverse accumulation; Griewank & Walther 2008, ch. 3). The result is again
a list of :class:`~edgemem.ir.graph.Node`: whoever gives the ops a meaning runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgemem.errors import UnsupportedOpError
from edgemem.ir.graph import Graph, Node, Shape
from edgemem.ir.passes.partition import Loop
from edgemem.ops import QUANTIZE, Array, FloatOps

ADJOINT_OPS = frozenset(
    {
        *("add", "sub", "mul", "scale", "split", "merge"),
        *("matvec_adjoint", "sigmoid_adjoint", "tanh_adjoint", "relu_adjoint"),
        *("quantize_adjoint", "pad"),
    }
)
"""What a node of an adjoint may be; :class:`AdjointOps` says what each one means."""


@dataclass(frozen=True)
class Recurrence:
    """The part of a step that runs in a loop.

    Parameters
    ----------
    nodes : tuple of Node
        In order of computation.
    weights : tuple of str
        Parameters that the nodes read.
    drives : tuple of str
        Values, given for every step beforehand, that the nodes read.
    states : tuple of str
        Names of the states before a step.
    after : tuple of str
        Names of the states after a step, in the same order.
    """

    nodes: tuple[Node, ...]
    weights: tuple[str, ...]
    drives: tuple[str, ...]
    states: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def of(cls, graph: Graph, loop: Loop) -> Recurrence:
        """One of the recurrences of a graph."""
        inside = {*loop.states, *(node.name for node in loop.nodes)}
        read = dict.fromkeys(name for node in loop.nodes for name in node.inputs)
        outside = [name for name in read if name not in inside]
        return cls(
            nodes=loop.nodes,
            weights=tuple(n for n in outside if n in graph.params),
            drives=tuple(n for n in outside if n not in graph.params),
            states=loop.states,
            after=tuple(graph.next_states[state] for state in loop.states),
        )

    @classmethod
    def driven(cls, graph: Graph, loop: Loop) -> Recurrence:
        """The same with the products of its inputs inside: its drives are what they read.

        A node outside of the loop is taken in if nothing but the loop reads it and it is a
        product of a vector with a weight, or a sum with one. Whoever runs the recurrence is free
        to compute it for all steps beforehand.
        """
        inside = {node.name for node in loop.nodes}
        readers = graph.consumers()
        given_back = {graph.output, *graph.next_states.values()}
        nodes = list(loop.nodes)
        for node in reversed(graph.nodes):
            read = {reader.name for reader in readers.get(node.name, ())}
            if node.name in inside | given_back or not read or not read <= inside:
                continue
            if _drives(node, graph):
                inside.add(node.name)
                nodes.append(node)
        order = {node.name: i for i, node in enumerate(graph.nodes)}
        return cls.of(graph, Loop(loop.states, tuple(sorted(nodes, key=lambda n: order[n.name]))))


def _drives(node: Node, graph: Graph) -> bool:
    if node.op == "matvec":
        return len(node.shape) == 1
    return node.op in ("add", "sub") and any(name in graph.params for name in node.inputs)


@dataclass(frozen=True)
class Share:
    """What one reader adds to the gradient of one weight, over all sequences and steps.

    Parameters
    ----------
    weight : str
    bar : str
        The adjoint value that every step leaves behind.
    source : str, optional
        For a product ``W source``: the gradient is the sum of ``bar source^T``. Without, it is the
        sum of ``bar`` itself.
    """

    weight: str
    bar: str
    source: str | None = None


@dataclass(frozen=True)
class Adjoint:
    """One step backwards.

    Parameters
    ----------
    nodes : tuple of Node
        In order of computation; they read ``seeds``, and values and weights of the step.
    seeds : tuple of str
        Names under which the adjoints of the states *after* the step are given, in the order of
        the recurrence's states.
    states : tuple of (str or None)
        The adjoints of the states *before* the step; None where it is zero.
    drives : tuple of (str or None)
        The adjoints of the drives, in the order of the recurrence's drives.
    shares : tuple of Share
        What makes up the gradients of the weights.
    """

    nodes: tuple[Node, ...]
    seeds: tuple[str, ...]
    states: tuple[str | None, ...]
    drives: tuple[str | None, ...]
    shares: tuple[Share, ...]

    @property
    def recorded(self) -> tuple[str, ...]:
        """The adjoints that every step must leave behind, each once."""
        wanted = [*(share.bar for share in self.shares), *self.drives]
        return tuple(dict.fromkeys(name for name in wanted if name is not None))

    @property
    def values_read(self) -> tuple[str, ...]:
        """Values and weights of the step that the nodes read."""
        own = {*self.seeds, *(node.name for node in self.nodes)}
        read = dict.fromkeys(name for node in self.nodes for name in node.inputs)
        return tuple(name for name in read if name not in own)


class AdjointOps(FloatOps):
    """The reference meaning of the adjoint's ops: NumPy, in the precision of its operands.

    A derivative is written in the op's own result ``y`` wherever that gives it.
    """

    def matvec_adjoint(self, weight: Array, bar: Array) -> Array:
        """Of ``W x`` towards ``x``: ``W^T bar``."""
        return bar @ weight

    def sigmoid_adjoint(self, bar: Array, y: Array) -> Array:
        """``bar y (1 - y)``."""
        return bar * y * (1.0 - y)

    def tanh_adjoint(self, bar: Array, y: Array) -> Array:
        """``bar (1 - y^2)``."""
        return bar * (1.0 - y * y)

    def relu_adjoint(self, bar: Array, y: Array) -> Array:
        """``bar`` where ``y > 0``, else 0."""
        return np.where(y > 0.0, bar, 0.0)

    def quantize_adjoint(
        self,
        bar: Array,
        a: Array,
        scale: float,
        zero_point: float,
        lowest: float,
        highest: float,
    ) -> Array:
        """``bar`` where ``a`` lies within the format's range, else 0 (straight through)."""
        low, high = scale * (lowest - zero_point), scale * (highest - zero_point)
        return np.where((a >= low) & (a <= high), bar, 0.0)

    def pad(self, bar: Array, start: int, size: int) -> Array:
        """The inverse of a slice: ``bar`` at ``start`` among ``size`` elements, else 0."""
        start, size = int(start), int(size)
        result = np.zeros((*bar.shape[:-1], size), bar.dtype)
        result[..., start : start + bar.shape[-1]] = bar
        return result


def adjoint(recurrence: Recurrence, shapes: Mapping[str, Shape]) -> Adjoint:
    """The adjoint of one step of ``recurrence``.

    Parameters
    ----------
    recurrence : Recurrence
    shapes : mapping
        Shapes of its weights, drives and states, without batch axes.

    Returns
    -------
    Adjoint

    Raises
    ------
    UnsupportedOpError
        If a node has no chain rule here.
    """
    work = _Work({**shapes, **{node.name: node.shape for node in recurrence.nodes}})
    seeds = tuple(f"after:{state}" for state in recurrence.states)
    for seed, name in zip(seeds, recurrence.after):
        work.hand(name, seed)
    for node in reversed(recurrence.nodes):
        if node.name in work.bars:
            work.pull_back(node, frozenset(recurrence.weights))
    states = tuple(work.bars.get(name) for name in recurrence.states)
    drives = tuple(work.bars.get(name) for name in recurrence.drives)
    wanted = {*states, *drives, *(share.bar for share in work.shares)}
    return Adjoint(_live(work.nodes, wanted), seeds, states, drives, tuple(work.shares))


def _live(nodes: Iterable[Node], wanted: set[str | None]) -> tuple[Node, ...]:
    """The nodes that ``wanted`` values depend on."""
    kept: list[Node] = []
    for node in reversed(list(nodes)):
        if node.name in wanted:
            kept.append(node)
            wanted = wanted | set(node.inputs)
    return tuple(reversed(kept))


@dataclass
class _Work:
    """An adjoint while it is being derived."""

    shapes: dict[str, Shape]
    nodes: list[Node] = field(default_factory=list)
    bars: dict[str, str] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)

    def emit(self, op: str, inputs: tuple[str, ...], shape: Shape, *args: float) -> str:
        name = f"bar{len(self.nodes)}.{op}"
        self.nodes.append(Node(name, op, inputs, shape, args))
        return name

    def hand(self, name: str, bar: str) -> None:
        """Add ``bar`` to the adjoint of ``name``."""
        if name in self.bars:
            bar = self.emit("add", (self.bars[name], bar), self.shapes[name])
        self.bars[name] = bar

    def pull_back(self, node: Node, weights: frozenset[str]) -> None:
        """Hand the adjoint of ``node`` down to what it read."""
        bar = self.bars[node.name]
        if node.op == "matvec":
            weight, source = node.inputs
            self.shares.append(Share(weight, bar, source))
            shape = self.shapes[source]
            self.hand(source, self.emit("matvec_adjoint", (weight, bar), shape))
            return
        for name, share in self._handed(node, bar):
            if name in weights:
                self.shares.append(Share(name, share))
            else:
                self.hand(name, share)

    def _handed(self, node: Node, bar: str) -> list[tuple[str, str]]:
        """What each input of ``node`` is handed: the chain rule of its op."""
        a, *more = node.inputs
        if node.op == "add":  # d(a + b) = da + db
            return [(a, bar), (more[0], bar)]
        if node.op == "sub":  # d(a - b) = da - db
            return [(a, bar), (more[0], self.emit("scale", (bar,), node.shape, -1.0))]
        if node.op == "mul":  # d(a b) = b da + a db
            (b,) = more
            to_a, to_b = (self.emit("mul", (bar, other), node.shape) for other in (b, a))
            return [(a, to_a), (b, to_b)]
        shape = self.shapes[a]
        if node.op == "scale":
            return [(a, self.emit("scale", (bar,), shape, node.args[0]))]
        if node.op in ("sigmoid", "tanh", "relu"):
            return [(a, self.emit(f"{node.op}_adjoint", (bar, node.name), shape))]
        if node.op == QUANTIZE:
            return [(a, self.emit("quantize_adjoint", (bar, a), shape, *node.args))]
        if node.op == "split":
            return [(a, self.emit("merge", (bar,), shape))]
        if node.op == "merge":
            return [(a, self.emit("split", (bar,), shape, shape[-2]))]
        if node.op == "slice":
            return [(a, self.emit("pad", (bar,), shape, node.args[0], shape[-1]))]
        raise UnsupportedOpError(f"node {node.name!r}: no chain rule for the op {node.op!r}")
