from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import LMU
from edgemem.errors import ToleranceError
from edgemem.ir import trace
from edgemem.ir.passes import residual
from edgemem.quantize.forms import with_halves
from edgemem.quantize.stability import check_memories
from edgemem.quantize.steps import steps


def test_a_memory_that_rounding_makes_grow_is_refused() -> None:
    cell = LMU(5, 4, 4, 9.0)
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    check_memories(graph, steps(residual(graph)))
    # a decay of 0.9999 in one element beside a large one in its row rounds to none
    slow = np.triu(np.ones((4, 4)), 1)
    np.fill_diagonal(slow, [0.9999, 0.5, 0.5, 0.5])
    changed = residual(graph.with_params({**graph.params, "A": slow}))
    with pytest.raises(ToleranceError, match=r"grows by a factor of 1\.0+ a step"):
        check_memories(changed, steps(changed))


def test_what_else_is_in_a_row_counts_and_so_does_the_fine_half() -> None:
    cell = LMU(5, 4, 2, 9.0)
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    # 0.999 - 1 is less than half a step of 4 / 127
    leak = {"A": np.diag([0.999, 0.5]), "B": np.full((2, 1), 4.0)}
    graph = residual(graph.with_params({**graph.params, **leak}))
    with pytest.raises(ToleranceError, match="with 8-bit weights its memory of order 2"):
        check_memories(graph, steps(graph))
    halved = with_halves(graph)
    check_memories(halved, steps(halved))
