"""Units and synapses as what is to be placed on a chip's cores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..placement import ChipNetwork, Group, Synapses
from .elements import OUTSIDE
from .network import GradedNetwork, Population, Projection


def chip_network(network: GradedNetwork) -> ChipNetwork:
    """What placement reads of a network.

    Each accumulator counts as a compartment, each population as one configuration (its units run
    one program), and each part of a message as a weight and a format of its own.
    """
    return ChipNetwork(
        inputs={network.program.input: network.program.n_in},
        groups=tuple(
            Group(p.name, p.size, compartments=max(p.accumulators, 1)) for p in network.populations
        ),
        synapses=tuple(
            synapses
            for projection in network.projections
            for synapses in _synapses(network, projection)
        ),
    )


def _synapses(network: GradedNetwork, projection: Projection) -> Iterator[Synapses]:
    """The synapses of a projection, for each pair of populations that it joins."""
    rows, columns = np.nonzero(projection.nonzero)
    targets = projection.targets[:, rows].reshape(-1)
    sources = projection.sources[:, columns].reshape(-1)
    outside = projection.outside[:, columns].reshape(-1)
    sides = [(network.program.input, network.program.n_in, outside)]
    sides += [
        (p.name, p.size, _positions(p, network.n_units)[sources]) for p in network.populations
    ]
    for target in network.populations:
        after = _positions(target, network.n_units)[targets]
        for name, size, before in sides:
            joined = (after != OUTSIDE) & (before != OUTSIDE)
            if name != network.program.input:
                joined &= sources != OUTSIDE
            if not joined.any():
                continue
            connected = np.zeros((target.size, size), bool)
            connected[after[joined], before[joined]] = True
            yield Synapses(
                name=f"{projection.name}: {name} -> {target.name}",
                source=name,
                target=target.name,
                connected=connected,
                weights_per_connection=projection.parts,
                formats=projection.parts,
            )


def _positions(population: Population, n_units: int) -> NDArray[np.int64]:
    """Where each unit is within a population; -1 for units of others."""
    found = np.full(n_units, OUTSIDE, np.int64)
    found[population.units] = np.arange(population.size)
    return found
