"""What one step of a recurrence and its adjoint do, in which order, and what is kept in between.

A step becomes a list of items: products, and groups of element-wise ops that run in one loop.
``split`` and ``merge`` move nothing, so they are only other names of the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Union

from edgemem.errors import UnsupportedOpError
from edgemem.ir.graph import Node, Shape
from edgemem.ir.passes.adjoint import Adjoint, Recurrence, Share, adjoint
from edgemem.train.kernel.joining import PRODUCTS, joined

ELEMENTWISE = frozenset(
    {"add", "sub", "mul", "scale", "sigmoid", "tanh", "relu"}
    | {"sigmoid_adjoint", "tanh_adjoint", "relu_adjoint"}
)
CHEAP = frozenset({"add", "sub", "mul", "scale", "relu"})
"""Ops that cost less to compute again than to keep: their inputs lie in the cache."""


@dataclass(frozen=True)
class Product:
    """The sum of ``weight @ source``, or of ``weight.T @ source`` for a ``matvec_adjoint``."""

    out: str
    op: str
    weights: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.sources))

    @property
    def writes(self) -> tuple[str, ...]:
        return (self.out,)


@dataclass(frozen=True)
class Group:
    """Element-wise ops over values of one size."""

    nodes: tuple[Node, ...]
    size: int

    @property
    def reads(self) -> tuple[str, ...]:
        own = set(self.writes)
        return tuple(
            dict.fromkeys(name for n in self.nodes for name in n.inputs if name not in own)
        )

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)


Item = Union[Product, Group]


@dataclass(frozen=True)
class Plan:
    """All that the generated code follows from.

    Parameters
    ----------
    recurrence : Recurrence
    adjoint : Adjoint
        With the names that stand for the same numbers made one.
    shapes : mapping
        Of everything that has a name.
    after : tuple of str
        The values behind the states after a step.
    saved : tuple of str
        Values that the forward pass leaves for the backward pass.
    forward, backward : tuple of item
    """

    recurrence: Recurrence
    adjoint: Adjoint
    shapes: Mapping[str, Shape]
    after: tuple[str, ...]
    saved: tuple[str, ...]
    forward: tuple[Item, ...]
    backward: tuple[Item, ...]

    def size(self, name: str) -> int:
        """Elements of a value, for each sequence."""
        return math.prod(self.shapes[name])

    @property
    def saved_size(self) -> int:
        """Numbers saved for each step of each sequence."""
        return sum(self.size(name) for name in self.saved)


def carry_of(state: str) -> str:
    """Name of the adjoint that comes from the step after."""
    return f"carry:{state}"


def upstream_of(state: str) -> str:
    """Name of the adjoint that comes from outside of the loop."""
    return f"upstream:{state}"


def plan(recurrence: Recurrence, shapes: Mapping[str, Shape], save: bool) -> Plan:
    """The plan of a kernel.

    Parameters
    ----------
    recurrence : Recurrence
    shapes : mapping
        Shapes of its weights, drives and states, without batch axes.
    save : bool
        Whether the backward pass finds what is dear to compute saved, or computes all of it again.

    Raises
    ------
    UnsupportedOpError
        If the recurrence holds something that no kernel is generated for.
    """
    _check(recurrence)
    back = adjoint(recurrence, shapes)
    seeds = tuple(
        Node(seed, "add", (carry_of(s), upstream_of(s)), shapes[s])
        for seed, s in zip(back.seeds, recurrence.states)
    )
    nodes, alias = _flat((*recurrence.nodes, *seeds, *back.nodes))
    count = len(_flat(recurrence.nodes)[0])
    step, bars = nodes[:count], nodes[count:]
    known = {**shapes, **{n.name: n.shape for n in (*recurrence.nodes, *seeds, *back.nodes)}}
    for state in recurrence.states:
        known[carry_of(state)] = known[upstream_of(state)] = shapes[state]
    after = tuple(alias.get(name, name) for name in recurrence.after)
    if not set(after) <= {node.name for node in step} or len(set(after)) < len(after):
        raise UnsupportedOpError("a state that is nothing but another value")
    shares = tuple(
        replace(
            s,
            bar=alias.get(s.bar, s.bar),
            source=None if s.source is None else alias.get(s.source, s.source),
        )
        for s in back.shares
    )
    back = replace(
        back,
        nodes=bars,
        states=tuple(n and alias.get(n, n) for n in back.states),
        drives=tuple(n and alias.get(n, n) for n in back.drives),
        shares=shares,
    )
    given = {*recurrence.states, *recurrence.drives, *recurrence.weights, *after}
    needed = _needed(bars, shares, step, given)
    saved = _dear(step, needed, given) if save else ()
    again = _closure(step, needed, given | set(saved))
    outside = {name for s in recurrence.states for name in (carry_of(s), upstream_of(s))}
    results = {*back.states, *back.drives}
    results |= {name for share in shares for name in (share.bar, share.source)}
    there = joined(step, known, {*after, *saved})
    way_back = joined((*again, *bars), known, {name for name in results if name is not None})
    known.update({node.name: node.shape for node in (*there, *way_back)})
    sizes = {name: math.prod(shape) for name, shape in known.items()}
    forward = _schedule(there, given - set(after), sizes)
    backward = _schedule(way_back, given | set(saved) | outside, sizes)
    return Plan(recurrence, back, known, after, saved, forward, backward)


def _check(recurrence: Recurrence) -> None:
    for node in recurrence.nodes:
        if node.op == "matvec":
            known = node.inputs[0] in recurrence.weights
        else:
            known = node.op in ELEMENTWISE or node.op in ("split", "merge")
        if not known:
            raise UnsupportedOpError(f"node {node.name!r}: no kernel for the op {node.op!r}")


def _flat(nodes: Iterable[Node]) -> tuple[tuple[Node, ...], dict[str, str]]:
    """The nodes without ``split`` and ``merge``, and what the names of these stand for."""
    alias: dict[str, str] = {}
    kept: list[Node] = []
    for node in nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if node.op in ("split", "merge"):
            alias[node.name] = inputs[0]
        else:
            kept.append(replace(node, inputs=inputs))
    return tuple(kept), alias


def _needed(
    bars: Iterable[Node], shares: Iterable[Share], step: Iterable[Node], given: set[str]
) -> list[str]:
    """Values of the step that the way back reads and that it does not have anyway."""
    read = {name for node in bars for name in node.inputs}
    read |= {share.source for share in shares if share.source is not None}
    return [node.name for node in step if node.name in read - given]


def _dear(step: Sequence[Node], needed: Sequence[str], given: set[str]) -> tuple[str, ...]:
    """What to save of ``needed``: all but what a few cheap ops make of the rest."""
    by_name = {node.name: node for node in step}
    saved = {name for name in needed if by_name[name].op not in CHEAP}

    def obtainable(name: str) -> bool:
        if name in given or name in saved:
            return True
        node = by_name[name]
        return node.op in CHEAP and all(obtainable(n) for n in node.inputs)

    for name in needed:
        if not obtainable(name):
            saved.add(name)
    return tuple(name for name in needed if name in saved)


def _closure(step: Sequence[Node], needed: Sequence[str], given: set[str]) -> tuple[Node, ...]:
    """The nodes that make ``needed`` of ``given``."""
    wanted = set(needed) - given
    kept: list[Node] = []
    for node in reversed(step):
        if node.name in wanted:
            kept.append(node)
            wanted |= set(node.inputs) - given
    return tuple(reversed(kept))


def _schedule(nodes: Sequence[Node], ready: set[str], sizes: Mapping[str, int]) -> tuple[Item, ...]:
    """Products as soon as they can be, the rest in as few loops as can be."""
    ready, waiting = set(ready), list(nodes)
    items: list[Item] = []
    while waiting:
        products = [n for n in waiting if n.op in PRODUCTS and set(n.inputs) <= ready]
        found: list[Item] = [
            Product(n.name, n.op, n.inputs[::2], n.inputs[1::2]) for n in products
        ] or [_group(waiting, ready, sizes)]
        items += found
        written = {name for item in found for name in item.writes}
        ready |= written
        waiting = [node for node in waiting if node.name not in written]
    return tuple(items)


def _group(waiting: Sequence[Node], ready: set[str], sizes: Mapping[str, int]) -> Group:
    """All element-wise nodes of one size that can be computed together now."""
    first = next(n for n in waiting if n.op in ELEMENTWISE and set(n.inputs) <= ready)
    size = sizes[first.name]
    reached, chosen = set(ready), []
    for node in waiting:
        fits = node.op in ELEMENTWISE and sizes[node.name] == size
        if fits and set(node.inputs) <= reached:
            chosen.append(node)
            reached.add(node.name)
    return Group(tuple(chosen), size)
