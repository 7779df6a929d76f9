"""Training on spikes: what firing rates cost, whole runs, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import Norm
from edgemem.errors import ConfigError, TrainingError
from edgemem.model import load
from edgemem.train.augment import Augmentation
from edgemem.train.checkpoint import Checkpoint, checkpoints
from edgemem.train.recipes import Recipe
from edgemem.train.spiking_aware import RatePenalty, SpikingAware

tf = pytest.importorskip("tensorflow", reason="the train extra is not installed")
pytest.importorskip("nengo_dl", reason="the train extra is not installed")

from edgemem.train import trainer  # noqa: E402
from edgemem.train.run import Run  # noqa: E402
from edgemem.train.trainer import rate_excess  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

WORDS = ("a", "b", "c", "d")
RECIPE = Recipe(
    "lmu",
    (
        {
            "n_units": 8,
            "order": 3,
            "theta": 6.0,
            "memory_d": 4,
            "input_to_hidden": True,
            "activation": "linear",
        },
    ),
    norm="relu",
    window=0.06,
    epochs=3,
    batch=8,
    learning_rate=0.02,
    augmentation=Augmentation(shift=0.01, floor=0.0, band_masks=1, band_mask=1, time_mask=2),
)
AWARE = SpikingAware(epochs=2, learning_rate=0.01, steps=8, rate_penalty=0.0, target_rate=0.0)


def test_what_rates_cost_is_the_mean_excess_of_mean_rates_over_the_target() -> None:
    # unit means 0.3, 0.1, 0.0; over 0.05 by 0.25, 0.05, 0.0
    rates = np.array([[0.2, 0.1, 0.0], [0.4, 0.1, 0.0]])
    penalty = RatePenalty(weight=2.0, target=0.05)
    assert penalty.excess(rates) == pytest.approx(0.1)
    assert penalty.of(rates) == pytest.approx(0.2)
    found = rate_excess(np.full((2, 1, 1), 0.05), tf.constant(rates[:, None]))
    assert float(found) == pytest.approx(0.1)


@pytest.fixture(scope="module")
def trained(made_set, tmp_path_factory):
    """A network trained in floats, and its data."""
    data = made_set(WORDS, 100, 40, seed=1)
    out = tmp_path_factory.mktemp("float") / "float.model"
    run = Run(data, RECIPE, 3, {"data": "made"})
    return data, run.finish(run.train(out, resume=False, quiet=True), "float", out)


@pytest.fixture(scope="module")
def free(trained, tmp_path_factory):
    """A run on spikes that cost nothing, to its end: the run, its result and its file."""
    data, model = trained
    run = Run(data, RECIPE, 3, {"data": "made"}, AWARE, model)
    out = tmp_path_factory.mktemp("free") / "free.model"
    result = run.train(out, resume=False, quiet=True)
    held = Checkpoint.load(checkpoints(out)[1], _identity(run, model))
    return run, result, held, run.finish(result, "free", out), out


def _identity(run, model) -> dict:
    recipe = run.last.recipe(run.recipe).to_dict()
    named = {"spiking_aware": run.last.to_dict(), "from": model.digest}
    return {"data": "made", **named, "recipe": recipe, "seed": 3}


def test_the_file_holds_the_trained_arrays_as_floats(free, trained) -> None:
    _, result, held, _, out = free
    back = load(out)
    assert back.scheme is None
    assert back.card["spiking_aware"] == AWARE.to_dict()
    assert back.card["from"]["digest"] == trained[1].digest
    assert not [cell for cell in back.cell.cells if isinstance(cell, Norm)]
    for name in back.cell.params:
        np.testing.assert_array_equal(np.float32(back.params[name]), np.float32(held.best[name]))
    assert result.best["validation_accuracy"] > 0.6  # by chance 0.25


def test_a_penalty_makes_a_network_fire_less(free, trained, tmp_path) -> None:
    data, model = trained
    run = Run(data, RECIPE, 3, {"data": "made"}, replace(AWARE, rate_penalty=3.0), model)
    result = run.train(tmp_path / "less.model", resume=False, quiet=True)
    assert result.history[-1]["rate"] < 0.8 * free[1].history[-1]["rate"]
    for row in result.history:  # with a target of zero every rate is excess
        assert row["rate_penalty"] == pytest.approx(3.0 * row["rate"])
    assert result.best["validation_accuracy"] > 0.6


def rows_of(result) -> list[tuple[float, ...]]:
    rows = (*result.before, *result.history)
    return [(r["epoch"], r["loss"], r["validation_accuracy"], r.get("rate", -1.0)) for r in rows]


class StoppedError(Exception):
    pass


def test_it_goes_on_where_it_was_stopped(free, tmp_path, monkeypatch) -> None:
    run, whole, *_ = free
    out, save = tmp_path / "cut.model", trainer.Checkpoint.save

    def saved(self, path):
        save(self, path)
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Checkpoint, "save", saved)
        with pytest.raises(StoppedError):
            run.train(out, resume=False, quiet=True)
    again = run.train(out, resume=True, quiet=True)
    np.testing.assert_allclose(rows_of(again), rows_of(whole), atol=1e-4)
    for name, array in whole.params.items():
        np.testing.assert_allclose(again.params[name], array, atol=1e-3, err_msg=name)

    other = replace(run, last=replace(AWARE, steps=16))
    with pytest.raises(TrainingError, match=r"spiking_aware\.steps was 8, now 16"):
        other.train(out, resume=True, quiet=True)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"steps": 0}, "steps-per-frame must be 1 or more (got 0)"),
        ({"rate_penalty": -0.5}, "rate-penalty must be 0 or more (got -0.5)"),
        ({"rate_penalty": float("nan")}, "rate-penalty must be 0 or more (got nan)"),
        ({"target_rate": 1.5}, "a share of a spike in every step, from 0 to 1 (got 1.5)"),
        ({"epochs": 0}, "epochs must be 1 or more (got 0)"),
    ],
    ids=str,
)
def test_numbers_that_cannot_work_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        replace(AWARE, **change)
    assert message in str(raised.value)
