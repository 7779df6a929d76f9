"""The meaning of the ops on spikes, in Nengo: sums of connections, units, gates."""

from __future__ import annotations

from typing import Any

import nengo
import numpy as np

from edgemem.networks.meaning import NengoOps, Operand, Param, Term, Value
from edgemem.networks.spiking_units import UNITS, Begin, Gate, Latch, Membrane
from edgemem.ops import Array
from edgemem.spiking import Population, SpikingNetwork


class SpikingOps(NengoOps):
    """Nengo objects whose currents integrate to the values of the float network.

    By the code ``rate`` a frame's currents integrate to its values, by ``delta`` all of them do.

    Parameters
    ----------
    root : nengo.Network
        Gets the connections.
    network : SpikingNetwork
    """

    def __init__(self, root: nengo.Network, network: SpikingNetwork) -> None:
        super().__init__(root)
        self._network = network
        self._keeps = network.code == "delta"
        self._late: set[Any] = set()

    def late(self, size: int, label: str) -> Value:
        """A line by which spikes come late; whatever they reach keeps them for the next frame."""
        line = nengo.Node(size_in=size, label=label)
        self._late.add(line)
        return Value((size,), (Term(line),))

    def kept(self, value: Operand, label: str) -> Value:
        """What came by a late line, as a pulse at the start of the next frame."""
        latch = nengo.Node(Latch(value_size(value), self._network.steps, True), label=label)
        self.connect(value, latch)
        return Value(value.shape, (Term(latch),))

    def arrived(self, value: Operand) -> Operand:
        """``value``, kept until the next frame if it comes by a late line."""
        return self.kept(value, "kept") if self._is_late(value) else value

    def matvec(self, weight: Operand, x: Operand) -> Value:
        product = super().matvec(weight, x)
        # spikes pass the weights when they come, and wait in the target's dendrite
        return self.kept(product, "dendrite") if self._is_late(x) else product

    def mul(self, a: Operand, b: Operand) -> Value:
        if isinstance(a, Param) or isinstance(b, Param):
            return super().mul(a, b)
        shape = max(a.shape, b.shape, key=len)
        a, b = self._spread(a, shape), self._spread(b, shape)
        size = value_size(a)
        node = nengo.Node(Gate(size, self._network.steps, self._keeps), label="gate")
        self.connect(a, node[:size])
        self.connect(b, node[size:])
        return Value(shape, (Term(node),))

    def population(self, population: Population, drive: Operand, label: str) -> tuple[Any, Value]:
        """Units that send a value, and what their spikes stand for.

        Returns
        -------
        ensemble : nengo.Ensemble
        value : Value
        """
        window, size = self._network.window, population.size
        amplitude = self._network.amplitudes[population.name].ravel()
        ensemble = nengo.Ensemble(
            size,
            1,
            neuron_type=UNITS[population.function](
                self._network.steps,
                (population.stage - 1) * window,
                window,
                amplitude,
                self._keeps,
                population.carries and not self._keeps,
            ),
            gain=np.ones(size),
            bias=np.zeros(size),
            encoders=np.ones((size, 1)),
            eval_points=np.zeros((1, 1)),
            label=label,
        )
        self.connect(drive, ensemble.neurons)
        axon = nengo.Node(size_in=size, label=f"{label} spikes")
        said = Value((size,), (Term(ensemble.neurons, None, amplitude / window),))
        self.connect(said, axon)
        return ensemble, Value(population.shape, (Term(axon),))

    def membrane(self, size: int) -> Membrane:
        """What holds a value in full."""
        return Membrane(size, self._network.steps, self._keeps)

    def _is_late(self, value: Operand) -> bool:
        return isinstance(value, Value) and any(t.source in self._late for t in value.terms)

    def _constant(self) -> Any:
        if self._one is None:
            with self._root:
                self._one = nengo.Node(Begin(self._network.steps, self._keeps), label="frame")
        return self._one


def value_size(value: Operand) -> int:
    """Number of elements."""
    return int(np.prod(value.shape, dtype=int))


def parameter(name: str, array: Array) -> Param:
    """An array of a trained network, which stays as it is."""
    return Param(name, np.asarray(array), False)
