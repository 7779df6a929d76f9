"""A whole run: what it writes, how it goes on, and what it refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemem.errors import ConfigError, DataError, TrainingError, UnknownNameError
from edgemem.model import load
from edgemem.train.checkpoint import check_out
from edgemem.train.tasks import lesson as lessons
from edgemem.train.tasks.base import Goal, Sequences
from edgemem.train.tasks.lesson import counted_loss, inputs
from edgemem.train.tasks.run import Request, run_task

pytestmark = pytest.mark.training

LMU = Request("made", "lmu", seed=3)


class StopError(Exception):
    pass


def stop_after(epochs: int):
    def watch(row: dict[str, float]) -> None:
        if row["epoch"] >= epochs:
            raise StopError

    return watch


def test_a_run_learns_and_its_model_says_what_it_came_to(made_task, tmp_path):
    rows: list[dict[str, float]] = []
    out = tmp_path / "made.model"
    found = run_task(LMU, out, watch=rows.append, test=True)
    assert found["validation"] == max(row["validation_accuracy"] for row in rows) > 0.7
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    made = load(out)
    assert made.labels == ("less", "more")
    assert made.card["test"] == found["test"]
    assert made.frontend.kind == "values"
    # the test split, by the model in the file and the equations
    test = made_task.load(made_task.Options(), None, 3).test
    logits = made.graph().scan(test.x.astype(np.float64))[0][:, -1]
    assert (logits.argmax(axis=1) == test.y).mean() == pytest.approx(found["test"], abs=0.016)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "made.model",
        "made.model.curve.png",
        "made.model.history.csv",
        "made.model.task.png",
    ]
    with (tmp_path / "made.model.history.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3
    json.dumps(found)


def test_a_run_that_was_cut_goes_on_to_the_same_arrays(made_task, tmp_path):
    whole, cut = tmp_path / "whole.model", tmp_path / "cut.model"
    run_task(LMU, whole)
    with pytest.raises(StopError):
        run_task(LMU, cut, watch=stop_after(2))
    assert not cut.exists()
    with pytest.raises(ConfigError, match="unfinished run is there; go on with --resume"):
        check_out(cut, resume=False)
    with pytest.raises(TrainingError, match="seed was 3, now 4"):
        run_task(replace(LMU, seed=4), cut, resume=True)
    run_task(LMU, cut, resume=True)
    one, other = load(whole), load(cut)
    for name, array in one.params.items():
        np.testing.assert_allclose(other.params[name], array, rtol=2e-4, atol=2e-5)
    with pytest.raises(ConfigError, match="is there already"):
        check_out(cut, resume=True)


def test_no_epochs_measure_what_a_task_starts_from(made_task, tmp_path, monkeypatch):
    def start(stack, options, arrays):
        fixed = {name: np.zeros_like(array) for name, array in arrays.items()}
        return {**fixed, "1.dense.b": np.array([1.0, 0.0])}

    object.__setattr__(made_task, "start", start)
    try:
        found = run_task(LMU.with_param("epochs", 0), tmp_path / "x.model")
    finally:
        object.__setattr__(made_task, "start", None)
    wanted = made_task.load(made_task.Options(), None, 3).validation.y
    assert found["validation"] == (wanted == 0).mean()
    assert found["epochs"] == 0


def test_parameters_find_their_place(made_task):
    request = Request("made", "lmu")
    for name, value in (("theta", 9.0), ("learning_rate", 0.1), ("train", 64), ("form", "plain")):
        request = request.with_param(name, value)
    chosen = request.chosen()
    assert chosen.layers[0]["theta"] == 9.0
    assert chosen.layers[0]["hidden_to_hidden"]
    assert chosen.learning_rate == 0.1
    assert request.made_options().train == 64
    assert request.with_param("stack", 3).chosen().layers == chosen.layers * 3
    for wrong in ("two", -1, 1.5):
        with pytest.raises(ConfigError, match="stack must be a whole number, 0 or more"):
            request.with_param("stack", wrong)
    # theta is of LMUs: a network of another cell goes without
    assert request.with_param("cell", "lem").chosen().layers == ({"n_units": 6},)
    with pytest.raises(UnknownNameError, match="no parameter named 'speed'; known: activation"):
        request.with_param("speed", 1)


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (
            Request("made", "rnn"),
            UnknownNameError,
            "no recipe for made named 'rnn'; known: lem",
        ),
        (
            Request("made", overrides={"batch": 257}),
            DataError,
            "256 training sequences do not",
        ),
        (Request("made", options={"train": 4}), DataError, "4 training sequences do not"),
        (Request("made", options={"train": -1}), ConfigError, "--train must not be negative"),
        (Request("made", options={"test": 1}), UnknownNameError, "no option of made named 'test'"),
        (Request("made", layers={"order": 0}), ConfigError, "lmu.order: must be greater than 0"),
        (Request("made", data=Path("/nowhere")), DataError, "no such file or folder"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    request_, error, message, made_task, tmp_path
):
    with pytest.raises(error, match=message):
        run_task(request_, tmp_path / "x.model")
    assert not list(tmp_path.iterdir())


def test_what_comes_next_is_not_read_backwards(made_task, tmp_path):
    object.__setattr__(made_task, "forecasts", True)
    try:
        with pytest.raises(ConfigError, match="leave out --bidirectional"):
            run_task(LMU.with_param("bidirectional", True), tmp_path / "x.model")
    finally:
        object.__setattr__(made_task, "forecasts", False)


def test_outputs_that_are_no_numbers_end_the_run(made_task, tmp_path):
    with pytest.raises(TrainingError, match="start again with a lower --learning-rate"):
        run_task(LMU.with_param("learning_rate", 1e38), tmp_path / "x.model")


def test_the_loss_of_classes_is_the_cross_entropy_of_those_that_count():
    rng = np.random.default_rng(0)
    logits, classes = rng.normal(size=(4, 5, 3)), rng.integers(-1, 3, (4, 5))
    loss = counted_loss(Goal("steps", "classes", "bpc"), 3)
    found = float(loss(classes.reshape(4, 1, 5), logits.reshape(4, 1, 15).astype(np.float32)))
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    wanted = [-log_p[i, t, classes[i, t]] for i, t in zip(*np.nonzero(classes >= 0))]
    assert found == pytest.approx(np.mean(wanted), rel=1e-5)


def test_the_loss_of_values_is_the_mean_square_of_those_that_count():
    rng = np.random.default_rng(0)
    outputs, wanted = rng.normal(size=(4, 5, 2)), rng.normal(size=(4, 5, 2))
    wanted[1, 3:] = np.nan
    loss = counted_loss(Goal("steps", "values", "mse"), 2)
    found = float(loss(wanted.reshape(4, 1, -1), outputs.reshape(4, 1, -1).astype(np.float32)))
    assert found == pytest.approx(np.nanmean((outputs - wanted) ** 2), rel=1e-5)


def test_a_network_sees_where_a_sequence_ends():
    x = np.ones((2, 3, 1), np.float32)
    seen = inputs(Sequences(x, np.zeros(2), np.array([1, 3])))
    np.testing.assert_array_equal(seen[:, :, 0], [[1, np.nan, np.nan], [1, 1, 1]])
    assert lessons.inputs(Sequences(np.array([[3, 4]]), np.zeros(1))).shape == (1, 2, 1)


def test_a_checkpoint_of_another_stack_goes_on(made_task, tmp_path):
    """Written after one epoch with TensorFlow 2.12.1, Nengo 3.2.0 and NumPy 1.23.5."""
    out = tmp_path / "made.model"
    kept = Path(__file__).parent / "data/made-tensorflow-2.12.checkpoint"
    out.with_name("made.model.checkpoint").write_bytes(kept.read_bytes())
    rows: list[dict[str, float]] = []
    run_task(LMU, out, resume=True, watch=rows.append)
    with out.with_name("made.model.history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    # what the whole run came to there
    losses = [0.6696544289588928, 0.5593914985656738, 0.43203380703926086]
    np.testing.assert_allclose([float(row["loss"]) for row in history], losses, rtol=1e-4)
    accuracies = [0.6875, 0.796875, 0.890625]
    assert [float(row["validation_accuracy"]) for row in history] == accuracies
