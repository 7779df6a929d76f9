"""Training in rounded form: the graph, its gradients, what comes out, and that it helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.errors import ConfigError, TrainingError, UnknownNameError
from edgemem.frameworks import tf
from edgemem.ir import trace
from edgemem.model import load
from edgemem.quantize import build, per_row
from edgemem.quantize.prepare import prepare
from edgemem.quantize.rounding import matrix_bits, rounded_network, settle
from edgemem.train import trainer
from edgemem.train.augment import Augmentation
from edgemem.train.batches import Batches
from edgemem.train.kws import calibration_sample
from edgemem.train.ops_tf import TensorOps
from edgemem.train.qat import Qat
from edgemem.train.recipes import Recipe
from edgemem.train.rounded import FusedRounded
from edgemem.train.run import Run
from edgemem.train.sequence import unroll

pytestmark = pytest.mark.training

STACKS = {
    "lmu": Stack(
        (
            LMU(3, 5, 4, 8.0, 3, input_to_hidden=True, use_bias=True, activation="relu"),
            LMU(5, 4, 3, 6.0, 2, activation="relu"),
            Dense(4, 2),
        )
    ),
    "lem": Stack((LEM(3, 5), LEM(5, 4, 0.5), Dense(4, 2))),
    "mixed": Stack((GRU(3, 4), LMU(4, 4, 3, 6.0, 2, activation="relu"), LSTM(4, 3), Dense(3, 2))),
    "paper-lmu": Stack((LMU.paper(3, 5, 4, 8.0), Dense(5, 2))),
}
BATCH, N_STEPS = 4, 9


def sequences(seed: int = 1, n: int = BATCH) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.2, 1.0, (n, N_STEPS, 3)).astype(np.float32)


def settled(cell: Cell, bits: int = 8):
    rng = np.random.default_rng(0)
    arrays = {n: rng.normal(0.0, 0.5, shape) for n, shape in cell.params.items()}
    # ranges of quiet sequences, so that those of the tests leave them here and there
    quiet = 0.5 * sequences(9, 16)
    network = prepare(cell, {**arrays, **cell.constants}, quiet)
    scheme = settle(network.cell, network.params, bits, {}, quiet)
    return network.cell, network.params, scheme


@pytest.mark.parametrize("cell", STACKS.values(), ids=STACKS)
def test_a_rounded_graph_is_scanned_and_differentiated_as_step_by_step(cell: Cell) -> None:
    graph = rounded_network(*settled(cell))
    rng = np.random.default_rng(3)
    x = sequences().astype(np.float64)
    start = {name: 0.2 * rng.normal(size=(BATCH, *s)) for name, s in graph.states.items()}
    y, after = graph.scan(x, start)
    seen = rng.normal(size=y.shape)
    names = set(graph.params) - graph.constants
    weights = {name: tf.constant(graph.params[name]) for name in names}
    fixed = {name: tf.constant(graph.params[name]) for name in graph.constants}
    sources = (weights, tf.constant(x), {n: tf.constant(s) for n, s in start.items()})

    def step_by_step():
        ops, states, outputs = TensorOps(), sources[2], []
        for t in range(N_STEPS):
            states, out = graph.evaluate(ops, {**fixed, **weights}, states, sources[1][:, t])
            outputs.append(out)
        return tf.stack(outputs, axis=1), states

    @tf.function
    def differentiated(form):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            ours, states = form()
            loss = tf.reduce_sum(ours * seen)
        return ours, states, tf.nest.flatten(tape.gradient(loss, sources))

    found = [differentiated(form) for form in (lambda: unroll(graph, *sources), step_by_step)]
    for ours, states, _ in found:
        np.testing.assert_allclose(ours, y, atol=1e-9)
        for name, state in after.items():
            np.testing.assert_allclose(states[name], state, atol=1e-9, err_msg=name)
    for ours, expected in zip(found[0][2], found[1][2]):
        np.testing.assert_allclose(ours, expected, atol=1e-8)


def built(cell: Cell, bits: int, **options) -> tuple[FusedRounded, Cell, dict, object]:
    cell, params, scheme = settled(cell, bits)
    layer = FusedRounded(cell, params, scheme, N_STEPS, BATCH, **options)
    layer.build(None)
    return layer, cell, params, scheme


@pytest.mark.parametrize("cell", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("bits", [8, 2])
def test_a_layer_computes_the_rounded_network_of_its_arrays(cell: Cell, bits: int) -> None:
    layer, cell, params, scheme = built(cell, bits)
    run = tf.function(lambda x: layer(x, training=False))
    y = run(sequences().reshape(BATCH, -1)).numpy().reshape(BATCH, N_STEPS, 2)
    graph = rounded_network(cell, {**params, **layer.trained()}, scheme)
    expected, _ = graph.scan(sequences().astype(np.float64))
    step = float(scheme.plan.home[trace(cell, params).output].scale)
    # single floats may fall on the other side of a border between two steps
    assert np.mean(np.abs(y - expected) < 0.01 * step) > 0.85
    assert np.abs(y - expected).max() < 8.0 * step


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_a_conversion_finds_the_very_integers_that_were_trained(bits: int) -> None:
    layer, cell, params, scheme = built(STACKS["lem"], bits)
    trained = {name: a.astype(np.float32).astype(float) for name, a in layer.trained().items()}
    made = build(trace(cell, {**params, **trained}), scheme, sequences())
    for step in made.steps:
        if step.fixed or step.weight is None:
            continue
        integers = made.program.arrays[f"{step.name}.weight"]
        form = made.program.weights[f"{step.name}.weight"]
        assert np.abs(integers).max() == (1 << (bits - 1)) - 1
        np.testing.assert_allclose(form.dequantize(integers), trained[step.source], rtol=1e-6)


def test_arrays_of_all_sizes_start_as_they_were() -> None:
    cell, params, _ = settled(STACKS["lmu"])
    params["0.lmu.W_m"] = params["0.lmu.W_m"] * np.logspace(-4, 3, 5)[:, None]
    params["1.lmu.b"] = 1000.0 * params["1.lmu.b"]
    params["2.dense.b"] = np.zeros(2)
    scheme = settle(cell, params, 8, {}, sequences(9, 16))
    layer = FusedRounded(cell, params, scheme, N_STEPS, BATCH)
    layer.build(None)
    for name, array in layer.trained().items():
        if array.ndim == 1:
            np.testing.assert_allclose(array, params[name], rtol=1e-6)
        else:
            form = per_row(params[name])
            expected = form.dequantize(form.quantize(params[name]))
            np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-9)
    for name, variable in layer.arrays.items():
        if name != "2.dense.b":  # what is trained has one size
            assert np.sqrt(np.mean(variable.numpy() ** 2)) == pytest.approx(0.1, rel=1e-3)


# a whole run

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
    epochs=6,
    batch=8,
    learning_rate=0.02,
    augmentation=Augmentation(shift=0.01, floor=0.0, band_masks=1, band_mask=1, time_mask=2),
)


def hard_set(made_set, clips: int = 150):
    """Words that are told apart by how loud their band is, too."""
    data = made_set(WORDS, clips, 60, seed=1)
    rng = np.random.default_rng(7)
    for clips in (data.train, data.validation):
        clips.features[:] += rng.normal(0.0, 9.0, clips.features.shape).astype(np.float32)
    return data


@pytest.fixture(scope="module")
def trained(made_set, tmp_path_factory):
    """A network trained in floats, its data and the folder of its model."""
    data = hard_set(made_set)
    out = tmp_path_factory.mktemp("float") / "float.model"
    run = Run(data, RECIPE, 3, {"data": "made"})
    return data, run.finish(run.train(out, resume=False, quiet=True), "float", out)


def accuracy(graph, data) -> float:
    batches = Batches(data, RECIPE, 3)
    x = batches.frontend.stack_frames(data.validation.features).astype(np.float64)
    logits = graph.scan(x)[0][:, -batches.window :].mean(axis=1)
    return float((logits.argmax(axis=1) == data.validation.labels).mean())


def plainly_rounded(model, bits: int, data) -> float:
    """Accuracy of the trained network with its matrices rounded as they are."""
    calibration = calibration_sample(data, Batches(data, RECIPE, 3), 3).features
    network = prepare(model.cell, model.params, calibration)
    scheme = settle(network.cell, network.params, bits, {}, calibration)
    params = dict(network.params)
    for name, width in matrix_bits(network.cell, params, scheme).items():
        form = per_row(params[name], width)
        params[name] = form.dequantize(form.quantize(params[name]))
    return accuracy(rounded_network(network.cell, params, scheme), data)


def test_it_gives_back_most_of_what_plain_rounding_loses(trained, tmp_path) -> None:
    data, model = trained
    qat = Qat(weights=2, epochs=4, learning_rate=0.01)
    run = Run(data, RECIPE, 3, {"data": "made"}, qat, model)
    out = tmp_path / "q.model"
    result = run.train(out, resume=False, quiet=True)
    made = run.finish(result, "q", out)
    before, after = accuracy(model.graph(), data), result.best["validation_accuracy"]
    plain = plainly_rounded(model, 2, data)
    assert plain < before - 0.1
    assert after > plain + 0.5 * (before - plain)
    # what was validated is what the file holds
    back = load(out)
    assert back.scheme.to_dict() == made.scheme.to_dict() == result.scheme.to_dict()
    assert accuracy(back.reference(), data) == pytest.approx(after, abs=0.02)
    assert back.card["qat"] == {"weights": 2, "epochs": 4, "learning_rate": 0.01, "layers": {}}
    assert back.card["from"]["digest"] == model.digest
    assert not [cell for cell in back.cell.cells if isinstance(cell, Norm)]


def rows_of(result) -> list[tuple[float, ...]]:
    rows = (*result.before, *result.history)
    return [(row["epoch"], row["loss"], row["validation_accuracy"]) for row in rows]


class StoppedError(Exception):
    pass


QAT = Qat(weights=4, epochs=3, learning_rate=0.005, layers={"1.lmu.W_m": 2})


@pytest.fixture(scope="module")
def uninterrupted(made_set, tmp_path_factory):
    """A run from scratch in floats and then in roundings, and what came of it."""
    run = Run(hard_set(made_set, 24), RECIPE, 3, {"data": "made"}, QAT)
    out = tmp_path_factory.mktemp("whole") / "whole.model"
    return run, run.train(out, resume=False, quiet=True)


@pytest.mark.parametrize("stop", [2, 5])
def test_from_scratch_it_goes_on_where_it_was_stopped_in_either_part(
    stop: int, uninterrupted, tmp_path, monkeypatch
) -> None:
    run, whole = uninterrupted
    assert [row[0] for row in rows_of(whole)] == [1, 2, 3, 4, 5, 6]
    assert len(whole.before) == 3
    assert whole.best in whole.history
    assert whole.scheme.bits_of("0.lmu.W_m") == 2
    assert whole.scheme.bits_of("0.lmu.W_x") == 4

    out, seen = tmp_path / "cut.model", []
    save = trainer.Checkpoint.save

    def saved(self, path):
        save(self, path)
        seen.append(path)
        if len(seen) == stop:
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Checkpoint, "save", saved)
        with pytest.raises(StoppedError):
            run.train(out, resume=False, quiet=True)
    again = run.train(out, resume=True, quiet=True)
    np.testing.assert_allclose(rows_of(again), rows_of(whole), atol=1e-4)
    for name, array in whole.params.items():
        np.testing.assert_allclose(again.params[name], array, atol=1e-3, err_msg=name)

    other = replace(run, last=replace(QAT, weights=8))
    with pytest.raises(TrainingError, match=r"qat\.weights was 4, now 8"):
        other.train(out, resume=True, quiet=True)


def test_what_cannot_work_is_refused_before_it_is_trained(trained, made_set) -> None:
    data, model = trained
    qat = Qat(weights=4, epochs=2, learning_rate=0.01)
    with pytest.raises(UnknownNameError, match=r"no trained matrix named '0\.lmu\.W_m'; known: 1"):
        Run(data, RECIPE, 3, {}, replace(qat, layers={"0.lmu.W_m": 2}))
    with pytest.raises(ConfigError, match="leave none of 6 to train in floats before"):
        Run(data, RECIPE, 3, {}, replace(qat, epochs=6))
    with pytest.raises(ConfigError, match="knows the labels a, b, c, d; the data have x, y"):
        Run(made_set(("x", "y")), RECIPE, 3, {}, qat, model)
    with pytest.raises(ConfigError, match="has another front end than the data"):
        Run(data, replace(RECIPE, frames=3), 3, {}, qat, model)
    with pytest.raises(ConfigError, match="weights of 3 bits; known: 8, 4, 2"):
        replace(qat, weights=3)
    with pytest.raises(ConfigError, match=r"1\.lmu\.W_m of 16 bits"):
        replace(qat, layers={"1.lmu.W_m": 16})
    with pytest.raises(ConfigError, match="epochs must be 1 or more"):
        replace(qat, epochs=0)
