"""Golden vectors replayed: what is said of the agreement, and when it is refused."""

from __future__ import annotations

import platform
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from edgemem import artefact, conversion, target
from edgemem.artefact import Artefact, Golden
from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.errors import ToleranceError
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample
from edgemem.runtime.rule import DetectorConfig
from edgemem.verification import equal_steps, last_places, verify

pytestmark = pytest.mark.slow

N_IN = 5

CELLS: dict[str, Cell] = {
    "lmu": Stack((LMU(N_IN, 12, 6, 12.0, 2, activation="relu"), Dense(12, 3))),
    "lmu-stack": Stack(
        (
            Norm(N_IN),
            LMU(N_IN, 12, 6, 9.0, 4, input_to_hidden=True, activation="linear"),
            Norm(12, "relu"),
            LMU(12, 12, 6, 18.0, 4, input_to_hidden=True, activation="linear"),
            Norm(12, "relu"),
            Dense(12, 3),
        )
    ),
    "lem": Stack((Norm(N_IN), LEM(N_IN, 16), Dense(16, 3))),
    "gates": Stack((LSTM(N_IN, 10), GRU(10, 8), Dense(8, 3))),
}


@cache
def converted(cell: str, target_name: str, **options: str) -> Artefact:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 30, N_IN)).astype(np.float32)
    sample = Sample(features, np.zeros(0, np.int64))
    made = CELLS[cell]
    model = Model(
        name="small",
        frontend=FrontEnd(n_mels=N_IN),
        cell=made,
        params={**made.init(rng), **made.constants},
        labels=("a", "b", "c"),
        protocol="folders",
        detector=DetectorConfig(window=5, ignore=()),
        calibration=sample,
        validation=Sample(np.zeros((0, 1, N_IN), np.float32), np.zeros(0, np.int64)),
    )
    return artefact.from_bytes(conversion.convert(model, target_name, options)[0], "test")


def with_golden(opened: Artefact, y: np.ndarray) -> Artefact:
    """The same file with other golden outputs."""
    own = {n: data for n, data in opened.parts.items() if n not in artefact.COMMON_PARTS}
    golden = Golden(opened.golden.x, y)
    return artefact.build(opened.payload, opened.manifest, opened.labels, golden, own)


INTEGER_TARGETS = sorted(name for name in target.available() if target.get(name).integer)


@pytest.mark.parametrize("name", INTEGER_TARGETS)
@pytest.mark.parametrize("activations", ["int8", "int16"])
@pytest.mark.parametrize("cell", CELLS)
def test_reference_kernels_of_an_integer_target_agree_in_every_bit(
    name: str, activations: str, cell: str
) -> None:
    opened = converted(cell, name, quantize=activations)
    assert opened.golden.y.std() > 0
    found = verify(opened, reference_kernels=True)
    assert (found.equal, found.decisions, found.distance) == (1.0, 1.0, 0.0)
    assert found.last_places == 0.0


@pytest.mark.parametrize("activations", ["int8", "int16"])
def test_every_integer_target_has_the_same_golden_outputs(activations: str) -> None:
    made = [converted("lmu-stack", name, quantize=activations) for name in INTEGER_TARGETS]
    for opened in made[1:]:
        np.testing.assert_array_equal(opened.golden.y, made[0].golden.y)


def test_one_last_place_in_one_step_is_said_and_refused_where_integers_must_agree() -> None:
    fixed, tflite = converted("lmu", "fixed"), converted("lmu", "tflite")
    scale = target.load(fixed).output_scale  # type: ignore[attr-defined]
    y = fixed.golden.y.copy()
    y[1, 7, 2] += scale
    with pytest.raises(ToleranceError, match="the golden vectors come back"):
        verify(with_golden(fixed, y))
    steps = y.shape[0] * y.shape[1]
    share = f"{(steps - 1) / steps:.2%}"
    with pytest.raises(ToleranceError, match=rf"only {share} of the steps.*reference kernels"):
        verify(with_golden(tflite, y), reference_kernels=True)
    # fast kernels may differ by that much
    found = verify(with_golden(tflite, y))
    assert 0 < found.distance < found.allowed and found.equal < 1.0
    assert found.last_places is not None and found.last_places >= 1.0


def test_it_names_what_computed_and_where() -> None:
    opened = converted("lem", "tflite")
    found = verify(opened)
    assert found.processor == platform.machine()
    package, version = found.engine.partition(",")[0].split(" ")
    assert package in ("tflite-runtime", "ai-edge-litert", "tensorflow") and version[0].isdigit()
    assert "reference kernels" in verify(opened, reference_kernels=True).engine
    assert verify(converted("lem", "reference")).engine == f"numpy {np.__version__}, float64"
    assert verify(converted("lem", "fixed")).engine == f"numpy {np.__version__}, integers"
    assert set(found.to_dict()) >= {"engine", "processor", "equal", "decisions", "last_places"}


def test_floats_have_no_last_place_and_need_not_be_equal() -> None:
    opened = converted("lmu", "tflite", quantize="none")
    assert "golden" not in opened.manifest
    nearly = with_golden(opened, opened.golden.y * np.float32(1 + 1e-5))
    found = verify(nearly, reference_kernels=True)
    assert found.last_places is None and found.equal < 1.0


def test_nan_is_refused() -> None:
    opened = converted("lmu", "reference")
    with pytest.raises(ToleranceError, match="distance of nan"):
        verify(with_golden(opened, np.full_like(opened.golden.y, np.nan)))


def test_shares_and_places_by_hand() -> None:
    expected = np.array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]], np.float32)
    y = expected.copy()
    y[0, 1, 1] += 0.75
    assert equal_steps(y, expected, None).tolist() == [[True, False], [True, True]]
    assert last_places(y, expected, 0.25) == 3.0
    assert last_places(expected[:0], expected[:0], 0.25) == 0.0
    # one integer, two floats
    nearly = np.nextafter(expected, np.float32(np.inf))
    assert not equal_steps(nearly, expected, None).any()
    assert equal_steps(nearly, expected, 0.25).all()
    assert not equal_steps(y, expected, 0.25)[0, 1]


def test_decisions_are_counted_step_by_step() -> None:
    opened = converted("lmu", "tflite", quantize="none")
    y = opened.golden.y
    # in one step the two greatest outputs change places, by next to nothing
    flat = y.reshape(-1, 3).copy()
    gap = np.diff(np.sort(flat, axis=1)[:, -2:], axis=1)[:, 0]
    step = int(np.argmin(gap))
    order = np.argsort(flat[step])
    flat[step, order[-2:]] = flat[step, order[:-3:-1]]
    manifest = {**opened.manifest, "tolerance": {"replay": 1.0}}
    changed = replace(with_golden(opened, flat.reshape(y.shape)), manifest=manifest)
    assert verify(changed).decisions == pytest.approx(1 - 1 / len(flat))
