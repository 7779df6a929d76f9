"""The training run: it learns, keeps the best arrays, and stops where it makes no sense."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.errors import DataError, TrainingError
from edgemem.frameworks import nengo_dl
from edgemem.ir import trace
from edgemem.model import load, save
from edgemem.train import kws, trainer
from edgemem.train.augment import Augmentation
from edgemem.train.batches import Batches
from edgemem.train.checkpoint import Checkpoint
from edgemem.train.keywords import fit, score
from edgemem.train.loss import window_entropy
from edgemem.train.recipes import Recipe
from edgemem.train.schedules import WarmCosine

pytestmark = pytest.mark.training

WORDS = (SILENCE, UNKNOWN, "yes", "no")
RECIPE = Recipe(
    "lmu",
    (
        {"n_units": 8, "order": 3, "theta": 6.0, "memory_d": 4},
        {"n_units": 8, "order": 3, "theta": 6.0},
    ),
    norm="relu",
    window=0.06,
    epochs=4,
    batch=8,
    learning_rate=0.02,
    augmentation=Augmentation(
        shift=0.01, noise=0.4, snr=(5.0, 25.0), floor=0.0, band_masks=1, band_mask=1, time_mask=2
    ),
)


@pytest.fixture(scope="module")
def run(made_set, tmp_path_factory):
    """One run to its end: data, result, checkpoint, and how often fit was traced by then."""
    traced = []

    class Counting(nengo_dl.Simulator):
        def fit(self, *args, **kwargs):
            history = super().fit(*args, **kwargs)
            traced.append(self.keras_model.train_tf_function.experimental_get_tracing_count())
            return history

    data = made_set(WORDS, (0, 400, 200, 200), 12, background=20, seed=1)
    checkpoint = tmp_path_factory.mktemp("run") / "new" / "checkpoint"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer.nengo_dl, "Simulator", Counting)
        result = fit(data, RECIPE, 3, checkpoint, quiet=True, run={"data": "made"})
    return SimpleNamespace(data=data, result=result, checkpoint=checkpoint, traced=traced)


def test_the_loss_falls_and_validation_clips_are_told_apart(run):
    history = run.result.history
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert run.result.best["validation_accuracy"] > 0.6  # by chance 0.25
    assert all(row["seconds"] > 0 for row in history)


def test_the_arrays_are_those_of_the_best_epoch(run):
    batches = Batches(run.data, RECIPE, 3)
    clips = run.data.validation
    x = batches.frontend.stack_frames(clips.features).astype(np.float64)
    graph = trace(run.result.cell, run.result.params)
    logits = graph.scan(x)[0][:, -batches.window :].mean(axis=1)
    accuracy = (logits.argmax(axis=1) == clips.labels).mean()
    best = max(row["validation_accuracy"] for row in run.result.history)
    assert run.result.best["validation_accuracy"] == best
    assert accuracy == pytest.approx(best, abs=0.021)  # one clip of 48 may lie on the border


def test_no_epoch_but_the_first_is_traced(run):
    assert len(run.traced) == 4
    assert len(set(run.traced)) == 1


def test_the_checkpoint_holds_the_whole_run(run):
    identity = {"data": "made", "recipe": RECIPE.to_dict(), "seed": 3}
    state = Checkpoint.load(run.checkpoint, identity)
    assert state.epochs == 4
    assert list(state.history) == list(run.result.history)
    assert set(state.best) == set(run.result.cell.params)
    for name, array in state.best.items():
        np.testing.assert_array_equal(run.result.params[name], array)


def test_a_run_that_is_over_is_taken_up_without_anything_built(run, monkeypatch):
    monkeypatch.setattr(trainer, "fused_network", None)
    again = fit(run.data, RECIPE, 3, run.checkpoint, resume=True, run={"data": "made"})
    assert list(again.history) == list(run.result.history)
    for name, array in run.result.params.items():
        np.testing.assert_array_equal(again.params[name], array)


def test_a_checkpoint_of_another_run_is_refused_before_anything_is_built(run, monkeypatch):
    monkeypatch.setattr(trainer, "fused_network", None)
    with pytest.raises(TrainingError, match="seed was 3, now 4"):
        fit(run.data, RECIPE, 4, run.checkpoint, resume=True, run={"data": "made"})
    with pytest.raises(TrainingError, match=r"recipe\.batch was 8, now 16"):
        other = replace(RECIPE, batch=16)
        fit(run.data, other, 3, run.checkpoint, resume=True, run={"data": "made"})


def test_variables_of_another_version_are_refused():
    session = trainer._Session(None, None, None)
    session.variables = lambda: [np.zeros(3), np.zeros(())]
    for arrays in ({"0": np.zeros(3)}, {"0": np.zeros(3), "1": np.zeros(2)}):
        with pytest.raises(TrainingError, match="by another version of edgemem or TensorFlow"):
            session.restore(Checkpoint({}, arrays, {}, ()))


def test_the_model_of_a_run_comes_back_from_its_file(run, tmp_path):
    model = kws.make_model("made", run.data, RECIPE, 3, run.result, {"data": "made"})
    save(model, tmp_path / "made.model")
    back = load(tmp_path / "made.model")
    assert back.labels == WORDS
    assert back.card["data"] == "made"
    assert back.card["best_epoch"] == run.result.best["epoch"]
    assert back.card["validation_accuracy"] == run.result.best["validation_accuracy"]
    assert back.detector.ignore == (SILENCE, UNKNOWN)
    assert back.detector.window == 3
    for name, array in run.result.params.items():
        np.testing.assert_allclose(back.params[name], array, rtol=1e-6)


@pytest.mark.parametrize("adjustment", [0.0, 1.0])
def test_the_loss_is_the_cross_entropy_of_the_window(adjustment, made_set):
    data = made_set(("a", "b", "c"), (30, 10, 20), seed=1)
    recipe = replace(RECIPE, smoothing=0.1, adjustment=adjustment)
    batches = Batches(data, recipe, 0)
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(7, 6, 3)), rng.integers(0, 3, 7)
    found = window_entropy(batches)(labels.reshape(7, 1, 1), logits.reshape(7, 1, 18))
    # labels come 30, 10 and 20 times: the mean is 20
    mean = logits[:, -3:].mean(axis=1) + adjustment * np.log(np.array([30, 10, 20]) / 20)
    wanted = 0.9 * np.eye(3)[labels] + 0.1 / 3
    log_softmax = mean - np.log(np.exp(mean).sum(axis=1, keepdims=True))
    assert float(found) == pytest.approx(
        float(-(wanted * log_softmax).sum(axis=1).mean()), rel=1e-5
    )


def test_validation_clips_are_needed(run, tmp_path):
    data = replace(run.data, validation=run.data.test)
    with pytest.raises(DataError, match="no validation clips, by which the best epoch is chosen"):
        fit(data, RECIPE, 0, tmp_path / "c")


def test_features_that_are_no_numbers_end_the_run_with_a_sentence(made_set, tmp_path):
    data = made_set(train=8)
    data.train.features[3, 5, 2] = np.nan
    # not even stretching, which may leave out a frame
    recipe = Recipe(
        "dense", ({"n_out": 2},), batch=8, epochs=2, augmentation=Augmentation(0.0, 0.0)
    )
    message = r"the loss became nan in epoch 1; start again with a lower --learning-rate, or look"
    with pytest.raises(TrainingError, match=message):
        fit(data, recipe, 0, tmp_path / "c", quiet=True)
    assert not list(tmp_path.iterdir())


def test_the_schedule_rises_in_a_line_and_falls_in_half_a_cosine():
    rate = WarmCosine(2.0, 4, 12)
    found = [float(rate(step)) for step in (0, 1, 3, 4, 6, 8, 12, 20)]
    quarter = 1.0 + math.cos(math.pi / 4)
    np.testing.assert_allclose(found, [0.5, 1.0, 2.0, 2.0, quarter, 1.0, 0.0, 0.0], atol=1e-6)
    assert WarmCosine(**rate.get_config()).get_config() == rate.get_config()


@pytest.mark.parametrize("total", [1, 3])
def test_a_schedule_that_is_all_warm_up_or_none_stays_within_its_peak(total):
    for warmup in (0, 1, total):
        rates = [float(WarmCosine(2.0, warmup, total)(step)) for step in range(total)]
        assert all(0.0 < rate <= 2.0 for rate in rates)


def test_among_equals_the_epoch_with_the_least_validation_loss_is_best():
    def row(accuracy, loss, validation_loss=None):
        more = {} if validation_loss is None else {"validation_loss": validation_loss}
        return {"validation_accuracy": accuracy, "loss": loss, **more}

    by_validation = [row(0.5, 0.1, 0.2), row(1.0, 0.3, 0.9), row(1.0, 0.4, 0.5), row(1.0, 0.2, 0.5)]
    assert trainer.best_by(by_validation, score) is by_validation[2]
    by_training = [row(1.0, 0.3), row(1.0, 0.2), row(0.9, 0.1)]
    assert trainer.best_by(by_training, score) is by_training[1]


def test_the_validation_loss_is_the_cross_entropy_of_the_kept_network(run):
    batches = Batches(run.data, RECIPE, 3)
    clips = run.data.validation
    x = batches.frontend.stack_frames(clips.features).astype(np.float64)
    logits = trace(run.result.cell, run.result.params).scan(x)[0][:, -batches.window :].mean(axis=1)
    likelihood = logits[np.arange(len(x)), clips.labels] - np.log(np.exp(logits).sum(axis=1))
    assert run.result.best["validation_loss"] == pytest.approx(-likelihood.mean(), rel=1e-3)


def test_equal_trainings_make_equal_files(run, tmp_path, monkeypatch):
    def made(result):
        model = kws.make_model("net", run.data, RECIPE, 3, result, {})
        save(model, tmp_path / "net.model")
        return (tmp_path / "net.model").read_bytes()

    slower = tuple({**row, "seconds": 7.0 * row["seconds"]} for row in run.result.history)
    assert made(run.result) == made(replace(run.result, history=slower))
