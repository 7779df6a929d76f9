"""Linear parts of a graph as sums: ``sum_i W_i x_i + sum_j g_j * v_j + c``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Union

import numpy as np

from edgemem.ir.graph import Graph, Node
from edgemem.ir.passes.draft import Draft
from edgemem.ops import Array

Gain = Union[float, Array]
Put = Callable[..., str]


@dataclass(frozen=True, eq=False)
class Product:
    """``weight @ x``.

    ``source`` names the parameter whose values ``weight`` still has, if any; ``origin`` the one
    that it was made from.
    """

    weight: Array
    x: str
    source: str = ""
    constant: bool = False
    origin: str = "W"

    def times(self, gain: Gain) -> Product:
        if _is_one(gain):
            return self
        # diag(g) W x = g * (W x)
        weight = np.asarray(gain)[..., None] * self.weight
        return replace(self, weight=weight, source="", constant=False)

    def after(self, gain: Gain, x: str) -> Product:
        """``weight @ (gain * x)``."""
        if _is_one(gain):
            return replace(self, x=x)
        # W (g * x) = (W diag(g)) x
        return replace(self, weight=self.weight * gain, x=x, source="", constant=False)


@dataclass(frozen=True, eq=False)
class Term:
    """``gain * value`` for a value that is no sum."""

    gain: Gain
    value: str


@dataclass(frozen=True, eq=False)
class Sum:
    """Products, terms and a constant, added up."""

    products: tuple[Product, ...] = ()
    terms: tuple[Term, ...] = ()
    constant: Array | None = None

    def __add__(self, other: Sum) -> Sum:
        constants = [c for c in (self.constant, other.constant) if c is not None]
        return Sum(
            self.products + other.products,
            self.terms + other.terms,
            np.sum(np.broadcast_arrays(*constants), axis=0) if constants else None,
        )

    def times(self, gain: Gain) -> Sum:
        return Sum(
            tuple(product.times(gain) for product in self.products),
            tuple(Term(np.multiply(term.gain, gain), term.value) for term in self.terms),
            None if self.constant is None else np.multiply(self.constant, gain),
        )


class Flattener:
    """Reads the sums out of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._params = graph.params
        self._constants = graph.constants
        self._producers = graph.producers()
        self._consumers = graph.consumers()
        self._leaving = {graph.output, *graph.next_states.values()}

    def sum_of(self, node: Node) -> Sum | None:
        """``node`` as a sum; None where it is something else."""
        if node.op == "add":
            return self._inner(node.inputs[0]) + self._inner(node.inputs[1])
        if node.op == "sub":
            return self._inner(node.inputs[0]) + self._inner(node.inputs[1]).times(-1.0)
        if node.op == "scale":
            return self._scaled(node.inputs[0], float(node.args[0]))
        if node.op == "mul":
            a, b = node.inputs
            if b in self._params:
                return self._scaled(a, self._params[b])
            if a in self._params:
                return self._scaled(b, self._params[a])
        if node.op == "matvec" and node.inputs[0] in self._params:
            return self._product(*node.inputs)
        return None

    def _inner(self, name: str) -> Sum:
        """What ``name`` adds to a sum that reads it."""
        if name in self._params:
            return Sum(constant=self._params[name])
        node = self._producers.get(name)
        if node is not None and self._is_inner(name):
            found = self.sum_of(node)
            if found is not None:
                return found
        return Sum(terms=(Term(1.0, name),))

    def _is_inner(self, name: str) -> bool:
        return len(self._consumers[name]) == 1 and name not in self._leaving

    def _scaled(self, name: str, gain: Gain) -> Sum:
        inner = self._inner(name)
        if len(inner.terms) > 1:  # one gain behind the sum is cheaper than one for each term
            return Sum(terms=(Term(gain, name),))
        return inner.times(gain)

    def _product(self, weight: str, x: str) -> Sum:
        product = Product(self._params[weight], x, weight, weight in self._constants, weight)
        affine = self._affine(x)
        if affine is None:
            return Sum(products=(product,))
        # W (g * v + c) = (W diag(g)) v + W c
        (term,) = affine.terms
        constant = None
        if affine.constant is not None:
            constant = product.weight @ np.broadcast_to(affine.constant, product.weight.shape[1:])
        return Sum(products=(product.after(term.gain, term.value),), constant=constant)

    def _affine(self, name: str) -> Sum | None:
        """``name`` as ``g * v + c``, if its only readers are products, so that it can go."""
        node = self._producers.get(name)
        if node is None or name in self._leaving:
            return None
        if any(r.op != "matvec" or r.inputs[0] not in self._params for r in self._consumers[name]):
            return None
        found = self.sum_of(node)
        if found is None or found.products or len(found.terms) != 1:
            return None
        return found


def emit_sum(draft: Draft, node: Node, total: Sum) -> None:
    """Write ``total`` as nodes, the last of them under the name of ``node``.

    Products come first with the constant beside them, where a target has a bias for it; what is
    not a product is added last.
    """
    last: list[Node] = []

    def put(op: str, inputs: tuple[str, ...], args: tuple[float, ...] = ()) -> str:
        name = draft.emit(op, inputs, node.shape, args)
        last.append(draft.nodes[name])
        return name

    value = ""
    for number, product in enumerate(total.products):
        weight = product.source or draft.add_param(product.origin, product.weight, product.constant)
        term = put("matvec", (weight, draft.resolve(product.x)))
        if number == 0 and total.constant is not None:
            term = put("add", (term, draft.add_param("b", _vector(total, product))))
        value = put("add", (value, term)) if value else term
    # positive terms first, so that a difference stays one
    for part in sorted(total.terms, key=_is_taken_off):
        value = _add_term(draft, put, value, part)
    if total.constant is not None and not total.products:
        value = put("add", (value, draft.add_param("c", total.constant)))
    _rename_last(draft, node, value, last)


def _vector(total: Sum, product: Product) -> Array:
    return np.array(np.broadcast_to(np.asarray(total.constant), product.weight.shape[:1]))


def _add_term(draft: Draft, put: Put, value: str, part: Term) -> str:
    name = draft.resolve(part.value)
    scalar = np.ndim(part.gain) == 0
    if value and scalar and part.gain == -1.0:
        return put("sub", (value, name))
    if scalar and part.gain != 1.0:
        name = put("scale", (name,), (float(part.gain),))
    elif not scalar:
        name = put("mul", (name, draft.add_param("g", np.asarray(part.gain))))
    if not value:
        return name
    return put("add", (name, value))


def _rename_last(draft: Draft, node: Node, value: str, put: list[Node]) -> None:
    if put and put[-1].name == value:
        final = draft.nodes.pop(value)
        draft.nodes[node.name] = replace(final, name=node.name)
    else:
        draft.alias(node.name, value)


def _is_taken_off(term: Term) -> bool:
    return np.ndim(term.gain) == 0 and bool(np.asarray(term.gain) < 0)


def _is_one(gain: Gain) -> bool:
    return np.ndim(gain) == 0 and gain == 1.0
