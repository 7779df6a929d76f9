"""A trained network goes on in floats: from what it was, resumable, of its own kind alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import LEM, LMU, Dense, Norm, Stack
from edgemem.errors import ConfigError, TrainingError
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.quantize import Scheme
from edgemem.train import trainer
from edgemem.train.augment import Augmentation
from edgemem.train.checkpoint import checkpoints
from edgemem.train.further import EPSILON, Further, unfold
from edgemem.train.fused import FusedStack
from edgemem.train.recipes import RECIPES, Recipe
from edgemem.train.run import Run

pytestmark = pytest.mark.training

STACK = Stack(
    (
        Norm(3),
        LMU(3, 6, 4, 5.0, 2, input_to_hidden=True, activation="linear"),
        Norm(6, "relu"),
        LEM(6, 5, 0.5),
        Norm(5),
        Dense(5, 3),
    )
)
RECIPE = Recipe(
    "lem",
    ({"n_units": 6},),
    norm="linear",
    epochs=2,
    batch=16,
    window=0.06,
    learning_rate=0.02,
    augmentation=Augmentation(0.01, 0.0, noise=0.0, floor=0.0, time_masks=0, band_masks=0),
)


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) / 2 for name, shape in STACK.params.items()}


def test_statistics_taken_out_of_gains_are_those_that_fold_back():
    x = np.random.default_rng(1).normal(2.0, 3.0, (5, 9, 3))
    params = {**drawn(), **STACK.constants}
    found = unfold(STACK, params, x)
    np.testing.assert_allclose(found.statistics["0.norm.mean"], x.mean(axis=(0, 1)))
    np.testing.assert_allclose(found.statistics["0.norm.variance"], x.var(axis=(0, 1)))
    for prefix, cell in STACK.scopes():
        if isinstance(cell, Norm):
            mean, variance = (found.statistics[prefix + n] for n in ("mean", "variance"))
            gain = found.params[prefix + "gain"] / np.sqrt(variance + EPSILON)
            np.testing.assert_allclose(gain, params[prefix + "gain"])
            offset = found.params[prefix + "offset"] - gain * mean
            np.testing.assert_allclose(offset, params[prefix + "offset"], atol=1e-12)


def test_a_batch_of_training_then_gives_what_the_model_gives():
    x = np.random.default_rng(2).normal(1.0, 2.0, (5, 9, 3)).astype(np.float32)
    params = {**drawn(), **STACK.constants}
    found = unfold(STACK, params, x)
    layer = FusedStack(STACK, found.params, 9, 5, statistics=found.statistics)
    layer.build(None)
    wanted, _ = trace(STACK, params).scan(x.astype(np.float64))
    for training in (True, False):
        got = np.asarray(layer.call(tf.constant(x.reshape(5, -1)), training=training))
        np.testing.assert_allclose(got.reshape(wanted.shape), wanted, atol=2e-4)


@pytest.fixture(scope="module")
def base(made_set, tmp_path_factory):
    """Data and a trained model."""
    data = made_set(train=100, validation=40, seed=1)
    out = tmp_path_factory.mktemp("base") / "base.model"
    run = Run(data, RECIPE, 3, {"data": "made"})
    return data, run.finish(run.train(out, resume=False, quiet=True), "base", out)


def going_on(base, **changes):
    data, model = base
    last = Further(epochs=2, learning_rate=0.005)
    return Run(data, changes.get("recipe", RECIPE), 4, {"data": "made"}, last, model)


def test_a_network_goes_on_and_says_from_what(base, tmp_path):
    _, model = base
    out = tmp_path / "more.model"
    run = going_on(base)
    result = run.train(out, resume=False, quiet=True)
    assert [row["epoch"] for row in result.history] == [1, 2]
    first = model.card["validation_accuracy"]
    assert result.history[0]["validation_accuracy"] > first - 0.1  # by chance 0.25
    made = run.finish(result, "more", out)
    assert made.card["from"] == {"name": "base", "digest": model.digest}
    assert made.card["further"] == {"epochs": 2, "learning_rate": 0.005}
    assert made.cell == model.cell
    assert json.loads(json.dumps(dict(made.card)))["epochs"] == 2
    assert [path for path in checkpoints(out) if path.exists()] == []


def test_an_interrupted_run_comes_to_the_same_end(base, tmp_path, monkeypatch):
    whole = going_on(base).train(tmp_path / "whole.model", resume=False, quiet=True)
    out = tmp_path / "stopped.model"
    before = trainer._Session._epoch

    def stops(session, epoch, progress):
        if epoch == 1:
            raise KeyboardInterrupt
        return before(session, epoch, progress)

    with monkeypatch.context() as patch:
        patch.setattr(trainer._Session, "_epoch", stops)
        with pytest.raises(KeyboardInterrupt):
            going_on(base).train(out, resume=False, quiet=True)
    again = going_on(base).train(out, resume=True, quiet=True)
    for name, array in whole.params.items():
        np.testing.assert_array_equal(again.params[name], array)

    other = replace(RECIPE, smoothing=0.2)
    with pytest.raises(TrainingError, match=r"recipe\.smoothing was 0\.1, now 0\.2"):
        going_on(base, recipe=other).train(out, resume=True, quiet=True)


def test_a_network_with_roundings_does_not_lose_them(base):
    data, model = base
    rounded = replace(model, scheme=Scheme("int8", 4))
    with pytest.raises(ConfigError, match="was trained in its roundings, which training in floats"):
        going_on((data, rounded))
    with pytest.raises(ConfigError, match="epochs must be 1 or more"):
        Further(epochs=0, learning_rate=0.1)
    with pytest.raises(ConfigError, match="a stack of cells alone"):
        Further(epochs=1, learning_rate=0.1).check(LEM(2, 2), {})


def test_another_recipe_must_be_of_the_same_network():
    old = replace(RECIPES["lmu"], smoothing=0.3, augmentation=Augmentation())
    assert old.trained_as("lmu") == RECIPES["lmu"]
    with pytest.raises(ConfigError, match="--recipe lem is of another network than MODEL: cell"):
        old.trained_as("lem")
    with pytest.raises(ConfigError, match="of another network than MODEL: layers"):
        old.trained_as("lmu-small")
