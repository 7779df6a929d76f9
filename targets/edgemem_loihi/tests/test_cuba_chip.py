"""Limits of the chip's registers, each refused in a sentence; counts; placement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgemem.errors import ConfigError, GraphError, ShapeError, UnknownNameError
from edgemem.spiking.lif import LIFNetwork, Population, Projection
from edgemem_loihi.cuba import Compartments, Emulator, Network, Synapses, discretize
from edgemem_loihi.cuba.placed import chip_network


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"decay_u": 4096}, "decay_u 4096 is out of range; the chip has 0 to 4095"),
        ({"decay_v": [0, -1, 0]}, "decay_v -1 is out of range; the chip has 0 to 4095"),
        ({"threshold": 131072}, "threshold 131072 is out of range; the chip has 0 to 131071"),
        ({"bias_mantissa": -4096}, "bias_mantissa -4096 is out of range; .* -4095 to 4095"),
        ({"bias_exponent": 8}, "bias_exponent 8 is out of range; the chip has 0 to 7"),
        ({"refractory": 0}, "refractory 0 is out of range; the chip has 1 to 64"),
        ({"vmin_exponent": 32}, "vmin_exponent 32 is out of range; the chip has 0 to 31"),
        ({"vmax_exponent": 8}, "vmax_exponent 8 is out of range; the chip has 0 to 7"),
        ({"threshold": 0.5}, "chip values must be whole numbers"),
        ({"size": 0}, "a population of 0; at least 1 is needed"),
    ],
)
def test_compartments_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Compartments.of(**{"size": 3, "threshold": 100, **values})


@pytest.mark.parametrize(
    ("weights", "form", "message"),
    [
        ([[256]], {}, r"weights \(mixed\) 256 is out of range; the chip has -256 to 254"),
        ([[3]], {}, "weight 3; weights of mixed sign must be even"),
        ([[256]], {"sign": "excitatory"}, "256 is out of range; the chip has 0 to 255"),
        ([[2]], {"sign": "inhibitory"}, "2 is out of range; the chip has -255 to 0"),
        ([[2]], {"sign": "both"}, "sign 'both'; known: excitatory, inhibitory, mixed"),
        ([[2]], {"exponent": 8}, "exponent 8 is out of range; the chip has -7 to 7"),
        ([[2]], {"exponent": -8}, "exponent -8 is out of range; the chip has -7 to 7"),
        ([2], {}, r"weights of shape \(1,\), expected \(n_target, n_source\)"),
    ],
)
def test_weights_out_of_range(weights: Any, form: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Synapses.dense("x", "h", weights, **form)


def test_single_synapses_must_lie_in_their_populations() -> None:
    with pytest.raises(ConfigError, match="target 3 is out of range"):
        Synapses.sparse("x", "h", [3], [0], [2], shape=(3, 1))
    with pytest.raises(ConfigError, match="1 targets, 2 sources, 1 weights"):
        Synapses.sparse("x", "h", [1], [0, 0], [2], shape=(3, 1))


def test_signs_of_one_kind_have_odd_weights() -> None:
    network = Network(
        {"x": 1},
        {"h": Compartments.of(2, threshold=131071, vmin_exponent=23)},
        (
            Synapses.dense("x", "h", [[255], [1]], sign="excitatory"),
            Synapses.dense("x", "h", [[-3], [0]], -1, sign="inhibitory"),
        ),
    )
    ran = Emulator(network).run({"x": np.ones((1, 1, 1), bool)}, u=("h",))
    # -3 shifted right by one place is -2
    assert ran.u["h"].ravel().tolist() == [64 * 253, 64]


def small() -> Network:
    return Network(
        {"x": 3},
        {"h": Compartments.of(2, threshold=100)},
        (Synapses.dense("x", "h", [[254, 0, 2], [254, 0, 0]]),),
    )


@pytest.mark.parametrize(
    ("inputs", "synapse", "message"),
    [
        ({"h": 1}, None, "'h' is an input and a population"),
        ({"x": 1}, Synapses.dense("y", "h", [[2], [2]]), "no such population; known: h, x"),
        ({"x": 1}, Synapses.dense("h", "x", [[2, 2]]), "no such population; known: h, x"),
        ({"x": 1}, Synapses.dense("x", "h", [[2]]), r"shape \(1, 1\), expected \(2, 1\)"),
    ],
)
def test_networks_that_do_not_fit_together(
    inputs: dict[str, int], synapse: Synapses | None, message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        Network(inputs, small().populations, (synapse,) if synapse else ())
    with pytest.raises(GraphError, match="no populations"):
        Network(inputs, {}, ())


def test_bad_runs() -> None:
    with pytest.raises(ConfigError, match="a batch of 0; at least 1 is needed"):
        Emulator(small(), batch=0)
    emulator, x = Emulator(small()), np.zeros((1, 4, 3), bool)
    with pytest.raises(UnknownNameError, match="no population named 'g'; known: h"):
        emulator.run({"x": x}, spikes=("g",))
    with pytest.raises(UnknownNameError, match="no input named 'y'; known: x"):
        emulator.run({"y": x})
    with pytest.raises(ShapeError, match=r"shape \(1, 4, 2\), expected \(1, 4, 3\)"):
        emulator.run({"x": x[..., :2]})
    with pytest.raises(ConfigError, match="without inputs, the number of steps must be given"):
        emulator.run()


def test_counts_by_hand() -> None:
    emulator = Emulator(small(), batch=2)
    x = np.zeros((2, 3, 3), bool)
    # step 1: two spikes in one sequence; step 2: one that reaches nothing; step 3: none
    x[0, 0, [0, 2]] = x[1, 1, 1] = True
    emulator.run({"x": x})
    counts = emulator.counts(frames=1)
    # unit 0 has two synapses, unit 1 none, unit 2 one; both compartments of sequence 0 spike
    assert emulator.sent["x"].tolist() == [1, 1, 1]
    assert emulator.sent["h"].tolist() == [1, 1]
    assert counts.synaptic_operations == 3
    assert counts.messages == 5
    assert counts.barriers == 6
    # currents last one step and a spike resets: two compartments were active once
    assert (counts.active_updates, counts.idle_updates) == (2, 2 * 3 * 2 - 2)
    assert counts.frames == 1
    emulator.reset()
    assert emulator.counts() == type(counts)()


def lif(
    threshold: float = 1.0,
    bias: float = 0.0,
    weight: float = 0.1,
    tau_syn: float = 0.005,
    tau_mem: float = 0.02,
) -> LIFNetwork:
    cells = Population(2, tau_syn, tau_mem, np.full(2, threshold), np.full(2, bias), 0.002)
    return LIFNetwork(
        1e-3, {"x": 1}, {"h": cells}, (Projection("x", "h", np.full((2, 1), weight)),)
    )


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lif(weight=1e-6), "no weight exponent from 0 to -7 brings those into their registers"),
        (lif(bias=1e4), "no weight exponent from 0 to -7"),
        (lif(threshold=1e-7, weight=1.0), "do not fit one scale; the smallest would be 0"),
        (lif(tau_mem=9.0), "tau_mem is 9 s; with steps of 0.001 s, 12 bits of decay reach 8.19 s"),
        (lif(tau_syn=np.inf), "tau_syn is inf s"),
    ],
)
def test_floats_that_do_not_fit(network: LIFNetwork, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        discretize(network)


@pytest.mark.parametrize("tau_syn", [0.0, 0.01])
@pytest.mark.parametrize("tau_mem", [0.0, 0.05, np.inf])
def test_discretised_network_follows_its_floats(tau_syn: float, tau_mem: float) -> None:
    """u and v below threshold, against the equations in float64; currents of either sign."""
    rng = np.random.default_rng(1)
    n, steps = 30, 60
    weights, bias = 0.05 * rng.normal(size=(n, 8)), 0.02 * rng.normal(size=n)
    x = rng.random((1, steps, 8)) < 0.2
    d_u = 1.0 if tau_syn == 0 else -np.expm1(-1e-3 / tau_syn)
    d_v = 1.0 if tau_mem == 0 else -np.expm1(-1e-3 / tau_mem)
    gain = 1.0 if np.isinf(tau_mem) else d_v
    u, v, us, vs = np.zeros(n), np.zeros(n), [], []
    for t in range(steps):
        u = (1 - d_u) * u + weights @ x[0, t]
        v = (1 - d_v) * v + gain * (u + bias)
        us.append(u)
        vs.append(v)
    cells = Population(n, tau_syn, tau_mem, np.full(n, 1.1 * np.abs(vs).max()), bias)
    result = discretize(LIFNetwork(1e-3, {"x": 8}, {"h": cells}, (Projection("x", "h", weights),)))
    ran = Emulator(result.network).run({"x": x}, spikes=("h",), u=("h",), v=("h",))
    assert not ran.spikes["h"].any()
    for got, scale, of in ((ran.u, result.currents, us), (ran.v, result.voltages, vs)):
        error = got["h"][0] / scale["h"] - np.array(of)
        assert np.sqrt(np.mean(error**2)) < 0.015 * np.sqrt(np.mean(np.square(of)))


def test_what_placement_is_asked_for() -> None:
    cells = Compartments.of(4, threshold=[1, 1, 2, 3], decay_v=[0, 0, 0, 9])
    halves = 2 * np.arange(8).reshape(4, 2)
    network = Network(
        {"x": 2},
        {"h": cells},
        (
            Synapses.dense("x", "h", halves),
            Synapses.dense("x", "h", halves, -7),
            Synapses.dense("h", "h", np.full((4, 4), 2)),
        ),
    )
    asked = chip_network(network)
    assert asked.inputs == {"x": 2}
    (group,) = asked.groups
    assert (group.size, group.configs, group.thresholds) == (4, 2, 3)
    wide, full = asked.synapses
    assert np.array_equal(np.asarray(wide.connected), halves != 0)
    assert (wide.weights_per_connection, wide.formats) == (2, 2)
    assert full.connected is None
    assert (full.weights_per_connection, full.formats) == (1, 1)
