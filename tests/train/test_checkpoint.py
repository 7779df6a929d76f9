"""What a run remembers, and what it will not go on from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.errors import TrainingError
from edgemem.files import npz_bytes
from edgemem.train.checkpoint import Checkpoint, check_arrays
from edgemem.train.progress import write_history

RUN = {"seed": 1, "data": "set", "recipe": {"epochs": 3, "snr": (0.0, 25.0)}}
STATE = Checkpoint(
    run=RUN,
    variables={"0": np.arange(3, dtype=np.float32), "1": np.array(7, np.int64)},
    best={"0.norm.gain": np.array([1.5, 2.5])},
    history=(
        {"epoch": 1, "loss": 0.5, "validation_nrmse": float("inf"), "seconds": 1.0},
        {"epoch": 2, "loss": 0.1 + 0.2, "validation_nrmse": 0.25, "seconds": 1.5},
    ),
)


def test_it_comes_back_as_it_was(tmp_path):
    STATE.save(tmp_path / "c")
    back = Checkpoint.load(tmp_path / "c", RUN)
    assert back.epochs == 2
    assert back.history == STATE.history
    for part in ("variables", "best"):
        ours, theirs = getattr(back, part), getattr(STATE, part)
        assert set(ours) == set(theirs)
        for name, array in theirs.items():
            np.testing.assert_array_equal(ours[name], array)
            assert ours[name].dtype == array.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_none_to_resume(tmp_path):
    with pytest.raises(TrainingError, match="no checkpoint to resume; leave out --resume"):
        Checkpoint.load(tmp_path / "c", RUN)


@pytest.mark.parametrize(
    "other,message",
    [
        ({**RUN, "seed": 2}, "belongs to another run: seed was 1, now 2; repeat the options"),
        ({**RUN, "recipe": {"epochs": 4, "snr": (0.0, 25.0)}}, r"recipe\.epochs was 3, now 4"),
        ({"seed": 1}, "data was set, now None"),
        ({**RUN, "extra": 1}, "extra was None, now 1"),
    ],
    ids=str,
)
def test_of_another_run(other, message, tmp_path):
    STATE.save(tmp_path / "c")
    with pytest.raises(TrainingError, match=message):
        Checkpoint.load(tmp_path / "c", other)


@pytest.mark.parametrize("data", [b"", b"PK", b"foreign" * 9])
def test_foreign_files(data, tmp_path):
    (tmp_path / "c").write_bytes(data)
    with pytest.raises(TrainingError, match="is no checkpoint, or damaged"):
        Checkpoint.load(tmp_path / "c", RUN)
    np.savez(tmp_path / "d.npz", a=np.zeros(3))
    with pytest.raises(TrainingError, match="is no checkpoint, or damaged"):
        Checkpoint.load(tmp_path / "d.npz", RUN)


@settings(max_examples=150)
@given(draw=st.data())
def test_damage_is_one_clear_error_or_does_no_harm(draw, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged"
    STATE.save(path)
    data = bytearray(path.read_bytes())
    data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    path.write_bytes(data[: draw.draw(st.integers(1, len(data)))])
    try:
        back = Checkpoint.load(path, RUN)
    except TrainingError as error:
        assert str(path) in str(error)
    else:
        assert back.history == STATE.history


def test_the_table_of_the_history_keeps_its_columns_after_a_resume(tmp_path):
    STATE.save(tmp_path / "c")
    back = Checkpoint.load(tmp_path / "c", RUN)
    write_history(tmp_path / "h.csv", (*back.history, STATE.history[0]))
    head = (tmp_path / "h.csv").read_text().partition("\n")[0]
    assert head == "epoch,loss,validation_nrmse,seconds"


@pytest.mark.parametrize(
    "plan",
    [
        {"run": [], "history": []},
        {"run": RUN, "history": {}},
        {"run": RUN, "history": [{"epoch": 1, "loss": "x", "seconds": 1.0}]},
        {"run": RUN, "history": [{"epoch": [1], "loss": 0.5, "seconds": 1.0}]},
        {"run": RUN, "history": [{"epoch": 1, "seconds": 1.0}]},
        {"history": []},
        [],
    ],
    ids=str,
)
def test_a_plan_of_another_kind(plan, tmp_path):
    text = np.frombuffer(json.dumps(plan).encode(), np.uint8)
    (tmp_path / "c").write_bytes(npz_bytes({"plan": text}))
    with pytest.raises(TrainingError, match="is no checkpoint, or damaged"):
        Checkpoint.load(tmp_path / "c", RUN)


def test_arrays_of_another_network():
    check_arrays(STATE.best, {"0.norm.gain": (2,)})
    for shapes in ({"0.norm.gain": (3,)}, {"0.norm.gain": (2,), "1.W": (2, 2)}):
        with pytest.raises(TrainingError, match="arrays of another network"):
            check_arrays(STATE.best, shapes)
