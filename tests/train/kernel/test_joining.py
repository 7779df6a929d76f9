"""Sums of products, joined by hand."""

from __future__ import annotations

from edgemem.ir.graph import Node
from edgemem.train.kernel.joining import joined

SHAPES = {"V": (2, 3), "W": (2, 2), "U": (2, 2), "x": (3,), "y": (2,), "b": (2,), "z": (2,)}
V, W, U = (
    Node(n, "matvec", (n[0].upper(), s), (2,)) for n, s in (("vx", "x"), ("wy", "y"), ("uz", "z"))
)


def test_the_terms_of_a_sum_become_one_product():
    inner, root = Node("i", "add", ("vx", "b"), (2,)), Node("r", "add", ("i", "wy"), (2,))
    assert shortened([V, inner, W, root]) == [
        ("r:0", "matvec", ("V", "x", "W", "y")),
        ("r", "add", ("r:0", "b")),
    ]


def test_a_sum_of_nothing_but_products_is_one_node():
    inner, root = Node("i", "add", ("vx", "wy"), (2,)), Node("r", "add", ("uz", "i"), (2,))
    assert shortened([V, W, U, inner, root]) == [("r", "matvec", ("U", "z", "V", "x", "W", "y"))]


def test_what_is_read_elsewhere_stays_what_it_is():
    root, other = Node("r", "add", ("vx", "wy"), (2,)), Node("o", "tanh", ("vx",), (2,))
    assert shortened([V, W, root, other]) == shortened([V, W, root, other], joins=False)
    assert shortened([V, W, root], kept={"wy"}) == shortened([V, W, root], joins=False)


def test_products_of_different_kinds_stay_apart():
    back = Node("wy", "matvec_adjoint", ("W", "y"), (2,))
    root = Node("r", "add", ("vx", "wy"), (2,))
    assert shortened([V, back, root]) == shortened([V, back, root], joins=False)


def shortened(nodes, kept=(), joins=True):
    """Names, ops and inputs after joining."""
    shapes = {**SHAPES, **{node.name: node.shape for node in nodes}}
    result = joined(nodes, shapes, kept) if joins else nodes
    return [(node.name, node.op, node.inputs) for node in result]
