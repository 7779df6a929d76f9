"""A spiking network as a ``nengo.Network``, built of units, gates and membranes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import cast

import nengo
import numpy as np

from edgemem.errors import check_known
from edgemem.ir import INPUT, Node
from edgemem.networks.cell import LabelledNetwork, last, owners
from edgemem.networks.meaning import Operand, Term, Value
from edgemem.networks.spiking_ops import SpikingOps, parameter, value_size
from edgemem.ops import Array
from edgemem.spiking import SpikingNetwork, spikes_of
from edgemem.spiking.populations import FUNCTIONS, IDENTITY

_LAYOUT = frozenset({"split", "merge", "slice"})


class Spiking(LabelledNetwork):
    """A trained network on spikes, ``network.steps`` simulator steps to a frame.

    The input is a pulse at the first step of each frame (:func:`currents`). What travels between
    the parts are currents, which membranes integrate to the values of the float network.

    Parameters
    ----------
    network : SpikingNetwork
    probes : sequence of str
        Values to be probed, among ``network.probes``.
    label : str, optional
    seed : int, optional
        Nengo's seed; nothing here is drawn at random.

    Attributes
    ----------
    input : nengo.Node
        Size ``network.n_in``, zero until data is fed to it.
    populations : dict of nengo.Ensemble
        By name.
    spikes : dict of nengo.Probe
        Of every population.
    values : dict of nengo.Probe
        Of what was asked for, as membranes that the frame fills: read them at its last step.
    output : nengo.Probe
        As ``values``.
    """

    def __init__(
        self,
        network: SpikingNetwork,
        probes: Sequence[str] = (),
        label: str | None = None,
        seed: int | None = None,
    ) -> None:
        check_known("probe", probes, network.probes)
        super().__init__(label=label, seed=seed)
        self.network = network
        self.populations: dict[str, nengo.Ensemble] = {}
        self._ops = SpikingOps(self, network)
        self._plans = {p.name: p for p in network.populations}
        self._held = _read_often(network)
        with self:
            self.input = nengo.Node(np.zeros(network.n_in), label="input")
        values = self._compute()
        for name, line in self._lines.items():
            with self.scope(name):
                self._ops.connect(values[self._after[name]], line.terms[0].source, synapse=0)
        with self:
            self.spikes = {
                name: nengo.Probe(ensemble.neurons, synapse=None, label=name)
                for name, ensemble in self.populations.items()
            }
            self.values = {name: self._probe(values[name], name) for name in probes}
            self.output = self._probe(values[network.graph.output], "output")

    def _compute(self) -> dict[str, Operand]:
        graph, parts = self.network.graph, owners(self.network.graph)
        values: dict[str, Operand] = {
            **{name: parameter(name, array) for name, array in graph.params.items()},
            INPUT: Value((graph.n_in,), (Term(self.input),)),
            **self._states(),
        }
        if INPUT in self._plans:
            with self:
                values[spikes_of(INPUT)] = self._population(INPUT, values[INPUT])
        for node in graph.nodes:
            with self.part(parts[node.name]):
                values.update(self._named(node, values))
        return values

    def _states(self) -> dict[str, Operand]:
        """States, and spikes of the frame before: lines by which they come late."""
        plan, graph = self.network.plan, self.network.graph
        self._after = {**graph.next_states, **plan.carried}
        self._lines: dict[str, Value] = {}
        values: dict[str, Operand] = {}
        shapes = graph.shapes()
        sent = {*plan.carried, *(s for s, n in graph.next_states.items() if self._is_sent(n))}
        for name in self._after:
            shape = shapes[name.partition(":")[0]]
            with self.scope(name):
                line = self._ops.late(int(np.prod(shape)), last(name))
                self._lines[name] = line
                value = Value(shape, line.terms)
                values[name] = value if name in sent else self._ops.kept(value, last(name))
        return values

    def _is_sent(self, name: str) -> bool:
        return name in self._plans and self._plans[name].function != IDENTITY

    def _named(self, node: Node, values: dict[str, Operand]) -> dict[str, Operand]:
        """The value of a node, and what its spikes say."""
        ops, label = self._ops, last(node.name)
        inputs = [values[name] for name in self.network.plan.reads[node.name]]
        if node.op not in _LAYOUT and node.op != "matvec":
            inputs = [ops.arrived(value) for value in inputs]
        if node.op in FUNCTIONS:
            return {node.name: self._population(node.name, inputs[0])}
        value = cast(Operand, getattr(ops, node.op)(*inputs, *node.args))
        if node.op not in _LAYOUT and (node.labelled or node.name in self._held):
            value = ops.hold(value, label if node.labelled else "sum")
        found = {node.name: value}
        if node.name in self._plans:
            found[spikes_of(node.name)] = self._population(node.name, value)
        return found

    def _population(self, name: str, drive: Operand) -> Value:
        ensemble, value = self._ops.population(self._plans[name], drive, last(name))
        self.populations[name] = ensemble
        return value

    def _probe(self, value: Operand, label: str) -> nengo.Probe:
        node = nengo.Node(self._ops.membrane(value_size(value)), label=label)
        self._ops.connect(value, node)
        return nengo.Probe(node, synapse=None, label=label)


def _read_often(network: SpikingNetwork) -> set[str]:
    """Values that one object has to hold: more than one thing reads them."""
    graph = network.graph
    reads = Counter(name for names in network.plan.reads.values() for name in names)
    reads.update([graph.output, *graph.next_states.values(), *network.plan.terms])
    reads.update(p.name for p in network.populations)
    return {name for name, count in reads.items() if count > 1}


def build(network: SpikingNetwork, probes: Sequence[str] = (), label: str | None = None) -> Spiking:
    """The ``nengo.Network`` of a spiking network; see :class:`Spiking`."""
    return Spiking(network, probes, label)


def currents(network: SpikingNetwork, x: Array) -> Array:
    """What the input Node gives: each frame, or its change, as a pulse at the first of its steps.

    Parameters
    ----------
    network : SpikingNetwork
    x : (..., t, n_in) array
        From the first frame on.

    Returns
    -------
    (..., t * steps, n_in) array
    """
    *batch, t, n_in = x.shape
    pulses = np.zeros((*batch, t, network.steps, n_in))
    if network.code == "delta":
        x = np.diff(x, axis=-2, prepend=0.0)
    pulses[..., 0, :] = x / network.dt
    return pulses.reshape(*batch, t * network.steps, n_in)
