"""The stepped form in NengoDL: same outputs, true gradients, arrays that come back."""

from __future__ import annotations

import nengo
import numpy as np
import pytest

from edgemem import cells, networks
from edgemem.frameworks import nengo_dl, tf
from edgemem.ir import trace

pytestmark = pytest.mark.training

CELLS = [
    cells.LMU(3, 5, 4, 6.0),
    cells.LMU(3, 5, 4, 6.0, 2, True, True, True, True, True, "tanh"),
    cells.LEM(3, 5),
    cells.LEM(3, 5, 0.3),
    cells.LSTM(3, 4),
    cells.GRU(3, 4),
    cells.Stack(
        (
            cells.Norm(3),
            cells.LMU(3, 5, 3, 6.0, hidden_to_memory=True),
            cells.Norm(5, "relu"),
            cells.Dense(5, 2),
        )
    ),
]


def drawn(cell, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) / 3 for name, shape in cell.params.items()}


def simulator(model, n=2, **options):
    return nengo_dl.Simulator(model, minibatch_size=n, progress_bar=False, **options)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_outputs_and_arrays(cell):
    arrays = drawn(cell)
    network = networks.build(cell, arrays)
    x = np.random.default_rng(1).normal(size=(2, 30, 3))
    expected, _ = trace(cell, arrays).scan(x)
    with simulator(network) as sim:
        ours = sim.predict({network.input: x}, verbose=0)[network.probe]
        back = networks.read_params(network.body, sim)
        trainable = sum(np.prod(w.shape) for w in sim.keras_model.trainable_weights)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_allclose(back[name], array, atol=1e-6)
    # neither the cell's constants nor the wiring are trained
    assert trainable == sum(array.size for array in arrays.values())


@pytest.mark.parametrize(
    "cell",
    [
        cells.LEM(2, 2, 0.5),
        cells.LMU(2, 2, 3, 4.0, 2, True, True, True, True, True, "tanh"),
        cells.Stack((cells.Norm(2, "sigmoid"), cells.GRU(2, 2))),
    ],
    ids=str,
)
def test_one_step_down_the_gradient_of_the_equations(cell):
    arrays = drawn(cell)
    rng = np.random.default_rng(1)
    x, target = rng.normal(size=(2, 5, 2)), rng.normal(size=(2, 5, cell.n_out))
    network = networks.build(cell, arrays)
    with network:
        nengo_dl.configure_settings(dtype="float64")
    with simulator(network) as sim:
        sim.compile(tf.optimizers.SGD(1.0), loss={network.probe: "mse"})
        sim.fit({network.input: x}, {network.probe: target}, verbose=0)
        after = networks.read_params(network.body, sim)

    def loss(name, place, shift):
        moved = arrays[name].copy()
        moved[place] += shift
        y, _ = trace(cell, {**arrays, name: moved}).scan(x)
        return np.mean((y - target) ** 2)

    for name, array in arrays.items():
        gradient = np.empty_like(array)
        for place in np.ndindex(array.shape):
            gradient[place] = (loss(name, place, 1e-5) - loss(name, place, -1e-5)) / 2e-5
        np.testing.assert_allclose(arrays[name] - after[name], gradient, atol=1e-7, err_msg=name)


def test_training_lowers_the_loss_and_its_arrays_give_the_same_outputs_everywhere():
    cell = cells.Stack((cells.LMU.paper(1, 6, 4, 8.0), cells.Dense(6, 1)))
    network = networks.build(cell, seed=0)
    x = np.random.default_rng(0).uniform(-1, 1, (32, 12, 1))
    target = np.concatenate([np.zeros((32, 3, 1)), x[:, :-3]], axis=1)
    with simulator(network, 16) as sim:
        sim.compile(tf.optimizers.Adam(0.01), loss={network.probe: "mse"})
        history = sim.fit({network.input: x}, {network.probe: target}, epochs=15, verbose=0)
        trained = networks.read_params(network.body, sim)
        predicted = sim.predict({network.input: x[:16]}, stateful=False, verbose=0)[network.probe]
        sim.freeze_params(network)
    losses = history.history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    np.testing.assert_allclose(trace(cell, trained).scan(x[:16])[0], predicted, atol=1e-5)
    rebuilt = networks.build(cell, trained)
    np.testing.assert_allclose(networks.simulate(rebuilt, x[0]), predicted[0], atol=1e-5)
    np.testing.assert_allclose(networks.simulate(network, x[0]), predicted[0], atol=1e-5)


def users_model(trainable):
    with nengo.Network() as model:
        if trainable is not None:
            nengo_dl.configure_settings(trainable=trainable)
        source = nengo.Node(np.zeros(2))
        lmu = networks.LMU(3, 4, 5, theta=0.008, hidden_to_memory=True)
        nengo.Connection(source, lmu.input, transform=np.ones((3, 2)), synapse=None)
        nengo.Probe(lmu.output)
    return model, lmu


@pytest.mark.parametrize("trainable", [None, True, False])
def test_within_a_users_model_his_setting_holds_for_what_can_be_trained(trainable):
    model, lmu = users_model(trainable)
    with simulator(model) as sim:
        count = sum(np.prod(w.shape) for w in sim.keras_model.trainable_weights)
    own = sum(np.prod(shape) for shape in lmu.cell.params.values())
    assert count == (0 if trainable is False else own + 6)
