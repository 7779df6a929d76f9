from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

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
    assert report.distance < 0.05 and report.agreement >= 0.95


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
    with pytest.raises(MissingExtraError, match=r"edgemem\[convert\]"):
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
