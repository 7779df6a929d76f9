"""Populations of leaky integrate-and-fire neurons in floats, from which chips and NIR start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgemem.errors import GraphError
from edgemem.ops import Array


@dataclass(frozen=True)
class Population:
    """Current-based LIF neurons with exponential synapses (CUBA LIF).

    .. math::

        \\tau_s \\dot u = -u + \\text{input}, \\qquad \\tau_m \\dot v = -v + u + b

    A neuron whose ``v`` exceeds ``threshold`` spikes and starts again at ``v = 0``.

    Parameters
    ----------
    size : int
    tau_syn : float
        Time constant of the current, in seconds; 0 for a current that lasts one step.
    tau_mem : float
        Time constant of the voltage, in seconds; ``inf`` for an integrator, 0 for none.
    threshold : (size,) array
    bias : (size,) array
        Constant current.
    tau_ref : float
        Refractory time, in seconds.
    """

    size: int
    tau_syn: float
    tau_mem: float
    threshold: Array
    bias: Array
    tau_ref: float = 0.0

    def __post_init__(self) -> None:
        for name in ("threshold", "bias"):
            shape = np.shape(getattr(self, name))
            if shape != (self.size,):
                raise GraphError(f"population: {name} has shape {shape}, expected ({self.size},)")


@dataclass(frozen=True)
class Projection:
    """Synapses from an input or a population to a population.

    A spike adds ``weights[:, i]`` to the currents of the target one step later (from an input,
    in the same step).

    Parameters
    ----------
    source, target : str
    weights : (n_target, n_source) array
    """

    source: str
    target: str
    weights: Array


@dataclass(frozen=True)
class LIFNetwork:
    """Populations and their projections.

    Parameters
    ----------
    dt : float
        Step, in seconds.
    inputs : mapping of int
        Sizes of the sources of spikes outside the network, by name.
    populations : mapping of Population
    projections : tuple of Projection
    """

    dt: float
    inputs: Mapping[str, int]
    populations: Mapping[str, Population]
    projections: tuple[Projection, ...]

    def __post_init__(self) -> None:
        sizes = {**self.inputs, **{name: p.size for name, p in self.populations.items()}}
        for p in self.projections:
            if p.source not in sizes or p.target not in self.populations:
                raise GraphError(f"projection {p.source!r} -> {p.target!r}: no such population")
            if p.weights.shape != (sizes[p.target], sizes[p.source]):
                raise GraphError(
                    f"projection {p.source!r} -> {p.target!r}: weights of shape "
                    f"{p.weights.shape}, expected ({sizes[p.target]}, {sizes[p.source]})"
                )
