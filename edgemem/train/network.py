"""The Nengo network around the fused form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nengo
import numpy as np

from edgemem.frameworks import nengo_dl
from edgemem.train.fused import Fused


@dataclass(frozen=True)
class FusedNetwork:
    """A ``nengo.Network`` whose one step is a whole sequence.

    Parameters
    ----------
    network : nengo.Network
    input : nengo.Node
        Takes a sequence flattened to (n_steps * width,).
    probe : nengo.Probe
        Gives the outputs flattened to (n_read * n_out,).
    layer : Fused
        Holds the trained arrays.
    rates : nengo.Probe, optional
        Gives the firing rates of a form that runs on spikes.
    """

    network: Any
    input: Any
    probe: Any
    layer: Fused
    rates: Any = None


def fused_network(layer: Fused, seed: int = 0) -> FusedNetwork:
    """A network of one input, the layer as a ``TensorNode``, and a probe of what it gives."""
    size_in = layer.n_steps * layer.width
    size_out = layer.size_out
    n_outputs = size_out - layer.n_rates
    with nengo.Network(label="fused", seed=seed) as network:
        nengo_dl.configure_settings(stateful=False, keep_history=False)
        source = nengo.Node(np.zeros(size_in), label="input")
        node = nengo_dl.TensorNode(
            layer, shape_in=(size_in,), shape_out=(size_out,), pass_time=False, label="layer"
        )
        nengo.Connection(source, node, synapse=None)
        probe = nengo.Probe(node[:n_outputs], label="output")
        rates = nengo.Probe(node[n_outputs:], label="rates") if layer.n_rates else None
    return FusedNetwork(network, source, probe, layer, rates)
