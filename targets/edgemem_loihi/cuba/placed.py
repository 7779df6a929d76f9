"""A network of compartments as what placement asks for."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from edgemem_loihi import placement
from edgemem_loihi.cuba.chip import Compartments, Network, Synapses


def chip_network(network: Network) -> placement.ChipNetwork:
    """Groups and synapses of ``network``, with the configurations and formats that they need.

    Several groups of synapses between the same two populations (halves of wide weights, other
    exponents or signs) are one, whose connections hold several weights.
    """
    between: dict[tuple[str, str], list[Synapses]] = defaultdict(list)
    for s in network.synapses:
        between[s.source, s.target].append(s)
    return placement.ChipNetwork(
        inputs=dict(network.inputs),
        groups=tuple(_group(name, c) for name, c in network.populations.items()),
        synapses=tuple(_synapses(groups) for groups in between.values()),
    )


def _group(name: str, c: Compartments) -> placement.Group:
    configs = np.stack([c.decay_u, c.decay_v, c.refractory], axis=1)
    return placement.Group(
        name,
        c.size,
        configs=len(np.unique(configs, axis=0)),
        thresholds=len(np.unique(c.threshold)),
    )


def _synapses(groups: list[Synapses]) -> placement.Synapses:
    first = groups[0]
    weights = np.zeros(first.shape, np.int32)
    for s in groups:
        np.add.at(weights, (s.targets, s.sources), 1)
    return placement.Synapses(
        f"{first.source} -> {first.target}",
        first.source,
        first.target,
        connected=None if weights.all() else weights > 0,
        weights_per_connection=max(1, int(weights.max())),
        formats=len({(s.exponent, s.sign) for s in groups}),
    )
