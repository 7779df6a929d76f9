from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgemem import artefact, target
from edgemem.artefact import Artefact, Golden
from edgemem.cells import LMU
from edgemem.errors import ArtefactError, ShapeError
from edgemem.ir import Graph, trace
from edgemem.quantize import Scheme
from edgemem_fixed import FixedOptions
from edgemem_fixed.runner import FixedRunner

CELL = LMU(3, 4, 4, 9.0, activation="relu")
GOLDEN = Golden(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 4), np.float32))


class Net:
    name = "net"
    labels = ("a", "b", "c", "d")

    def __init__(self, scheme: Scheme | None = None) -> None:
        self.scheme = scheme

    def graph(self) -> Graph:
        return trace(CELL, CELL.init(np.random.default_rng(0)))

    def reference(self) -> Graph:
        return self.graph()


def sequences() -> npt.NDArray[Any]:
    return np.random.default_rng(1).normal(size=(6, 30, 3)).astype(np.float32)


def converted(options: FixedOptions, scheme: Scheme | None = None) -> Artefact:
    made = target.get("fixed").convert(Net(scheme), options, sequences())
    fields = {"target": "fixed", **made.facts}
    return artefact.build(made.payload, fields, Net.labels, GOLDEN, made.parts)


def weights(opened: Artefact) -> npt.NDArray[Any]:
    program = FixedRunner(opened).program
    trained = [n for n, form in program.weights.items() if not n.startswith("add.1")]
    return np.concatenate([program.arrays[name].reshape(-1) for name in trained])


@pytest.mark.parametrize(("bits", "highest"), [("8", 127), ("4", 7), ("2", 1)])
def test_weights_have_the_bits_that_were_asked_for(bits: str, highest: int) -> None:
    opened = converted(FixedOptions(weights=bits))  # type: ignore[arg-type]
    assert np.abs(weights(opened)).max() == highest


def test_the_model_s_own_widths_count_until_others_are_asked_for() -> None:
    four = Scheme(weights=4)
    assert np.abs(weights(converted(FixedOptions(), four))).max() == 7
    assert np.abs(weights(converted(FixedOptions(weights="8"), four))).max() == 127


def test_a_damaged_program_is_refused() -> None:
    opened = converted(FixedOptions())
    plan = json.loads(opened.part("program.json"))
    del plan["states"]
    parts = {**opened.parts, "program.json": json.dumps(plan).encode()}
    damaged = Artefact("here", opened.manifest, opened.payload, parts)
    with pytest.raises(ArtefactError, match=r"here: program\.json holds no integer program"):
        FixedRunner(damaged)


def test_an_input_of_another_width() -> None:
    with pytest.raises(ShapeError, match=r"expected \(3,\)"):
        FixedRunner(converted(FixedOptions())).step(np.zeros(2, np.float32))
