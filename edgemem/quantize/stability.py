"""Rounding must not make a memory grow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgemem.errors import ToleranceError
from edgemem.ir import Graph
from edgemem.ops import Array
from edgemem.quantize.memory import radius, rounded
from edgemem.quantize.steps import Step


def check_memories(graph: Graph, steps: Sequence[Step]) -> None:
    """Refuse a linear memory that is stable in floats and not after rounding.

    Parameters
    ----------
    graph : Graph
        After :func:`edgemem.ir.passes.residual`, so that the fixed matrices on a state add up to
        ``A - I``.
    steps : sequence of Step

    Raises
    ------
    ToleranceError
        If the largest eigenvalue of a rounded ``A`` has a magnitude of 1 or more.
    """
    for state, shape in graph.states.items():
        weights = _weights(steps, state, shape[-1])
        if not weights:
            continue
        exact = radius(_carried(weights))
        grown = radius(_carried([rounded(weight) for weight in weights]))
        if grown >= 1.0 > exact:
            parts = "8-bit weights" if len(weights) == 1 else "weights of two 8-bit halves"
            raise ToleranceError(
                f"state {state!r}: with {parts} its memory of order {shape[-1]} grows by a factor "
                f"of {grown:.6f} a step; train it with a lower order or a shorter theta, or "
                "convert it to floats (--quantize none)"
            )


def _weights(steps: Sequence[Step], state: str, order: int) -> list[Array]:
    """The fixed matrices that carry ``state`` on, with what else is in their rows."""
    return [
        step.weight
        for step in steps
        if step.fixed
        and step.weight is not None
        and step.inputs[0] == state
        and len(step.weight) == order
    ]


def _carried(weights: Sequence[Array]) -> Array:
    """``A = I + sum (A - I)``."""
    order = len(weights[0])
    parts = [np.eye(order), *(weight[:, :order] for weight in weights)]
    return np.asarray(np.sum(parts, axis=0))
