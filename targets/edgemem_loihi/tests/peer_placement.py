"""Placement beside NengoLoihi's own count of what a block uses.

``scripts/test-peers`` runs it; NengoLoihi is no part of the test install.
"""

from __future__ import annotations

from dataclasses import replace

import nengo
import nengo_loihi
import numpy as np
import pytest

from edgemem_loihi.placement import LOIHI, ChipNetwork, Group, Synapses, place
from edgemem_loihi.placement.limits import axon_bits

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("index", [0, 6, 10, 12])
def test_memory_of_an_axon(bits: int, index: int) -> None:
    from nengo_loihi.block import SynapseConfig

    config = SynapseConfig(
        weight_bits=SynapseConfig.WEIGHT_BITS_MAP.index(bits),
        idx_bits=SynapseConfig.INDEX_BITS_MAP.index(index),
        compression=0,
        n_synapses=63,
    )
    counts = np.arange(1, 200)
    theirs = [config.bits_per_axon(int(n)) for n in counts]
    assert axon_bits(counts, bits + index).tolist() == theirs


def test_use_of_two_cores() -> None:
    """Two blocks with an input, dense weights between them and back."""
    from nengo_loihi.block import Axon, LoihiBlock, Synapse

    sizes = {"x": 30, "a": 600, "b": 500}
    wires = [("x", "a"), ("a", "b"), ("b", "a")]
    blocks = {name: LoihiBlock(sizes[name]) for name in ("a", "b")}
    for source, target in wires:
        synapse = Synapse(sizes[source])
        synapse.set_weights(np.ones((sizes[source], sizes[target])))
        blocks[target].add_synapse(synapse)
        if source in blocks:
            axon = Axon(sizes[source])
            axon.target = synapse
            axon.set_compartment_axon_map(np.arange(sizes[source]))
            blocks[source].add_axon(axon)
    theirs = {name: block.utilization() for name, block in blocks.items()}

    groups = (Group("a", 600), Group("b", 500))
    synapses = tuple(Synapses(f"{s}{t}", s, t) for s, t in wires)
    # with memory for whole groups, as NengoLoihi counts before it cuts a block
    limits = replace(LOIHI, core=replace(LOIHI.core, synapse_bits=10**7))
    cores = place(ChipNetwork({"x": 30}, groups, synapses), limits).cores
    ours = {core.slices[0].group: core.usage for core in cores}
    assert set(ours) == {"a", "b"}
    for name, usage in ours.items():
        assert (usage.compartments, 1024) == theirs[name]["compartments"]
        assert (usage.in_axons, 4096) == theirs[name]["in-axons"]
        assert (usage.out_axons, 4096) == theirs[name]["out-axons"]
        assert usage.synapse_bits == theirs[name]["synapses"][0]


def test_nengo_loihi_refuses_dense_1000_to_1000() -> None:
    with nengo.Network(seed=0) as net:
        nengo_loihi.set_defaults()
        kind = nengo_loihi.neurons.LoihiSpikingRectifiedLinear()
        a = nengo.Ensemble(1000, 1, neuron_type=kind, gain=np.ones(1000), bias=np.zeros(1000))
        b = nengo.Ensemble(1000, 1, neuron_type=kind, gain=np.ones(1000), bias=np.zeros(1000))
        weights = np.random.default_rng(0).normal(size=(1000, 1000))
        nengo.Connection(a.neurons, b.neurons, transform=weights)
    with pytest.raises(nengo.exceptions.BuildError, match=r"Output axons \(9000\) exceeded max"):
        nengo_loihi.Simulator(net, target="sim")
    groups = (Group("a", 1000), Group("b", 1000))
    assert len(place(ChipNetwork({}, groups, (Synapses("w", "a", "b"),))).cores) == 9
