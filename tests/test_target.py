from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgemem import artefact, target
from edgemem.artefact import Golden
from edgemem.errors import UnknownTargetError
from edgemem.quantize import Scheme
from edgemem.quantize.plan import Plan

GOLDEN = Golden(np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32))


def test_knows_the_targets_that_come_along() -> None:
    assert {"reference", "tflite"} <= set(target.available())


@pytest.mark.parametrize("name", sorted(target.available()))
def test_a_target_is_what_its_name_says(name: str) -> None:
    chosen = target.get(name)
    assert chosen.name == name and chosen.summary
    assert dataclasses.is_dataclass(chosen.Options)
    options = chosen.Options()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.anything = 1
    tolerance = chosen.tolerance(options)
    assert 0.0 < tolerance.distance < 1.0 and 0.5 < tolerance.agreement <= 1.0
    assert all(field.metadata.get("help") for field in dataclasses.fields(chosen.Options))


def test_an_unknown_target_names_the_known_ones() -> None:
    with pytest.raises(UnknownTargetError, match=r"'abacus'; known: .*reference.*tflite"):
        target.get("abacus")


def test_a_file_of_a_target_that_is_not_installed() -> None:
    made = artefact.build(b"", {"target": "abacus"}, (), GOLDEN, {})
    with pytest.raises(UnknownTargetError, match="abacus"):
        target.load(made)


def test_the_narrowest_matrix_decides_what_rounding_may_cost() -> None:
    chosen = target.get("fixed")
    wide, four = chosen.Options(), chosen.Options(weights="4")
    assert chosen.tolerance(four).distance > chosen.tolerance(wide).distance
    mixed = Scheme(layers={"1.lmu.W_m": 2})
    assert chosen.tolerance(wide, mixed) == chosen.tolerance(chosen.Options(weights="2"))
    # asked for 8 bits, the searched widths do not count
    assert chosen.tolerance(chosen.Options(weights="8"), Scheme(weights=4)) == chosen.tolerance(
        wide
    )


def test_a_network_trained_in_its_roundings_is_held_to_8_bits() -> None:
    chosen = target.get("fixed")
    trained = Scheme(weights=4, plan=Plan({}, {}))
    assert chosen.tolerance(chosen.Options(), trained) == chosen.tolerance(chosen.Options())
