"""A network of NIR nodes, run by forward Euler in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import GraphError, ShapeError
from edgemem.ops import Array

from .network import SPIKING, STATEFUL, Network
from .nodes import meaning
from .order import evaluation_order

_AT_REST = STATEFUL | SPIKING | {"Input"}
"""Kinds that give zeros before the start."""


class Executor:
    """Steps of ``dt`` seconds of a network.

    A node gives its value after the step, so that what follows reads the new state; an edge that
    closes a cycle carries the value of the step before (:func:`evaluation_order`).

    Parameters
    ----------
    network : Network
    dt : float, optional
        Length of a step in seconds; without it, the one in the network's metadata.

    Attributes
    ----------
    inputs, outputs : tuple of str
        Names of the nodes that take values and give them.
    sizes : mapping of int
        Number of values of each of them.

    Raises
    ------
    ConfigError
        If there is no ``dt``, or it cannot work.
    GraphError
        If the network has no input, no output, or a cycle on which nothing spikes or has a
        state.
    """

    def __init__(self, network: Network, dt: float | None = None) -> None:
        self.network = network
        self.dt = network.step_of(dt)
        self.inputs, self.outputs = network.inputs, network.outputs
        if not self.inputs or not self.outputs:
            raise GraphError("the network has no Input or no Output node")
        every = {name: int(network.nodes[name].sizes[0] or 0) for name in network.nodes}
        self.sizes = {name: every[name] for name in (*self.inputs, *self.outputs)}
        self._order = evaluation_order(network)
        self._sources = network.sources()
        self._nodes = {name: meaning(name, network.nodes[name], self.dt) for name in self._order}
        self.reset()

    def reset(self) -> None:
        """Back to the zero state."""
        for node in self._nodes.values():
            node.reset()
        self.values: dict[str, Array] = {}

    def step(self, x: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
        """What the Output nodes give for one step.

        Parameters
        ----------
        x : mapping of (..., n) array
            A value for each Input node.
        """
        for name in self.inputs:
            if name not in x or np.shape(x[name])[-1:] != (self.sizes[name],):
                got = np.shape(x[name]) if name in x else "nothing"
                raise ShapeError(f"input {name!r}: got {got}, expected (..., {self.sizes[name]})")
        zero = np.zeros((*np.shape(x[self.inputs[0]])[:-1], 1))
        self.values = self.values or self._before_the_start(zero)
        for name in self._order:
            given = x[name] if name in self.inputs else self._sum(name, zero)
            self.values[name] = self._nodes[name].step(np.asarray(given, np.float64))
        return {name: self.values[name] for name in self.outputs}

    def run(self, x: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
        """Outputs, (..., t, n_out), for inputs of shape (..., t, n_in), from the zero state."""
        self.reset()
        n_steps = np.shape(x[self.inputs[0]])[-2]
        steps = [
            self.step({name: array[..., t, :] for name, array in x.items()}) for t in range(n_steps)
        ]
        return {name: np.stack([step[name] for step in steps], axis=-2) for name in self.outputs}

    def _sum(self, name: str, zero: Array) -> Array:
        return sum((self.values[source] for source in self._sources[name]), zero)

    def _before_the_start(self, zero: Array) -> dict[str, Array]:
        """What a cycle carries into the first step: zeros, and what an affine map makes of them."""
        values: dict[str, Array] = {}
        ahead = list(self._order)
        while ahead:
            name = ahead[-1]
            rests = self.network.nodes[name].kind in _AT_REST
            missing = [s for s in self._sources[name] if s not in values and not rests]
            if missing:
                ahead.extend(missing)
                continue
            ahead.pop()
            total = sum((values[s] for s in self._sources[name]), zero) if not rests else zero
            values[name] = total if rests else self._nodes[name].step(total)
        return values
