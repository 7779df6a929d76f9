"""NengoLoihi's discretised blocks as a network of this emulator.

Only attributes of NengoLoihi 1.1.0's ``Model`` are read; the package itself is not needed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgemem.errors import GraphError
from edgemem_loihi.cuba import limits
from edgemem_loihi.cuba.chip import Compartments, Network, Synapses


def from_blocks(model: Any) -> Network:
    """The network that NengoLoihi's emulator would run, integer for integer.

    Its inputs are named ``input0``, ``input1``, ..., its populations ``block0``, ... in the order
    of ``model.inputs`` and ``model.blocks``. NengoLoihi's emulator delays inputs by one step,
    this one does not.

    Parameters
    ----------
    model : nengo_loihi.builder.Model
        After ``discretize_model``; ``nengo_loihi.Simulator(...).model`` is.

    Raises
    ------
    GraphError
        If blocks are not discretised, learn or have noise.
    """
    inputs = {f"input{i}": source for i, source in enumerate(model.inputs)}
    blocks = {f"block{i}": block for i, block in enumerate(model.blocks)}
    homes = {id(s): name for name, block in blocks.items() for s in block.synapses}
    sizes = {name: block.n_neurons for name, block in blocks.items()}
    populations = {name: _compartments(name, block) for name, block in blocks.items()}
    synapses = [
        _synapses(name, source.n_neurons, axon, homes[id(axon.target)], sizes)
        for name, source in {**inputs, **blocks}.items()
        for axon in source.axons
    ]
    return Network(
        inputs={name: source.n_neurons for name, source in inputs.items()},
        populations=populations,
        synapses=tuple(synapses),
    )


def _compartments(name: str, block: Any) -> Compartments:
    c = block.compartment
    if c.vth.dtype != np.int32:
        raise GraphError(f"{name}: {block} has floats; discretize_model() makes them integers")
    if np.any(c.enable_noise):
        raise GraphError(f"{name}: {block} has noise, which this emulator leaves out")
    # the smallest exponent that leaves the mantissa its 12 bits
    exponent = np.zeros(c.bias.shape, np.int32)
    while np.any(wide := np.abs(c.bias) >> exponent > limits.BIAS_MAX):
        exponent[wide] += 1
    return Compartments.of(
        block.n_neurons,
        decay_u=c.decay_u,
        decay_v=c.decay_v,
        threshold=c.vth >> limits.THRESHOLD_EXPONENT,
        bias_mantissa=c.bias >> exponent,
        bias_exponent=exponent,
        # no refractory time is written as 0 or as 1
        refractory=np.maximum(c.refract_delay, 1),
        vmin_exponent=int(np.log2(1 - c.vmin)),
        vmax_exponent=int((np.log2(c.vmax + 1) - 9) / 2),
    )


def _synapses(
    source: str, n_source: int, axon: Any, target: str, sizes: Mapping[str, int]
) -> Synapses:
    synapse = axon.target
    if synapse.learning:
        raise GraphError(f"{source} -> {target}: {synapse} learns, which this emulator leaves out")
    targets: list[Any] = [np.empty(0, np.int32)]
    sources: list[Any] = [np.empty(0, np.int32)]
    weights: list[Any] = [np.empty(0, np.int32)]
    units: Sequence[Any] = axon.map_spikes(np.arange(n_source))
    for unit, spike in enumerate(units):
        base = None if spike is None else synapse.axon_compartment_base(spike.axon_idx)
        if base is None:
            continue
        values, indices = synapse.axon_weights_indices(spike.axon_idx, atom=spike.atom)
        targets.append(base + indices)
        sources.append(np.full(len(indices), unit))
        weights.append(values)
    config = synapse.synapse_cfg
    return Synapses.sparse(
        source,
        target,
        np.concatenate(targets),
        np.concatenate(sources),
        # scale = 2^(6 + exponent)
        np.concatenate(weights) / config.scale,
        shape=(sizes[target], n_source),
        exponent=config.weight_exp,
    )
