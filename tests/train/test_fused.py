"""The fused form: the equations in inference; batch norm and carried states in training."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem import networks
from edgemem.cells import GRU, LEM, LMU, LSTM, Dense, Norm, Stack
from edgemem.frameworks import nengo_dl, tf
from edgemem.frontend import FrontEnd
from edgemem.ir import trace
from edgemem.model import Model, Sample, load, save
from edgemem.runtime.rule import DetectorConfig
from edgemem.train.fused import EPSILON, MOMENTUM, FusedStack
from edgemem.train.network import fused_network

pytestmark = pytest.mark.training

BATCH, N_STEPS = 4, 9
DEEP = Stack(
    (
        Norm(3),
        LMU(3, 6, 4, 5.0, 2, input_to_hidden=True, activation="linear"),
        Norm(6, "relu"),
        LEM(6, 5, 0.5),
        Norm(5),
        LMU.paper(5, 4, 3, 6.0),
        GRU(4, 4),
        LSTM(4, 4),
        Dense(4, 3),
    )
)
STACKS = {
    "lmu": Stack((LMU(3, 5, 4, 6.0, 2, use_bias=True),)),
    "lmu-all": Stack((LMU(3, 5, 4, 6.0, 2, True, True, True, True, True),)),
    "lem": Stack((LEM(3, 5),)),
    "lstm": Stack((LSTM(3, 4),)),
    "gru": Stack((GRU(3, 4),)),
    "dense": Stack((Norm(3), Dense(3, 2, "sigmoid"))),
}


def drawn(stack, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) / 2 for name, shape in stack.params.items()}


def sequences(seed=1, n_in=3):
    return np.random.default_rng(seed).normal(size=(BATCH, N_STEPS, n_in)).astype(np.float32)


def built(stack, **options):
    """A layer outside of any simulator."""
    layer = FusedStack(stack, options.pop("params", drawn(stack)), N_STEPS, BATCH, **options)
    layer.build(None)
    return layer


def call(layer, x, training):
    """Outputs of a layer, shape (batch, n_steps, n_out)."""
    run = tf.function(lambda x: layer(x, training=training))
    return run(x.reshape(BATCH, -1)).numpy().reshape(BATCH, N_STEPS, -1)


def predicted(stack, params, x):
    network = fused_network(FusedStack(stack, params, N_STEPS, BATCH))
    with nengo_dl.Simulator(network.network, minibatch_size=BATCH, progress_bar=False) as simulator:
        y = simulator.predict(x.reshape(BATCH, 1, -1), verbose=0)[network.probe]
    return y.reshape(BATCH, N_STEPS, -1)


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_a_layer_computes_the_equations(stack):
    x, params = sequences(), drawn(stack)
    expected, _ = trace(stack, params).scan(x.astype(np.float64))
    np.testing.assert_allclose(call(built(stack), x, False), expected, atol=1e-5)


def test_a_deep_network_computes_the_equations_in_nengo_dl():
    x, params = sequences(), drawn(DEEP)
    expected, _ = trace(DEEP, params).scan(x.astype(np.float64))
    np.testing.assert_allclose(predicted(DEEP, params, x), expected, atol=1e-5)


def test_batch_norm_in_training_is_its_definition():
    stack = Stack((Norm(3, "tanh"),))
    params, x = drawn(stack), sequences()
    layer = built(stack)
    # (x - mean) / sqrt(variance + eps), over batch and time  (Ioffe & Szegedy 2015, algorithm 1)
    mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
    normal = (x - mean) / np.sqrt(variance + EPSILON)
    expected = np.tanh(params["0.norm.gain"] * normal + params["0.norm.offset"])
    np.testing.assert_allclose(call(layer, x, True), expected, atol=1e-5)
    moving = {name: value.numpy() for name, value in layer.statistics.items()}
    np.testing.assert_allclose(moving["0.norm.mean"], (1 - MOMENTUM) * mean, atol=1e-6)
    old = (1 - EPSILON) * MOMENTUM
    np.testing.assert_allclose(
        moving["0.norm.variance"], old + (1 - MOMENTUM) * variance, atol=1e-6
    )
    # what was learned holds for other sequences, and looking at them teaches nothing
    call(layer, sequences(2), False)
    for name, value in moving.items():
        np.testing.assert_array_equal(layer.statistics[name], value)


def test_gradients_go_through_the_statistics_of_the_batch():
    stack = Stack((Norm(3),))
    layer, x = built(stack), tf.constant(sequences().reshape(BATCH, -1))
    seen = np.random.default_rng(3).normal(size=x.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, training=True) * seen)
    gradient = tape.gradient(loss, x).numpy().reshape(-1, 3)
    # the normalised value does not change if all sequences are moved or scaled together
    flat = sequences().reshape(-1, 3)
    np.testing.assert_allclose(gradient.sum(axis=0), 0.0, atol=1e-4)
    centred = flat - flat.mean(axis=0)
    share = EPSILON / (flat.var(axis=0) + EPSILON) * np.abs(gradient * centred).sum(axis=0)
    assert (np.abs((gradient * centred).sum(axis=0)) <= share + 1e-4).all()


def test_the_moving_statistics_fold_into_gain_and_offset():
    layer = built(DEEP)
    rng = np.random.default_rng(5)
    for name, variable in layer.statistics.items():
        drawn_now = rng.normal(size=variable.shape) + (3.0 if name.endswith("variance") else 0.0)
        variable.assign(np.abs(drawn_now) if name.endswith("variance") else drawn_now)
    trained, start, x = layer.trained(), drawn(DEEP), sequences()
    for name, array in start.items():
        prefix, _, last = name.rpartition(".")
        array = array.astype(np.float32).astype(np.float64)
        if last in ("gain", "offset") and prefix.endswith("norm"):
            mean = layer.statistics[f"{prefix}.mean"].numpy().astype(np.float64)
            variance = layer.statistics[f"{prefix}.variance"].numpy().astype(np.float64)
            gain = start[f"{prefix}.gain"].astype(np.float32) / np.sqrt(variance + EPSILON)
            array = gain if last == "gain" else array - gain * mean
        np.testing.assert_allclose(trained[name], array, rtol=1e-12, err_msg=name)
    expected, _ = trace(DEEP, trained).scan(x.astype(np.float64))
    np.testing.assert_allclose(call(layer, x, False), expected, atol=1e-5)


RECURRENT = Stack((LEM(3, 4), LMU(4, 4, 3, 6.0, 2, input_to_hidden=True)))


def test_a_share_of_the_sequences_goes_on_where_others_ended():
    params, x, later = drawn(RECURRENT), sequences(), sequences(2)
    graph = trace(RECURRENT, params)
    fresh, after = graph.scan(x.astype(np.float64))
    layer = built(RECURRENT, carry=0.5, seed=3)
    np.testing.assert_allclose(call(layer, x, True), fresh, atol=1e-5)
    ours = call(layer, later, True)
    carried, _ = graph.scan(later.astype(np.float64), after)
    anew, _ = graph.scan(later.astype(np.float64))
    kept = np.array([np.allclose(row, one, atol=1e-5) for row, one in zip(ours, carried)])
    reset = np.array([np.allclose(row, one, atol=1e-5) for row, one in zip(ours, anew)])
    assert (kept ^ reset).all()
    assert kept.any() and reset.any()
    # inference starts from zero and leaves what is carried alone
    before = {name: value.numpy() for name, value in layer.carried.items()}
    np.testing.assert_allclose(call(layer, later, False), anew, atol=1e-5)
    for name, value in before.items():
        np.testing.assert_array_equal(layer.carried[name], value)


def kept_rows(seed, carry, batches=40):
    """Which sequences of each batch started from a carried state."""
    stack = Stack((GRU(3, 1),))
    layer = built(stack, carry=carry, seed=seed)
    run = tf.function(lambda x: layer(x, training=True))
    anew = call(layer, sequences(), False)
    rows = []
    for _ in range(batches):
        y = run(sequences().reshape(BATCH, -1)).numpy().reshape(BATCH, N_STEPS, -1)
        rows.append(np.abs(y - anew).max(axis=(1, 2)) > 1e-6)
    return np.array(rows)


def test_which_ones_go_on_follows_from_the_seed_and_the_share():
    rows = kept_rows(0, 0.3)
    assert not rows[0].any()
    assert 0.15 < rows[1:].mean() < 0.45
    np.testing.assert_array_equal(kept_rows(0, 0.3), rows)
    assert (kept_rows(1, 0.3) != rows).any()
    assert not kept_rows(0, 0.0, 5).any()


def test_no_gradient_flows_into_the_batch_before():
    layer = built(Stack((GRU(3, 2),)), carry=0.9)
    names = [variable.name for variable in layer.trainable_weights]
    assert len(names) == len(layer.stack.params)
    assert not any("carried" in name or "batches" in name for name in names)


def test_trained_arrays_go_into_a_file_and_into_a_stepped_network(tmp_path):
    stack = Stack((*DEEP.cells[:-1], Dense(4, 2)))
    layer = built(stack)
    for name, variable in layer.statistics.items():
        variable.assign(variable + 0.3 if name.endswith("variance") else variable - 0.2)
    x = sequences()
    none = Sample(np.zeros((0, N_STEPS, 3), np.float32), np.zeros(0, np.int64))
    model = Model(
        name="deep",
        frontend=FrontEnd(n_mels=3),
        cell=stack,
        params={**layer.trained(), **stack.constants},
        labels=("yes", "no"),
        protocol="folders",
        detector=DetectorConfig(),
        calibration=none,
        validation=none,
    )
    save(model, tmp_path / "deep.model")
    network = networks.build(load(tmp_path / "deep.model").graph())
    fused = call(layer, x, False)
    for sequence, expected in zip(x, fused):
        np.testing.assert_allclose(networks.simulate(network, sequence), expected, atol=1e-5)
