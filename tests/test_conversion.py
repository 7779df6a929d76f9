from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemem import artefact, conversion, target
from edgemem.cells import GRU, LMU, Dense, Stack
from edgemem.errors import (
    ConfigError,
    MissingExtraError,
    ModelError,
    OutputError,
    ToleranceError,
    UnknownTargetError,
    UnsupportedOpError,
)
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample
from edgemem.quantize import IntegerOps, Scheme, build
from edgemem.runtime.detector import decide
from edgemem.runtime.rule import DetectorConfig
from edgemem.target import Tolerance
from edgemem.verification import distance, replay, verify

pytestmark = pytest.mark.slow

N_IN, N_OUT = 6, 3


@pytest.fixture(scope="module")
def model() -> Model:
    rng = np.random.default_rng(0)
    cell = Stack((LMU(N_IN, 12, 6, 12.0, 2, activation="relu"), Dense(12, N_OUT)))
    features = rng.normal(size=(40, 25, N_IN)).astype(np.float32)
    bare = Model(
        name="small",
        frontend=FrontEnd(n_mels=N_IN, low=-4.0, high=4.0),
        cell=cell,
        params={**cell.init(rng), **cell.constants},
        labels=("a", "b", "c"),
        protocol="folders",
        detector=DetectorConfig(window=5, ignore=()),
        calibration=Sample(features[:20], np.zeros(0, np.int64)),
        validation=Sample(features[20:], np.zeros(20, np.int64)),
    )
    # the network's own decisions as labels, a quarter of them wrong
    y, _ = bare.graph().scan(bare.validation.features.astype(np.float64))
    labels = decide(y, 5)
    labels[:5] = (labels[:5] + 1) % N_OUT
    return replace(bare, validation=Sample(bare.validation.features, labels))


def test_report_and_file(model: Model) -> None:
    data, report = conversion.convert(model, "reference")
    assert report.accuracy_trained == report.accuracy_converted == 0.75
    assert (report.agreement, report.clips, report.size) == (1.0, 20, len(data))
    assert report.distance < 1e-6
    opened = artefact.from_bytes(data, "test")
    assert opened.labels == model.labels
    manifest = opened.manifest
    assert manifest["model"] == model.digest
    assert FrontEnd.from_dict(manifest["frontend"]) == model.frontend
    assert DetectorConfig.from_dict(manifest["detector"]) == model.detector
    assert (manifest["name"], manifest["protocol"]) == ("small", "folders")


@pytest.mark.parametrize("name", ["tflite", "fixed"])
def test_golden_vectors_are_those_of_the_integer_semantics(model: Model, name: str) -> None:
    data, _ = conversion.convert(model, name)
    opened = artefact.from_bytes(data, "test")
    golden = opened.golden
    assert golden.x.size <= 2 * conversion.GOLDEN_VALUES
    program = build(model.graph(), Scheme(), model.calibration.features).program
    ops, states = IntegerOps(program), program.zero_state((2,))
    for t in range(golden.x.shape[1]):
        states, values = ops.step(states, ops.quantize(golden.x[:, t]))
        np.testing.assert_array_equal(golden.y[:, t], ops.dequantize(values[program.output]))
    assert opened.manifest["golden"] == "integers"
    form = program.tensors[program.input].form
    heard = model.calibration.features[:2, : golden.x.shape[1]]
    inside = form.dequantize(np.array(form.lowest)), form.dequantize(np.array(form.highest))
    assert np.abs(golden.x - np.clip(heard, *inside)).max() <= 0.501 * float(form.scale)


def test_no_golden_input_lies_between_two_integers(model: Model) -> None:
    # in steps of 246 / 255, 123 is 127.5; features of pictures have such values
    features = np.clip(np.rint(40 * model.calibration.features), -123, 123)
    features[0, 0, :2] = -123.0, 123.0
    cell = Dense(N_IN, N_OUT)
    weights = np.random.default_rng(1).normal(size=(N_OUT, N_IN)) / 40
    drawn = replace(
        model,
        cell=cell,
        params={"W": weights, "b": np.zeros(N_OUT)},
        calibration=Sample(features, np.zeros(0, np.int64)),
        validation=Sample(features[:0], np.zeros(0, np.int64)),
    )
    for name in sorted(name for name in target.available() if target.get(name).integer):
        opened = artefact.from_bytes(conversion.convert(drawn, name)[0], "test")
        runner = target.load(opened, reference_kernels=True)
        runner.step(opened.golden.x[0, 0])
        held = runner.tensors()["x"]  # type: ignore[attr-defined]
        steps = opened.golden.x.astype(np.float64) / held.scale
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)


def test_golden_vectors_of_floats_are_the_runner_s(model: Model) -> None:
    opened = artefact.from_bytes(conversion.convert(model, "reference")[0], "test")
    golden = opened.golden
    np.testing.assert_array_equal(golden.y, replay(target.load(opened), golden.x)[0])
    assert "golden" not in opened.manifest


def test_int8_is_close(model: Model) -> None:
    _, report = conversion.convert(model, "tflite", {"quantize": "int8"})
    assert report.distance < 0.05
    assert report.agreement is not None and report.agreement >= 0.95


def test_calibration_from_outside(model: Model) -> None:
    louder = 4.0 * model.calibration.features
    data, _ = conversion.convert(model, "fixed", calibration=louder)
    own, _ = conversion.convert(model, "fixed")
    scale, own_scale = (
        json.loads(artefact.from_bytes(file, "test").part("program.json"))["tensors"]["x"][2]
        for file in (data, own)
    )
    assert scale == pytest.approx(4 * own_scale)


def test_without_validation_clips(model: Model) -> None:
    none = Sample(np.zeros((0, 25, N_IN), np.float32), np.zeros(0, np.int64))
    _, report = conversion.convert(replace(model, validation=none), "reference")
    assert report.accuracy_trained is None and report.accuracy_converted is None
    assert report.clips == 20


def test_without_calibration(model: Model) -> None:
    none = Sample(np.zeros((0, 25, N_IN), np.float32), np.zeros(0, np.int64))
    with pytest.raises(ConfigError, match="--calibrate"):
        conversion.convert(replace(model, calibration=none), "tflite")


def test_refuses_what_is_too_far(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = type(target.get("tflite"))
    monkeypatch.setattr(chosen, "tolerance", lambda *_: Tolerance(1e-9, 0.0, 1.0))
    with pytest.raises(ToleranceError, match="too far from the trained one"):
        conversion.convert(model, "tflite")
    monkeypatch.setattr(chosen, "tolerance", lambda *_: Tolerance(1.0, 1.1, 1.0))
    with pytest.raises(ToleranceError, match="nothing was written"):
        conversion.convert(model, "tflite")


def allowing(monkeypatch: pytest.MonkeyPatch, name: str, tolerance: Tolerance) -> None:
    monkeypatch.setattr(type(target.get(name)), "tolerance", lambda *_: tolerance)


def test_the_rule_is_no_part_of_what_a_conversion_must_keep(model: Model) -> None:
    # trained to be decided over half a second
    trained = replace(model, card={"recipe": {"window": 0.5}})
    assert conversion.decision_window(trained) == round(0.5 / model.frontend.frame_period)
    reports = [
        conversion.convert(replace(trained, detector=DetectorConfig(window=w, ignore=())), "fixed")[
            1
        ]
        for w in (1, 5, 40)
    ]
    kept = [(r.agreement, r.accuracy_trained, r.accuracy_converted) for r in reports]
    assert kept[0] == kept[1] == kept[2]
    # of 25 frames, as many as there are
    y, _ = model.graph().scan(model.validation.features.astype(np.float64))
    assert kept[0][1] == float(np.mean(decide(y, 25) == model.validation.labels))


@pytest.mark.parametrize("card", [{}, {"recipe": {"window": "long"}}, {"recipe": 3}])
def test_a_model_that_does_not_say_how_it_was_read_is_read_as_its_rule(
    model: Model, card: dict[str, Any]
) -> None:
    assert conversion.decision_window(replace(model, card=card)) == 5
    values = FrontEnd(kind="values", n_mels=N_IN)
    sequences = replace(model, frontend=values, card={"recipe": {"window": 0.5}})
    assert conversion.decision_window(sequences) == 5


def of_values(model: Model) -> Model:
    """Three outputs that differ by less than one step of 8 bits: which is greatest, is chance."""
    rng = np.random.default_rng(4)
    row = rng.normal(size=(1, N_IN))
    weights = np.repeat(row, N_OUT, axis=0) + 1e-4 * rng.normal(size=(N_OUT, N_IN))
    return replace(
        model,
        cell=Dense(N_IN, N_OUT),
        params={"W": weights, "b": np.zeros(N_OUT)},
        frontend=FrontEnd(kind="values", n_mels=N_IN),
        validation=Sample(model.validation.features, np.zeros(0, np.int64)),
        card={"goal": {"read": "steps", "kind": "values"}},
    )


def test_outputs_that_are_values_are_held_to_their_distance_alone(model: Model) -> None:
    values = of_values(model)
    _, report = conversion.convert(values, "fixed")
    assert report.agreement is None and report.accuracy_trained is None
    assert report.distance < 0.05
    classes = replace(values, card={"goal": {"read": "last", "kind": "classes"}})
    with pytest.raises(ToleranceError, match="the same decision on"):
        conversion.convert(classes, "fixed")
    alone = replace(
        values,
        labels=("a",),
        cell=Dense(N_IN, 1),
        params={"W": values.params["W"][:1], "b": np.zeros(1)},
        card={},
    )
    assert conversion.convert(alone, "fixed")[1].agreement is None


def test_what_is_accepted_stands_in_the_file(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    allowing(monkeypatch, "fixed", Tolerance(1e-9, 1.0, 0.0))
    data, report = conversion.convert(model, "fixed", accept="  enough for a toy ")
    opened = artefact.from_bytes(data, "test")
    assert (
        opened.manifest["accepted"]
        == report.accepted
        == {
            "reason": "enough for a toy",
            "distance": report.distance,
            "agreement": report.agreement,
            "allowed": {"distance": 1e-9, "agreement": 1.0},
        }
    )
    assert report.size == len(data)
    assert verify(opened).equal == 1.0
    # all else is as if it had been allowed
    allowing(monkeypatch, "fixed", Tolerance(1.0, 0.0, 0.0))
    plain, other = conversion.convert(model, "fixed", accept="not needed")
    assert other.accepted is None and "accepted" not in artefact.from_bytes(plain, "test").manifest
    assert artefact.from_bytes(plain, "test").parts == opened.parts


@pytest.mark.parametrize("accept", ["", " \n", "x" * 70_000])
def test_a_reason_is_words(model: Model, accept: str) -> None:
    with pytest.raises(ConfigError, match="needs a reason in a few words"):
        conversion.convert(model, "fixed", accept=accept)


def test_nobody_accepts_nan(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "distance", lambda *_: float("nan"))
    with pytest.raises(ToleranceError, match="distance nan"):
        conversion.convert(model, "fixed", accept="whatever")


def test_remedies_are_those_of_target_and_model(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(made: Model, name: str, **options: object) -> str:
        allowing(monkeypatch, name, Tolerance(0.0, 1.1, 0.0))
        with pytest.raises(ToleranceError) as caught:
            conversion.convert(made, name, options)
        return str(caught.value).partition("nothing was written; ")[2]

    assert refused(model, "fixed") == (
        "choose a finer form (--quantize int16), or train it in this form (edgemem train kws "
        "--from MODEL --qat), or calibrate on more or louder clips (--calibrate), or accept it as "
        "it is (--accept REASON)"
    )
    assert "--quantize" not in refused(model, "fixed", quantize="int16")
    assert "--qat" not in refused(model, "spiking") and "--spiking-aware" in refused(
        model, "spiking"
    )
    assert refused(of_values(model), "fixed", quantize="int16") == (
        "accept it as it is (--accept REASON)"
    )


def test_a_finer_spiking_form_is_never_refused_where_a_coarser_passed(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = range(4, 41)
    allowing(monkeypatch, "spiking", Tolerance(np.inf, 0.0, 1e-3))
    found = [
        conversion.convert(model, "spiking", {"steps_per_frame": k})[1].distance for k in every
    ]
    drops = np.diff(found)
    assert (drops > 0).any()  # more steps are not always nearer
    worse = int(np.flatnonzero(drops > 0)[0])
    allowing(monkeypatch, "spiking", Tolerance(np.nextafter(found[worse], 1e9), 0.0, 1e-3))

    def passes(k: int) -> bool:
        try:
            conversion.convert(model, "spiking", {"steps_per_frame": k})
        except ToleranceError:
            return False
        return True

    passed = [passes(k) for k in every]
    assert passed == sorted(passed) and passed[worse] and passed[worse + 1]
    assert not all(passed)


def silent(model: Model, name: str) -> Model:
    """A network in which some value never leaves zero."""
    cell = Stack((LMU(N_IN, 12, 6, 12.0, 2, activation="relu"), Dense(12, N_OUT)))
    params = {**cell.init(np.random.default_rng(1)), **cell.constants}
    if name == "a ReLU":
        params["0.lmu.b"] = np.full(12, -100.0)
        params["1.dense.b"] = np.array([0.5, -1.0, 0.25])
    elif name == "a memory":
        params["0.lmu.e_x"] = np.zeros((2, N_IN))
        params["0.lmu.b"] = np.linspace(0.0, 1.0, 12)
    else:
        cell = Stack((Dense(N_IN, 4), GRU(4, 5), Dense(5, N_OUT)))
        params = {n: np.zeros(shape) for n, shape in cell.params.items()}
        params["2.dense.W"] = np.ones((N_OUT, 5))
    labels = np.zeros(0, np.int64)
    return replace(
        model, cell=cell, params=params, validation=Sample(model.validation.features, labels)
    )


@pytest.mark.parametrize("what", ["a ReLU", "a memory", "all"])
@pytest.mark.parametrize("name", sorted(target.available()))
def test_what_never_leaves_zero_has_a_range(model: Model, name: str, what: str) -> None:
    chosen, made = target.get(name), silent(model, what)
    if {node.op for node in made.graph().nodes} - chosen.ops:
        with pytest.raises(UnsupportedOpError, match="cannot lower"):
            conversion.convert(made, name)
        return
    data, report = conversion.convert(made, name)
    assert report.distance < 0.02
    exact, _ = made.graph().scan(made.validation.features.astype(np.float64))
    opened = artefact.from_bytes(data, "test")
    y, _ = replay(target.load(opened), made.validation.features[:2])
    np.testing.assert_allclose(y, exact[:2], atol=0.02)
    assert verify(opened, reference_kernels=chosen.integer).equal == 1.0


def test_refuses_nan(model: Model) -> None:
    params = {name: np.full_like(array, np.nan) for name, array in model.params.items()}
    for name in ("tflite", "reference"):
        with pytest.raises(ModelError, match="holds NaN"):
            conversion.convert(replace(model, params=params), name)


def test_unknown_target_and_option(model: Model) -> None:
    with pytest.raises(UnknownTargetError, match="abacus"):
        conversion.convert(model, "abacus")
    with pytest.raises(ConfigError, match="no option 'bits'; known: quantize"):
        conversion.convert(model, "tflite", {"bits": 3})
    with pytest.raises(ConfigError, match="known: int16, int8, none"):
        conversion.convert(model, "tflite", {"quantize": "int4"})


def test_unknown_op(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(target.get("tflite")), "ops", frozenset({"add"}))
    with pytest.raises(UnsupportedOpError, match=r"cannot lower matvec.*knows: add"):
        conversion.convert(model, "tflite")


def test_a_missing_package_names_the_extra(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("edgemem_tflite.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[convert\]"):
        conversion.convert(model, "tflite")


def test_save_keeps_what_is_there(tmp_path: Path) -> None:
    conversion.save(b"first", tmp_path / "f")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        conversion.save(b"second", tmp_path / "file" / "f")
    assert (tmp_path / "f").read_bytes() == b"first"


def test_verify_notices_other_numbers(model: Model) -> None:
    opened = artefact.from_bytes(conversion.convert(model, "reference")[0], "test")
    golden = replace(opened.golden, y=opened.golden.y * 1.01)
    made = artefact.build(
        opened.payload, {**opened.manifest}, opened.labels, golden, _own_parts(opened)
    )
    with pytest.raises(ToleranceError, match=r"distance of 0\.0099, allowed is 1e-05"):
        verify(made)


def _own_parts(opened: artefact.Artefact) -> dict[str, bytes]:
    return {name: data for name, data in opened.parts.items() if name not in artefact.COMMON_PARTS}


def test_distance_by_hand() -> None:
    assert distance(np.array([3.0, 5.0]), np.array([3.0, 4.0])) == pytest.approx(1 / 5)
    assert distance(np.array([np.nan]), np.array([1.0])) != distance(np.ones(1), np.ones(1))
