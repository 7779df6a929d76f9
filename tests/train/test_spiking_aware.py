"""Training on spikes: what firing rates cost, whole runs, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgemem import spiking
from edgemem.cells import Norm
from edgemem.cli import main
from edgemem.errors import ConfigError, TrainingError
from edgemem.frameworks import tf
from edgemem.model import load
from edgemem.runtime.detector import decide
from edgemem.train import trainer
from edgemem.train.augment import Augmentation
from edgemem.train.batches import Batches
from edgemem.train.checkpoint import Checkpoint, checkpoints
from edgemem.train.keywords import rate_excess
from edgemem.train.recipes import Recipe
from edgemem.train.run import Run
from edgemem.train.spiking_aware import RatePenalty, SpikingAware

pytestmark = pytest.mark.training

LABELS = ("no", "stop", "yes")
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
    epochs=5,
    batch=8,
    learning_rate=0.02,
    augmentation=Augmentation(shift=0.01, floor=0.0, band_masks=1, band_mask=1, time_mask=2),
)
AWARE = SpikingAware(epochs=8, learning_rate=0.003, steps=12, rate_penalty=3.0, target_rate=0.0)
SHORT = replace(AWARE, epochs=2, learning_rate=0.01, rate_penalty=0.0)


def test_what_rates_cost_is_the_mean_excess_of_mean_rates_over_the_target() -> None:
    # unit means 0.3, 0.1, 0.0; over 0.05 by 0.25, 0.05, 0.0
    rates = np.array([[0.2, 0.1, 0.0], [0.4, 0.1, 0.0]])
    penalty = RatePenalty(weight=2.0, target=0.05)
    assert penalty.excess(rates) == pytest.approx(0.1)
    assert penalty.of(rates) == pytest.approx(0.2)
    found = rate_excess(np.full((2, 1, 1), 0.05), tf.constant(rates[:, None]))
    assert float(found) == pytest.approx(0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set of three words, each loud in a band of its own."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    labels = np.repeat(LABELS, 40)
    features = rng.normal(-40.0, 4.0, (len(labels), 12, 6)).astype(np.float32)
    for row, label in enumerate(labels):
        band = 2 * LABELS.index(label)
        features[row, 4:, band : band + 2] += 12.0
    splits = np.where(np.arange(len(labels)) % 4 == 3, "validation", "train")
    np.savez(folder / "set.npz", features=features, labels=labels, splits=splits)
    (folder / "frontend.json").write_text('{"n_mels": 6}')
    return folder


def run(folder: Path, out: Path, *more: str):
    layer = "n_units=8,order=3,theta=6.0,memory_d=4,input_to_hidden=true"
    options = [
        *("--frontend", str(folder / "frontend.json"), "--batch", "8", "--seed", "3", "--json"),
        *("--layer", layer, "--epochs", "2"),
    ]
    command = ["train", "kws", "--data", str(folder / "set.npz"), "--out", str(out)]
    return CliRunner().invoke(main, [*command, *options, *more])


def test_a_network_ends_its_training_on_spikes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.model"
    options = ("--steps-per-frame", "12", "--rate-penalty", "0.5", "--target-rate", "0.1")
    result = run(folder, out, "--spiking-aware", "--spiking-epochs", "1", *options)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("mean rate") == 1
    model = load(out)
    card = {"steps": 12, "code": "delta", "rate_penalty": 0.5, "target_rate": 0.1, "epochs": 1}
    assert {name: model.card["spiking_aware"][name] for name in card} == card
    assert json.loads(result.stdout)["digest"] == model.digest
    header, floats, spikes = out.with_name("a.model.history.csv").read_text().splitlines()
    assert header == "epoch,loss,validation_accuracy,validation_loss,seconds,rate,rate_penalty"
    assert floats.endswith(",,")
    assert not spikes.endswith(",")

    command = ["train", "kws", "--data", str(folder / "set.npz"), "--epochs", "3", "--out"]
    more = [str(tmp_path / "b.model"), "--spiking-aware", "--from", str(out)]
    message = CliRunner().invoke(main, [*command, *more]).stderr
    assert "--from trains on spikes alone; say --spiking-epochs, not --epochs" in message


@pytest.fixture(scope="module")
def fresh(made_set, tmp_path_factory: pytest.TempPathFactory):
    """A network trained in floats and then on spikes that cost nothing: data, result, model."""
    words = made_set(("a", "b", "c", "d"), 100, 40, seed=1)
    trains = Run(words, RECIPE, 3, {"data": "made"}, SHORT)
    out = tmp_path_factory.mktemp("fresh") / "fresh.model"
    result = trains.train(out, resume=False, quiet=True)
    return words, result, trains.finish(result, "fresh", out)


@pytest.fixture(scope="module")
def penalised(fresh, tmp_path_factory: pytest.TempPathFactory):
    """The network goes on, and its spikes cost something: run, result, place of the file."""
    words, _, model = fresh
    out = tmp_path_factory.mktemp("less") / "less.model"
    going_on = Run(words, RECIPE, 3, {"data": "made"}, AWARE, model)
    return going_on, going_on.train(out, resume=False, quiet=True), out


def test_a_penalty_makes_a_network_fire_less(fresh, penalised, tmp_path) -> None:
    going_on, result, _ = penalised
    # beside the same training without it; 0.67 to 0.77 with three seeds
    free = replace(going_on, last=replace(AWARE, rate_penalty=0.0))
    unpunished = free.train(tmp_path / "free.model", resume=False, quiet=True)
    assert result.history[-1]["rate"] < 0.85 * unpunished.history[-1]["rate"]
    for row in result.history:  # with a target of zero every rate is excess
        assert row["rate_penalty"] == pytest.approx(3.0 * row["rate"])
    assert result.best["validation_accuracy"] > 0.6


def test_the_file_holds_the_trained_arrays_as_floats(penalised) -> None:
    going_on, result, out = penalised
    recipe = AWARE.recipe(going_on.recipe).to_dict()
    named = {"spiking_aware": AWARE.to_dict(), "from": going_on.base.digest}
    identity = {"data": "made", **named, "recipe": recipe, "seed": 3}
    best = Checkpoint.load(checkpoints(out)[1], identity).best
    going_on.finish(result, "less", out)
    back = load(out)
    assert back.scheme is None
    assert not [cell for cell in back.cell.cells if isinstance(cell, Norm)]
    for name in back.cell.params:
        np.testing.assert_array_equal(np.float32(back.params[name]), np.float32(best[name]))

    # and on spikes they give what training saw, but for memories and for large changes
    clips, batches = going_on.data.validation, Batches(going_on.data, going_on.recipe, 3)
    network = spiking.prepare(back.graph(), back.calibration.features, steps=AWARE.steps)
    found = spiking.simulate(network, batches.frontend.stack_frames(clips.features))
    accuracy = np.mean(decide(found.outputs, batches.window) == clips.labels)
    assert accuracy == pytest.approx(result.best["validation_accuracy"], abs=0.025)
    rates = np.concatenate([a.sent / a.chances for a in found.populations])
    assert rates.mean() == pytest.approx(result.best["rate"], rel=0.1)


def rows_of(result) -> list[tuple[float, ...]]:
    return [(r["loss"], r["validation_accuracy"], r["rate"]) for r in result.history]


class StoppedError(Exception):
    pass


def test_it_goes_on_where_it_was_stopped(penalised, tmp_path, monkeypatch) -> None:
    going_on, whole, _ = penalised
    out, save = tmp_path / "cut.model", trainer.Checkpoint.save

    def saved(self, path):
        save(self, path)
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Checkpoint, "save", saved)
        with pytest.raises(StoppedError):
            going_on.train(out, resume=False, quiet=True)
    again = going_on.train(out, resume=True, quiet=True)
    np.testing.assert_allclose(rows_of(again), rows_of(whole), atol=1e-4)
    for name, array in whole.params.items():
        np.testing.assert_allclose(again.params[name], array, atol=1e-3, err_msg=name)

    other = replace(going_on, last=replace(AWARE, steps=16))
    with pytest.raises(TrainingError, match=r"spiking_aware\.steps was 12, now 16"):
        other.train(out, resume=True, quiet=True)


@pytest.mark.parametrize(
    "more,message",
    [
        (("--spiking-aware", "--qat"), "end a training in two forms; choose one"),
        (("--steps-per-frame", "8"), "--steps-per-frame is an option of training on spikes"),
        (("--rate-penalty", "1"), "--rate-penalty is an option of training on spikes; add"),
        (("--qat", "--target-rate", "1"), "--target-rate is an option of training on spikes"),
        (("--spiking-aware", "--weights", "4"), "an option of rounded training; add --qat"),
        (("--spiking-aware", "--rate-penalty", "-1"), "rate-penalty must be 0 or more (got -1)"),
        (("--spiking-aware", "--target-rate", "2"), "from 0 to 1 (got 2)"),
        (("--spiking-aware", "--steps-per-frame", "0"), "must be 1 or more (got 0)"),
        (("--spiking-aware", "--steps-per-frame", "1"), "so that it takes 3 steps or more"),
        (("--spiking-aware", "--spiking-epochs", "2"), "leave none of 2 to train in floats"),
        (("--spiking-aware", "--from", "kws12-lmu"), "of MODEL; leave out --layer"),
    ],
    ids=str,
)
def test_options_that_cannot_work(
    more: tuple[str, ...], message: str, folder: Path, tmp_path: Path
) -> None:
    result = run(folder, tmp_path / "a.model", *more)
    assert result.exit_code == 1
    assert message in result.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("penalty", [float("nan"), float("inf")])
def test_a_penalty_is_a_number(penalty: float) -> None:
    with pytest.raises(ConfigError, match=r"rate-penalty must be 0 or more"):
        replace(AWARE, rate_penalty=penalty)
