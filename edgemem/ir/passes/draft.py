"""A graph while a pass rewrites it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from edgemem.ir.graph import Graph, Node, Shape
from edgemem.ops import Array


class Draft:
    """The nodes of a graph written anew, one by one, into another.

    A pass walks over ``graph.nodes`` and calls :meth:`keep` or :meth:`emit` and :meth:`alias`;
    names of the old graph resolve to names of the new one.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.params: dict[str, Array] = dict(graph.params)
        self.constants: set[str] = set(graph.constants)
        self.nodes: dict[str, Node] = {}
        self._taken = set(graph.shapes())
        self._renamed: dict[str, str] = {}
        self._uses = _uses(graph)

    def is_only_read_once(self, name: str) -> bool:
        """Whether one node of the old graph reads ``name``, and nothing else does."""
        return self._uses[name] == 1

    def resolve(self, name: str) -> str:
        """What ``name`` of the old graph is called in the new one."""
        while name in self._renamed:
            name = self._renamed[name]
        return name

    def keep(self, node: Node) -> None:
        """Copy ``node``, reading the new names."""
        inputs = tuple(self.resolve(name) for name in node.inputs)
        self.nodes[node.name] = replace(node, inputs=inputs)

    def alias(self, old: str, new: str) -> None:
        """From here on ``old`` is ``new``."""
        self._renamed[old] = new

    def emit(
        self, op: str, inputs: tuple[str, ...], shape: Shape, args: tuple[float, ...] = ()
    ) -> str:
        """A new node with a name of its own."""
        name = self._fresh(op)
        self.nodes[name] = Node(name, op, inputs, shape, args)
        return name

    def add_param(self, stem: str, array: Array, constant: bool = False) -> str:
        """A new array under a name that starts with ``stem``."""
        name = self._fresh(stem)
        self.params[name] = array
        if constant:
            self.constants.add(name)
        return name

    def finish(self) -> Graph:
        """The new graph."""
        return replace(
            self.graph,
            params=self.params,
            constants=frozenset(self.constants),
            nodes=tuple(self.nodes.values()),
            next_states={s: self.resolve(n) for s, n in self.graph.next_states.items()},
            output=self.resolve(self.graph.output),
        )

    def _fresh(self, stem: str) -> str:
        name = next(name for name in _numbered(stem) if name not in self._taken)
        self._taken.add(name)
        return name


def _numbered(stem: str) -> Iterator[str]:
    count = 1
    while True:
        yield f"{stem}.{count}"
        count += 1


def _uses(graph: Graph) -> Counter[str]:
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    # what leaves the graph has a reader outside that no pass can rewrite
    uses.update(dict.fromkeys((*graph.next_states.values(), graph.output), 2))
    return uses
