"""Rounding must not make a memory grow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgemem.errors import ToleranceError
from edgemem.ir import Graph
from edgemem.ops import Array
from edgemem.quantize import per_row

from .steps import Step


def check_memories(graph: Graph, steps: Sequence[Step]) -> None:
    """Refuse a linear memory that is stable in floats and not after rounding.

    Parameters
    ----------
    graph : Graph
        After :func:`edgemem.ir.passes.residual`, so that a fixed matrix on a state is ``A - I``.
    steps : sequence of Step

    Raises
    ------
    ToleranceError
        If the largest eigenvalue of a rounded ``A`` has a magnitude of 1 or more.
    """
    for step in steps:
        state = step.inputs[0]
        if not step.fixed or step.weight is None or state not in graph.states:
            continue
        size = graph.states[state][-1]
        if len(step.weight) != size:
            continue
        form = per_row(step.weight)
        rounded = _radius(form.dequantize(form.quantize(step.weight))[:, :size])
        if rounded >= 1.0 > _radius(step.weight[:, :size]):
            raise ToleranceError(
                f"state {state!r}: with 8-bit weights its memory of order {size} grows by a factor "
                f"of {rounded:.6f} a step; train it with a lower order or a shorter theta, or "
                "convert it to floats (--quantize none)"
            )


def _radius(change: Array) -> float:
    """Spectral radius of ``I + change``."""
    return float(np.abs(np.linalg.eigvals(np.eye(len(change)) + change)).max())
