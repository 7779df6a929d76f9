from __future__ import annotations

import json

import numpy as np
import pytest

from edgemem import artefact, target
from edgemem.artefact import Artefact, Golden
from edgemem.cells import LEM
from edgemem.errors import ArtefactError
from edgemem.ir import trace

CELL = LEM(3, 5)
GRAPH = trace(CELL, CELL.init(np.random.default_rng(0)))
GOLDEN = Golden(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 5), np.float32))


class Net:
    name = "net"
    scheme = None
    labels = ("a", "b", "c", "d", "e")

    def graph(self):  # type: ignore[no-untyped-def]
        return GRAPH

    def reference(self):  # type: ignore[no-untyped-def]
        return GRAPH


def converted(**parts: bytes) -> Artefact:
    chosen = target.get("reference")
    made = chosen.convert(Net(), chosen.Options(), np.zeros((0, 0, 3), np.float32))
    named = {name.replace("_", "."): data for name, data in parts.items()}
    return artefact.build(b"", {"target": "reference"}, (), GOLDEN, {**made.parts, **named})


def test_gives_the_cell_s_own_numbers() -> None:
    from edgemem.ops import FloatOps

    runner = target.load(converted())
    states = CELL.zero_state()
    for x in np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32):
        states, y = CELL.step(FloatOps(), GRAPH.params, states, x.astype(np.float64))
        np.testing.assert_array_equal(runner.step(x), y.astype(np.float32))


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"{}", json.dumps({**GRAPH.to_dict(), "output": "nowhere"}).encode()]
)
def test_a_graph_that_is_none(text: bytes) -> None:
    with pytest.raises(ArtefactError, match=r"graph\.json holds no graph"):
        target.load(converted(graph_json=text))


def test_arrays_that_are_none() -> None:
    with pytest.raises(ArtefactError, match=r"'params\.npz' is damaged"):
        target.load(converted(params_npz=b"PK"))


def test_labels_of_another_number() -> None:
    made = converted()
    wrong = artefact.build(b"", {"target": "reference"}, ("a",), GOLDEN, made.parts)
    with pytest.raises(ArtefactError, match="1 labels for 5 outputs"):
        target.load(wrong)
