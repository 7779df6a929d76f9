from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgemem import artefact, target
from edgemem.artefact import Golden
from edgemem.cli import train
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


FINER = {
    ("fixed", "c", "tflite", "loihi"): [{"quantize": "int8"}, {"quantize": "int16"}],
    ("spiking",): [{"steps_per_frame": steps} for steps in (4, 16, 24, 64, 256)],
    ("nir",): [{"levels": levels} for levels in (1, 16, 32, 64, 1024)],
    ("loihi",): [{"threshold": t} for t in (1.0, 0.2, 0.0)],
    ("loihi", "loihi1"): [
        {"profile": "loihi1", "levels": levels, "window": window}
        for levels, window in ((2, 2), (6, 8), (30, 64))
    ],
    ("nengo-loihi",): [{"neurons": n, "steps": steps} for n, steps in ((2, 1), (60, 16))],
}


@pytest.mark.parametrize("names", FINER, ids=lambda names: "-".join(names))
def test_a_finer_form_is_held_to_nothing_stricter_than_a_coarser(names: tuple[str, ...]) -> None:
    for name in set(names) & set(target.available()):
        chosen = target.get(name)
        found = [chosen.tolerance(chosen.Options(**options)) for options in FINER[names]]
        for coarse, fine in zip(found, found[1:]):
            assert fine.distance >= coarse.distance and fine.agreement <= coarse.agreement


@pytest.mark.parametrize("name", sorted(target.available()))
def test_remedies_name_options_that_the_target_has(name: str) -> None:
    chosen = target.get(name)
    if not isinstance(chosen, target.Advising):
        assert not dataclasses.fields(chosen.Options)
        return
    known = {"--" + field.name.replace("_", "-") for field in dataclasses.fields(chosen.Options)}
    for remedy in chosen.remedies(chosen.Options()):
        (option,) = [word for word in remedy.split() if word.startswith("--")]
        assert option in known
    if chosen.training:
        assert any(
            chosen.training in option.opts for option in train.command.commands["kws"].params
        )


def test_remedies_end_where_nothing_is_finer() -> None:
    finest = {
        "fixed": {"quantize": "int16", "weights": "8"},
        "c": {"quantize": "int16"},
        "tflite": {"quantize": "none"},
        "nir": {"levels": 1024},
        "loihi": {"profile": "loihi1", "levels": 30, "window": 64},
    }
    for name, options in finest.items():
        chosen = target.get(name)
        assert isinstance(chosen, target.Advising)
        if name == "tflite":
            wide = chosen.remedies(chosen.Options(quantize="int16", weights="4"))
            assert wide == ("--weights 8", "--quantize none")
        assert chosen.remedies(chosen.Options(**options)) == ()


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
