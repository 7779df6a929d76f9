"""Graphs in files: each rule against its damage."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgemem.cells import LEM, LMU, Conv, Dense, Norm, Stack
from edgemem.errors import GraphError
from edgemem.ir import Graph, trace
from edgemem.ir.passes import fold, residual
from edgemem.ir.stored import ARGS, read_graph
from edgemem.ops import OP_NAMES, QUANTIZE
from edgemem.reading import DamageError

CELL = Stack((Norm(4), LMU(4, 6, 3, 5.0, 2, activation="relu"), Dense(6, 3)))


def traced(cell: Any = CELL) -> Graph:
    return trace(cell, cell.init(np.random.default_rng(0)))


@pytest.mark.parametrize("cell", [CELL, LEM(3, 4, 0.3), Conv(3, 4, 3), LMU.paper(2, 3, 4, 5.0)])
def test_what_passes_make_is_read_back(cell: Any) -> None:
    for graph in (traced(cell), residual(fold(traced(cell)))):
        assert read_graph(graph.to_dict(), graph.params).to_dict() == graph.to_dict()


def test_every_op_has_its_arguments_in_the_table() -> None:
    assert set(ARGS) == {*OP_NAMES, QUANTIZE}


def node(plan: dict[str, Any], op: str) -> list[Any]:
    return next(n for n in plan["nodes"] if n[1] == op)


DAMAGE: list[tuple[Callable[[Any, Any], Any], str]] = [
    (lambda p, a: p.pop("nodes"), "lacks nodes"),
    (lambda p, a: p.update(nodes=[["a", "relu"]]), r"nodes\[0\] is .*a list of 5 values"),
    (lambda p, a: p.update(n_in="two"), "n_in is 'two'"),
    (lambda p, a: p.update(n_in=5), "does not have shape|against"),
    (lambda p, a: p.update(states=3), "states is 3"),
    (lambda p, a: node(p, "matvec").__setitem__(1, "__init__"), "one of "),
    (lambda p, a: node(p, "matvec")[4].append(1), "args of node"),
    (lambda p, a: node(p, "matvec")[2].pop(), "node .*: "),
    (lambda p, a: node(p, "matvec")[3].append(2), "does not have shape"),
    (lambda p, a: node(p, "matvec")[3].append(1 << 30), "whole number"),
    (lambda p, a: node(p, "split").__setitem__(4, [5]), "into 5 rows"),
    (lambda p, a: node(p, "split").__setitem__(4, [0]), "from 1 to"),
    (lambda p, a: p["states"].update(big=[1 << 22, 2]), "every state needs"),
    (lambda p, a: p["constants"].append("nothing"), "no array named 'nothing'"),
    (lambda p, a: p.update(output=next(iter(p["states"]))), "expected one axis"),
    (lambda p, a: a.update(more=np.array(["x"])), "array 'more' holds"),
    (lambda p, a: a.update(more=np.zeros((0, 3))), "array 'more' holds"),
]


@pytest.mark.parametrize(("damage", "complaint"), DAMAGE)
def test_damage_is_refused(damage: Callable[[Any, Any], Any], complaint: str) -> None:
    graph = traced()
    plan, arrays = copy.deepcopy(graph.to_dict()), dict(graph.params)
    damage(plan, arrays)
    with pytest.raises((DamageError, GraphError), match=complaint):
        read_graph(plan, arrays)
