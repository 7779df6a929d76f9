"""LMU and LEM as a Nengo user meets them."""

from __future__ import annotations

import nengo
import numpy as np
import pytest

from edgemem import cells, networks
from edgemem.errors import ConfigError, ShapeError
from edgemem.ir import trace


def drawn(cell):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape) / 2 for name, shape in cell.params.items()}


def run(network, x, dt=0.001):
    """The network between a signal of the user's and a probe of the user's."""
    with nengo.Network() as model:
        source = nengo.Node(nengo.processes.PresentInput(x, dt))
        model.networks.append(network)
        nengo.Connection(source, network.input, synapse=None)
        probe = nengo.Probe(network.output)
    with nengo.Simulator(model, dt=dt, progress_bar=False) as simulator:
        simulator.run_steps(len(x))
        return simulator.data[probe]


def test_theta_is_in_seconds():
    cell = cells.LMU(2, 3, 4, 20.0, hidden_to_memory=True)
    arrays = drawn(cell)
    x = np.random.default_rng(1).normal(size=(30, 2))
    expected, _ = trace(cell, arrays).scan(x)
    for dt in (0.001, 0.01):
        lmu = networks.LMU(
            2,
            3,
            4,
            theta=20 * dt,
            simulator_dt=dt,
            params=arrays,
            hidden_to_memory=True,
            add_to_container=False,
        )
        assert lmu.cell.theta == pytest.approx(20)
        np.testing.assert_allclose(run(lmu, x, dt), expected, atol=1e-10)


def test_another_simulator_step_than_the_one_of_theta_is_refused():
    lmu = networks.LMU(1, 2, 3, theta=0.02)
    with pytest.raises(
        ConfigError, match=r"simulator's dt is 0\.01 s; give the network simulator_dt=0\.01"
    ):
        nengo.Simulator(lmu, dt=0.01, progress_bar=False)


def test_lem_in_a_model():
    cell = cells.LEM(2, 3, 0.3)
    arrays = drawn(cell)
    x = np.random.default_rng(1).normal(size=(30, 2))
    expected, _ = trace(cell, arrays).scan(x)
    lem = networks.LEM(2, 3, 0.3, params=arrays, add_to_container=False)
    np.testing.assert_allclose(run(lem, x), expected, atol=1e-10)


def test_a_network_joins_the_model_around_it():
    with nengo.Network() as model:
        lmu = networks.LMU(1, 2, 3, theta=0.02)
        lem = networks.LEM(2, 3, label="memory")
        nengo.Connection(lmu.output, lem.input)
    assert model.networks == [lmu, lem]
    assert [network.label for network in model.networks] == ["LMU", "memory"]


def test_the_users_defaults_do_not_reach_inside():
    x = np.random.default_rng(1).normal(size=(10, 2))
    quiet = run(networks.LEM(2, 3, seed=0, add_to_container=False), x)
    with nengo.Network() as model:
        model.config[nengo.Connection].synapse = 0.1
        model.config[nengo.Ensemble].neuron_type = nengo.LIF()
        model.config[nengo.Ensemble].gain = np.full(3, 7.0)
        loud = networks.LEM(2, 3, seed=0, add_to_container=False)
    np.testing.assert_allclose(run(loud, x), quiet, atol=1e-14)


def kinds(part):
    return sorted(type(o).__name__ for o in part.all_ensembles + part.all_nodes)


def test_one_labelled_part_for_each_term_of_lmu():
    lmu = networks.LMU(2, 3, 4, theta=0.02, memory_d=2, hidden_to_hidden=True)
    assert list(lmu.parts) == ["u", "m_new", "h_new"]
    assert [part.label for part in lmu.parts.values()] == ["u", "m_new", "h_new"]
    assert all(kinds(part) in (["Node"], ["Ensemble"]) for part in lmu.parts.values())
    (hidden,) = lmu.parts["h_new"].ensembles
    assert (hidden.label, hidden.n_neurons) == ("h_new", 3)
    assert isinstance(hidden.neuron_type, nengo.Tanh)
    assert {name: node.size_out for name, node in lmu.states.items()} == {"m": 8, "h": 3}
    assert lmu.states["m"].label == "m"


def test_one_labelled_part_for_each_term_of_lem():
    lem = networks.LEM(2, 3, 0.5)
    terms = ["dt", "dt_bar", "z_candidate", "z_new", "y_candidate", "y_new"]
    assert list(lem.parts) == terms
    assert kinds(lem.parts["dt"]) == ["Ensemble", "Node"]  # sigmoid, then times 0.5
    assert kinds(lem.parts["z_candidate"]) == ["Ensemble"]
    assert [node.label for node in lem.parts["z_new"].nodes] == ["product", "z_new"]


def test_parts_of_a_stack_lie_within_their_cell():
    cell = cells.Stack((cells.LMU(2, 3, 4, 5.0), cells.Stack((cells.Dense(3, 1),))))
    body = networks.build(cell, seed=0).body
    assert [network.label for network in body.networks] == ["0.lmu", "1.stack.0.dense"]
    assert [part.label for part in body.networks[0].networks] == ["u", "m_new", "h_new"]
    assert body.parts["1.stack.0.dense.y"] is body.networks[1].networks[0]


def test_every_trained_array_has_its_carrier():
    lem = networks.LEM(2, 3)
    assert set(lem.trained) == set(lem.cell.params)
    assert isinstance(lem.trained["b_z"], nengo.Ensemble)
    assert lem.trained["W_z"].label == "W_z"
    assert lem.trained["W_z"].pre_obj is lem.states["y"]


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigError, match="memory_dimensions"):
        networks.LMU(1, 2, 3, 0.02, memory_dimensions=2)


@pytest.mark.parametrize("wrong", [{"simulator_dt": 0}, {"theta": -1.0}])
def test_times_must_be_positive(wrong):
    with pytest.raises(ConfigError, match="greater than 0"):
        networks.LMU(**{"n_in": 1, "n_units": 2, "order": 3, "theta": 0.02, **wrong})


def test_arrays_of_another_size_are_refused():
    with pytest.raises(ShapeError, match="'W_1' has shape"):
        networks.LEM(2, 3, params=drawn(cells.LEM(2, 4)))
