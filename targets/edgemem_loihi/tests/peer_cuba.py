"""The emulator beside NengoLoihi's: the same integers in every step, in every compartment.

``scripts/test-peers`` runs it; NengoLoihi is no part of the test install.
"""

from __future__ import annotations

import warnings
from typing import Any

import nengo
import nengo_loihi as loihi
import numpy as np
import pytest

from edgemem.errors import GraphError
from edgemem.spiking.lif import LIFNetwork, Population, Projection
from edgemem_loihi.cuba import Discretized, Emulator, discretize
from edgemem_loihi.cuba.blocks import from_blocks
from edgemem_loihi.cuba.discretize import decay_sum

pytestmark = [
    pytest.mark.peers,
    # NengoLoihi fills its int32 arrays with NaN before it writes the values.
    pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning"),
]


def built(network: Any, kind: str = "sim") -> Any:
    """NengoLoihi's model of a Nengo network, by default with integers."""
    with loihi.Simulator(network, target=kind, progress_bar=False) as sim:
        return sim.model


def beside(
    model: Any, steps: int, share: float, seed: int = 0, strict: bool = True
) -> tuple[int, Emulator]:
    """Run both on random spikes and compare every register in every step; the spikes seen."""
    from nengo_loihi.emulator import EmulatorInterface

    rng = np.random.default_rng(seed)
    network = from_blocks(model)
    x = {name: rng.random((steps, size)) < share for name, size in network.inputs.items()}
    for source, spikes in zip(model.inputs, x.values()):
        source.spikes.clear()
        for t, row in enumerate(spikes):
            # what a host sends arrives one step later
            source.add_spikes(t + 1, np.flatnonzero(row), permanent=True)
    peer, ours = EmulatorInterface(model, seed=seed), Emulator(network, strict=strict)
    peer.compartment.strict = strict
    # model.blocks and the populations of the network stand in the same order
    registers = {"current": ours.u, "voltage": ours.v, "spiked": ours.spikes}
    seen = 0
    for t in range(steps):
        peer.step()
        ours.step({name: s[None, t - 1] for name, s in x.items()} if t else None)
        for name, of in registers.items():
            got = np.concatenate([of(p)[0] for p in network.populations])
            np.testing.assert_array_equal(got, getattr(peer.compartment, name), f"{name}, {t}")
        seen += int(peer.compartment.spiked.sum())
    total = sum(int(ours.sent[name].sum()) for name in network.populations)
    assert total == seen == peer.compartment.spike_count.sum()
    return seen, ours


def recurrent() -> Any:
    """Populations of several time constants: neurons to neurons, decoded, and by weights."""
    rng = np.random.default_rng(5)
    with nengo.Network(seed=1) as network:
        loihi.set_defaults()
        stimulus = nengo.Node([0.5, -0.3])
        a = nengo.Ensemble(60, 2, neuron_type=nengo.LIF(tau_rc=0.02, tau_ref=0.002))
        b = nengo.Ensemble(50, 1, neuron_type=nengo.LIF(tau_rc=0.05, tau_ref=0.001))
        c = nengo.Ensemble(40, 1, neuron_type=nengo.SpikingRectifiedLinear())
        d = nengo.Ensemble(30, 1, neuron_type=nengo.LIF(tau_rc=0.1, tau_ref=0.005))
        nengo.Connection(stimulus, a, synapse=None)
        to_b, to_c = 2e-3 * rng.normal(size=(50, 60)), 1e-3 * rng.normal(size=(40, 50))
        nengo.Connection(a.neurons, b.neurons, transform=to_b, synapse=0.01)
        back = 1e-3 * rng.normal(size=(50, 50))
        nengo.Connection(b.neurons, b.neurons, transform=back, synapse=0.01)
        nengo.Connection(b.neurons, c.neurons, transform=to_c, synapse=0.1)
        nengo.Connection(c, d, synapse=0.002)
        nengo.Connection(b, a, transform=[[1], [0.5]], synapse=0.005)
        weights = nengo.solvers.LstsqL2(weights=True)
        nengo.Connection(d, c, solver=weights, synapse=0.1)
    return network


def test_recurrent_network_bit_for_bit() -> None:
    model = built(recurrent())
    assert len(model.blocks) > 4  # decode neurons have blocks of their own
    seen, _ = beside(model, steps=250, share=0.2)
    assert seen > 1000


def test_split_blocks_bit_for_bit() -> None:
    shape = loihi.BlockShape
    with nengo.Network(seed=2) as network:
        loihi.add_params(network)
        stimulus = nengo.Node([0.2])
        a, b = nengo.Ensemble(90, 1), nengo.Ensemble(70, 1)
        network.config[a].block_shape = shape((30,), (90,))
        network.config[b].block_shape = shape((25,), (70,))
        nengo.Connection(stimulus, a, synapse=None)
        rng = np.random.default_rng(0)
        transform = 3e-3 * rng.normal(size=(70, 90)) * (rng.random((70, 90)) < 0.1)
        sparse = nengo.Sparse(
            (70, 90), indices=np.argwhere(transform), init=transform[transform != 0]
        )
        nengo.Connection(a.neurons, b.neurons, transform=sparse, synapse=0.005)
        nengo.Connection(b.neurons, a.neurons, transform=1e-3 * np.ones((90, 70)), synapse=0.005)
    model = built(network)
    assert len(model.blocks) >= 6
    seen, _ = beside(model, steps=150, share=0.3)
    assert seen > 500


@pytest.mark.filterwarnings("ignore:Overflow in :UserWarning")
@pytest.mark.parametrize(("n_axons", "quantity"), [(200, "u"), (1000, "q")])
def test_overflow_wraps_alike(n_axons: int, quantity: str) -> None:
    # NengoLoihi's own case of an overflow (test_uv_overflow), which it compares with the chip
    from nengo_loihi.block import Axon, LoihiBlock, Synapse
    from nengo_loihi.builder import Model
    from nengo_loihi.builder.discretize import VTH_MAX, discretize_model
    from nengo_loihi.inputs import SpikeInput

    model, source, block = Model(), SpikeInput(n_axons), LoihiBlock(1)
    model.add_input(source)
    block.compartment.configure_relu()
    block.compartment.configure_filter(0.1)
    model.add_block(block)
    synapse, axon = Synapse(n_axons), Axon(n_axons)
    synapse.set_weights(np.ones((n_axons, 1)))
    block.add_synapse(synapse)
    axon.target = synapse
    source.add_axon(axon)
    discretize_model(model)
    block.compartment.vmin = -(2**22) + 1
    block.compartment.vth[:] = VTH_MAX
    _, ours = beside(model, steps=15, share=1.1, strict=False)
    assert ours.overflows[quantity] > 0


def test_learning_and_floats_are_refused() -> None:
    with nengo.Network() as network:
        loihi.set_defaults()
        a = nengo.Ensemble(20, 1)
        nengo.Connection(a, a, synapse=0.1)
    model = built(network, "simreal")
    with pytest.raises(GraphError, match="has floats; discretize_model"):
        from_blocks(model)
    model = built(network)
    block = next(iter(model.blocks))
    block.synapses[0].learning = True
    with pytest.raises(GraphError, match="learns, which this emulator leaves out"):
        from_blocks(model)
    block.compartment.enable_noise[:] = True
    with pytest.raises(GraphError, match="has noise, which this emulator leaves out"):
        from_blocks(model)


def lif_model(
    weights: list[Any], tau_syn: float, tau_rc: float, tau_ref: float, vth: Any, bias: Any
) -> tuple[Any, Discretized]:
    """NengoLoihi's block for a population with inputs, and the same as floats of this package."""
    from nengo_loihi.block import LoihiBlock, Synapse
    from nengo_loihi.builder.discretize import discretize_block

    n = len(vth)
    block = LoihiBlock(n)
    block.compartment.configure_filter(tau_syn)
    if np.isfinite(tau_rc):
        block.compartment.configure_lif(tau_rc=tau_rc, tau_ref=tau_ref)
    else:
        block.compartment.configure_relu(tau_ref=tau_ref)
    block.compartment.vth[:] = vth
    block.compartment.bias[:] = bias
    for w in weights:
        synapse = Synapse(w.shape[1])
        synapse.set_weights(w.T.copy())  # which it makes integers in place
        block.add_synapse(synapse)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lost .* extra bits", UserWarning)
        discretize_block(block)
    # a weight is the integral of the current in NengoLoihi, and its height here
    height = -np.expm1(-0.001 / tau_syn)
    lif = LIFNetwork(
        0.001,
        {f"x{i}": w.shape[1] for i, w in enumerate(weights)},
        {"h": Population(n, tau_syn, tau_rc, np.asarray(vth), np.asarray(bias), tau_ref)},
        tuple(Projection(f"x{i}", "h", height * w.astype(float)) for i, w in enumerate(weights)),
    )
    return block, discretize(lif)


@pytest.mark.parametrize("size", [2e-4, 3e-4, 0.03])
@pytest.mark.parametrize(
    ("tau_syn", "tau_rc", "tau_ref"),
    [(0.005, 0.02, 0.002), (0.1, 0.05, 0.001), (0.002, np.inf, 0.0), (0.03, 0.5, 0.03)],
)
def test_discretisation_gives_the_same_integers(
    size: float, tau_syn: float, tau_rc: float, tau_ref: float
) -> None:
    rng = np.random.default_rng(0)
    # relative to what a spike adds up to: the weights' exponent goes through its range
    size *= 1e3 * tau_syn * (1e3 * tau_rc if np.isfinite(tau_rc) else 1.0)
    weights = [
        np.float32(size * rng.normal(size=(20, 15))),
        np.float32(0.2 * size * rng.normal(size=(20, 6))),
    ]
    vth = np.float32(rng.uniform(0.5, 1.5, 20))
    bias = np.float32(0.01 * rng.normal(size=20))
    block, ours = lif_model(weights, tau_syn, tau_rc, tau_ref, vth, bias)
    cells, theirs = ours.network.populations["h"], block.compartment
    np.testing.assert_array_equal(cells.decay_u, theirs.decay_u)
    np.testing.assert_array_equal(cells.decay_v, theirs.decay_v)
    np.testing.assert_array_equal(cells.vth, theirs.vth)
    np.testing.assert_array_equal(cells.bias, theirs.bias)
    np.testing.assert_array_equal(cells.refractory, theirs.refract_delay)
    assert np.isclose(ours.voltages["h"], theirs.discretize_info["v_scale"], rtol=1e-6)
    for synapses, synapse in zip(ours.network.synapses, block.synapses):
        assert synapses.exponent == synapse.synapse_cfg.weight_exp
        matrix = np.zeros(synapses.shape, int)
        matrix[synapses.targets, synapses.sources] = synapses.effective
        np.testing.assert_array_equal(matrix, np.concatenate(synapse.weights).T)


def test_small_weights_beside_large_ones_keep_their_size() -> None:
    # NengoLoihi holds the exponent at -6 and shifts the mantissas all the same: 4 times too large.
    # At -6 a weight comes in steps of 64, and the largest may lose one
    rng = np.random.default_rng(0)
    weights = [np.float32(s * rng.uniform(0.5, 1.0, (4, 3))) for s in (4.8e-3, 1.2e-3)]
    block, ours = lif_model(weights, 0.005, 0.02, 0.002, np.ones(4), np.zeros(4))
    for factor, w, synapses, synapse in zip(
        (1.0, 4.0), weights, ours.network.synapses, block.synapses
    ):
        theirs = np.concatenate(synapse.weights).T
        units = ours.currents["h"] * -np.expm1(-0.001 / 0.005)
        assert synapses.exponent == synapse.synapse_cfg.weight_exp == -6
        matrix = synapses.effective.reshape(synapses.shape)
        np.testing.assert_allclose(matrix / units, w, atol=64 / units)
        np.testing.assert_allclose(theirs / units, factor * w, atol=64 / units)


@pytest.mark.parametrize(
    ("vth", "bias"), [(np.ones(3), [0.0, 0.5, -1.0]), ([0.2, 3.0, 1.0], np.zeros(3))]
)
def test_discretisation_without_weights(vth: Any, bias: Any) -> None:
    block, ours = lif_model([], 0.005, 0.02, 0.002, vth, bias)
    cells = ours.network.populations["h"]
    np.testing.assert_array_equal(cells.vth, block.compartment.vth)
    np.testing.assert_array_equal(cells.bias, block.compartment.bias)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("decay", [1, 40, 741, 2048, 4000])
def test_decay_sum_is_what_a_pulse_adds_up_to(decay: int, offset: int) -> None:
    from nengo_loihi.builder.discretize import decay_magnitude

    ours = decay_sum(decay, offset)
    assert ours == pytest.approx(float(decay_magnitude(np.array(decay), offset=offset)), rel=1e-12)
    y, total = 2**21, 0
    while y:
        total += y
        y = y * (4096 - offset - decay) // 4096
    assert ours == pytest.approx(total / 2**21, rel=2e-3)
