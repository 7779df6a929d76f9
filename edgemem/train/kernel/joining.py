"""Products that are added up become one product, which keeps its sum in registers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgemem.ir.graph import Node, Shape

PRODUCTS = frozenset({"matvec", "matvec_adjoint"})


def joined(
    nodes: Sequence[Node], shapes: Mapping[str, Shape], kept: Iterable[str]
) -> tuple[Node, ...]:
    """``nodes`` with sums of products in one node each.

    ``(V x + b) + W y`` becomes ``[V, W] [x, y] + b``: a product's inputs are then weights and
    sources by turns.

    Parameters
    ----------
    nodes : sequence of Node
        In order of computation.
    shapes : mapping
        Of everything that has a name.
    kept : iterable of str
        Values that are read elsewhere too.
    """
    sums = _Sums(nodes, shapes, frozenset(kept))
    replaced: dict[str, tuple[Node, ...]] = {}
    gone: set[str] = set()
    for root in nodes:
        if root.op != "add" or sums.inner(root.name):
            continue
        leaves, adds = sums.leaves(root)
        terms = sums.products(root, leaves)
        if len(terms) > 1:
            others = [name for name in leaves if name not in {t.name for t in terms}]
            replaced[root.name] = _written(root, terms, others)
            gone.update(term.name for term in terms)
            gone.update(adds)
    return tuple(
        new for node in nodes if node.name not in gone for new in replaced.get(node.name, (node,))
    )


def _written(root: Node, terms: Sequence[Node], others: Sequence[str]) -> tuple[Node, ...]:
    """One product of all ``terms``, then the other summands."""
    inputs = tuple(name for term in terms for name in term.inputs)
    names = [f"{root.name}:{i}" for i in range(len(others))] + [root.name]
    made = [Node(names[0], terms[0].op, inputs, root.shape)]
    for before, name, other in zip(names, names[1:], others):
        made.append(Node(name, "add", (before, other), root.shape))
    return tuple(made)


@dataclass
class _Sums:
    nodes: Sequence[Node]
    shapes: Mapping[str, Shape]
    kept: frozenset[str]

    def __post_init__(self) -> None:
        self.by_name = {node.name: node for node in self.nodes}
        self.readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)
        self.uses = Counter(name for node in self.nodes for name in node.inputs)

    def once(self, name: str) -> bool:
        """Whether nothing but one node reads a value."""
        return self.uses[name] == 1 and name not in self.kept and name in self.by_name

    def inner(self, name: str) -> bool:
        """Whether a sum is but a part of a larger one."""
        if not self.once(name):
            return False
        (reader,) = self.readers[name]
        return reader.op == "add" and self.size(reader.name) == self.size(name)

    def size(self, name: str) -> int:
        return math.prod(self.shapes[name])

    def leaves(self, root: Node) -> tuple[list[str], list[str]]:
        """The summands of a sum, and the sums within it."""
        found, adds = [], []
        for name in root.inputs:
            node = self.by_name.get(name)
            if node is not None and node.op == "add" and self.inner(name):
                more = self.leaves(node)
                found += more[0]
                adds += [name, *more[1]]
            else:
                found.append(name)
        return found, adds

    def products(self, root: Node, leaves: Sequence[str]) -> list[Node]:
        """Products of one kind and size among the summands."""
        found = [
            self.by_name[name]
            for name in leaves
            if self.once(name) and self.by_name[name].op in PRODUCTS
        ]
        return [node for node in found if self._alike(node, found[0], root)]

    def _alike(self, node: Node, other: Node, root: Node) -> bool:
        results = -1 if node.op == "matvec_adjoint" else 0
        n, m = (self.shapes[p.inputs[0]][results] for p in (node, other))
        return node.op == other.op and n == m and self.size(node.name) == self.size(root.name)
