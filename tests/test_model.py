"""The file of a model: what goes in comes out, and nothing else is let in."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.cells import LMU, Dense, Norm, Stack
from edgemem.errors import ModelError, OutputError
from edgemem.files import zip_bytes
from edgemem.frontend import FrontEnd
from edgemem.model import FORMAT, PLAN, Model, Sample, load, save, to_bytes
from edgemem.runtime.rule import DetectorConfig


def made(seed: int = 0, **changes: Any) -> Model:
    """A small network over drawn features, its arrays in double precision."""
    rng = np.random.default_rng(seed)
    stack = Stack((Norm(8), LMU(8, 4, 3, 5.0), Dense(4, 3)))
    params = {name: rng.normal(size=shape) for name, shape in stack.params.items()}
    fields: dict[str, Any] = {
        "name": "small",
        "frontend": FrontEnd(n_mels=4, stack=2, low=0.0, high=255.0),
        "cell": stack,
        "params": {**params, **stack.constants},
        "labels": ("_silence_", "yes", "no"),
        "protocol": "folders",
        "detector": DetectorConfig(window=3, ignore=("_silence_",)),
        "calibration": Sample(
            rng.uniform(0, 255, (2, 9, 8)).astype(np.float32), np.zeros(0, np.int64)
        ),
        "validation": Sample(
            rng.uniform(0, 255, (5, 6, 8)).astype(np.float32), rng.integers(0, 3, 5)
        ),
        "card": {"seed": seed, "data": "drawn"},
    }
    return Model(**{**fields, **changes})


@pytest.fixture(scope="module")
def data() -> bytes:
    return to_bytes(made())


def rewritten(data: bytes, plan: dict[str, Any] | None = None, **entries: bytes) -> bytes:
    """The file with other values in its plan and other entries."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    if plan is not None:
        found[PLAN] = json.dumps({**json.loads(found[PLAN]), **plan}).encode()
    return zip_bytes({**found, **entries}, compress=True)


def read(data: bytes, tmp_path: Path) -> Model:
    (tmp_path / "a.model").write_bytes(data)
    return load(tmp_path / "a.model")


def test_a_model_comes_back(tmp_path: Path) -> None:
    model = made()
    save(model, tmp_path / "a.model")
    back = load(tmp_path / "a.model")
    for name in ("name", "frontend", "cell", "labels", "protocol", "detector", "card", "digest"):
        assert getattr(back, name) == getattr(model, name), name
    assert set(back.params) == set(model.params)
    for name, array in model.params.items():
        # trained arrays are kept in single precision, constants as they are
        tolerance = 1e-7 if name in model.cell.params else 0.0
        np.testing.assert_allclose(back.params[name], array, rtol=tolerance)
    for name in ("calibration", "validation"):
        before, after = getattr(model, name), getattr(back, name)
        np.testing.assert_allclose(after.features, before.features, atol=0.5 + 1e-4)
        np.testing.assert_array_equal(after.labels, before.labels)
        np.testing.assert_allclose(after.features, before.rounded(0.0, 255.0).features, atol=1e-4)
    assert back.n_params == 8 + 8 + (8 + 4 * 3 + 4) + (3 * 4 + 3)


def test_equal_models_give_equal_bytes_whenever_they_are_written(data: bytes) -> None:
    assert to_bytes(made()) == data
    assert to_bytes(made(1)) != data


def test_a_model_that_came_back_gives_the_bytes_it_came_from(data: bytes, tmp_path: Path) -> None:
    assert to_bytes(read(data, tmp_path)) == data


@pytest.mark.parametrize("low,high", [(None, None), (-90.0, None), (None, 20.0)])
def test_features_without_limits_are_stored_in_the_range_they_have(
    low: float | None, high: float | None, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(-80, 10, (3, 6, 8)).astype(np.float32)
    model = made(
        frontend=FrontEnd(n_mels=4, stack=2, low=low, high=high),
        calibration=Sample(features, np.zeros(0, np.int64)),
        validation=Sample(features[:0], np.zeros(0, np.int64)),
    )
    back = read(to_bytes(model), tmp_path)
    assert back.validation.features.shape == (0, 6, 8)
    np.testing.assert_allclose(back.calibration.features, features, atol=110 / 255 / 2 + 1e-4)


def test_the_digest_follows_network_arrays_front_end_and_labels_alone() -> None:
    model = made()
    params = {name: array.copy() for name, array in model.params.items()}
    params["2.dense.W"][0, 0] += 1e-3
    others = [
        replace(model, params=params),
        replace(model, labels=("_silence_", "no", "yes")),
        replace(model, frontend=replace(model.frontend, gain=2.0)),
        replace(model, cell=Stack((Norm(8, "relu"), *model.cell.cells[1:]))),  # type: ignore[attr-defined]
    ]
    assert len({model.digest, *(other.digest for other in others)}) == 5
    same = replace(model, name="other", card={}, detector=DetectorConfig())
    assert same.digest == model.digest


def test_sizes_that_do_not_meet_are_refused() -> None:
    with pytest.raises(ModelError, match="gives 12 features, the network takes 8"):
        made(frontend=FrontEnd(n_mels=4, stack=3))
    with pytest.raises(ModelError, match="2 labels for 3 outputs"):
        made(labels=("yes", "no"))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.model: no such file"):
        load(tmp_path / "a.model")
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        save(made(), tmp_path / "file" / "a.model")


def test_foreign_files(tmp_path: Path) -> None:
    for foreign in (b"", b"TFL3" * 100, zip_bytes({"a.txt": b""}, compress=False)):
        with pytest.raises(ModelError, match="is no edgemem model"):
            read(foreign, tmp_path)
    converted = zip_bytes({"manifest.json": b"{}"}, compress=False, prefix=b"TFL3")
    with pytest.raises(ModelError, match="it is a converted network"):
        read(converted, tmp_path)


def test_a_newer_format_asks_for_a_newer_edgemem(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"reads up to {FORMAT}; upgrade edgemem"):
        read(rewritten(data, {"format": FORMAT + 1}), tmp_path)


@pytest.mark.parametrize("plan", [b"[]", b"{}", b'{"format": "1"}', b"\xff", b"{", b"null"])
def test_a_plan_that_is_none(plan: bytes, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no edgemem model"):
        read(rewritten(data, **{PLAN: plan}), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": {"cell": "transformer"}},
        {"cell": {"cell": "dense", "n_in": 8}},
        {"cell": 3},
        {"labels": 3},
        {"labels": ["yes"]},
        {"frontend": {"n_mels": 0}},
        {"frontend": {"colour": 1}},
        {"frontend": None},
        {"detector": {"colour": 1}},
        {"detector": []},
        {"feature_range": [0]},
        {"feature_range": ["a", "b"]},
    ],
    ids=str,
)
def test_values_that_cannot_work(changes: dict[str, Any], data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.model|model 'small'"):
        read(rewritten(data, changes), tmp_path)


def test_arrays_or_labels_that_were_altered(data: bytes, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3, np.float32))
    for altered in (
        rewritten(data, **{"params/2.dense.b.npy": buffer.getvalue()}),
        rewritten(data, {"labels": ["_silence_", "no", "yes"]}),
        rewritten(data, {"digest": "0" * 64}),
    ):
        with pytest.raises(ModelError, match="do not match the digest; copy the file again"):
            read(altered, tmp_path)


class Trap:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_pickle_inside_is_refused_and_not_run(data: bytes, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap(tmp_path / "sprung")], object), allow_pickle=True)
    for evil in (buffer.getvalue(), pickle.dumps(Trap(tmp_path / "sprung"))):
        with pytest.raises(ModelError, match="is no edgemem model, or damaged"):
            read(rewritten(data, **{"params/2.dense.b.npy": evil}), tmp_path)
    assert not (tmp_path / "sprung").exists()


def loads_whole_or_not(path: Path) -> None:
    """A :class:`ModelError` that names the file, or the network as it was saved."""
    try:
        back = load(path)
    except ModelError as error:
        assert str(path) in str(error)
    else:
        assert back.digest == made().digest


@settings(max_examples=150)
@given(draw=st.data())
def test_damage_to_the_file(
    draw: st.DataObject, data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.model"
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    path.write_bytes(damaged[: draw.draw(st.integers(1, len(data)))])
    loads_whole_or_not(path)


@settings(max_examples=150)
@given(place=st.integers(0, 175), value=st.integers(0, 255))
def test_damage_that_no_checksum_sees(
    place: int, value: int, data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = "params/2.dense.W.npy"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        array = bytearray(archive.read(name))
    array[place] = value
    path = tmp_path_factory.getbasetemp() / "damaged.model"
    path.write_bytes(rewritten(data, **{name: bytes(array)}))
    loads_whole_or_not(path)
