"""States that are blended with bounded values: what theory says of their formats.

``s' = s + g (c - s)``, or ``c + g (s - c)``, with ``g = r sigmoid(.)``, ``0 < r <= 1``, and
``c = tanh(.)`` stays within 1. So do the states of a Long Expressive Memory, whose dt is ``r``, and
of a gated recurrent unit.
"""

from __future__ import annotations

from edgemem.errors import ToleranceError
from edgemem.ir import Graph, Node
from edgemem.quantize.formats import Format

DRIFT = 0.5
"""Error of such a state, in steps of its format and times ``r``: ``docs/memory-formats.md``."""

GOOD, BAD = 1e-3, 1e-2
"""Errors that are not worth another bit, and that are too large."""


def blends(graph: Graph) -> dict[str, float]:
    """The states of ``graph`` that are blended, each with its greatest share ``r``."""
    producers = graph.producers()
    found = {}
    for state, after in graph.next_states.items():
        share = _share(producers, state, after)
        if share is not None and 0.0 < share <= 1.0:
            found[state] = share
    return found


def blend_format(share: float) -> Format:
    """The 16-bit format of a state that is blended in shares of ``share`` or less.

    A state that moves by less than half a step stands still, so that rounding costs about
    :data:`DRIFT` steps over the share. Steps of 2^-14 hold the difference of two such values too,
    so that additions need shifts alone; steps of 2^-15 are the finest that hold 1.

    Parameters
    ----------
    share : float

    Raises
    ------
    ToleranceError
        If 15 fraction bits are too few for so small a share.
    """
    coarse, fine = (DRIFT * 2.0**-bits / share for bits in (14, 15))
    if fine > BAD:
        raise ToleranceError(
            f"a state that moves by {share:g} of its way a step at most would be off by "
            f"{fine:.1%} in 16 bits; train it with a dt of {DRIFT * 2.0**-15 / BAD:.4f} or more, "
            "or convert it to floats (--quantize none)"
        )
    return Format(16, 2.0**-14 if coarse <= GOOD else 2.0**-15)


def _share(producers: dict[str, Node], state: str, after: str) -> float | None:
    """``r`` where ``after`` is ``s + r sigmoid(.) (tanh(.) - s)``; 1 where both change places."""
    total = producers.get(after)
    if total is None or total.op != "add":
        return None
    for kept, moved in (total.inputs, total.inputs[::-1]):
        product = producers.get(moved)
        if product is None or product.op != "mul":
            continue
        for gate, difference in (product.inputs, product.inputs[::-1]):
            node = producers.get(difference)
            if node is None or node.op != "sub" or node.inputs[1] != kept:
                continue
            largest = _gate(producers, gate)
            if kept == state and _is_tanh(producers, node.inputs[0]):
                return largest
            if node.inputs[0] == state and _is_tanh(producers, kept):
                return None if largest is None or largest > 1.0 else 1.0
    return None


def _is_tanh(producers: dict[str, Node], name: str) -> bool:
    return name in producers and producers[name].op == "tanh"


def _gate(producers: dict[str, Node], name: str) -> float | None:
    """``r`` of ``r sigmoid(.)``."""
    node, factor = producers.get(name), 1.0
    if node is not None and node.op == "scale":
        factor, node = float(node.args[0]), producers.get(node.inputs[0])
    return factor if node is not None and node.op == "sigmoid" else None
