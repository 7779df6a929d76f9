"""What leads to each spiking node: weights from inputs and spikes, a synapse, a constant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgemem.errors import UnsupportedOpError
from edgemem.ops import Array

from .network import SPIKING, Network, Node

_PASSED = frozenset({"Affine", "Linear", "Scale", "Flatten", "LI"})


@dataclass(frozen=True)
class Drive:
    """The current of a spiking node: ``LI(tau_syn, weights @ spikes) + offset``.

    Parameters
    ----------
    size : int
    weights : mapping of (size, n_source) array
        What a spike adds to the current, by its source.
    offset : (size,) array
    tau_syn : float
        Time constant of an LI node on the way, as the file has it; 0 without one.
    """

    size: int
    weights: Mapping[str, Array]
    offset: Array
    tau_syn: float


@dataclass(frozen=True)
class _Term:
    """``LI(tau, weight @ spikes)``."""

    source: str
    weight: Array
    tau: float

    def times(self, weight: Array) -> _Term:
        return _Term(self.source, weight @ self.weight, self.tau)


@dataclass(frozen=True)
class _Signal:
    terms: tuple[_Term, ...]
    offset: Array

    def times(self, weight: Array) -> _Signal:
        return _Signal(tuple(t.times(weight) for t in self.terms), weight @ self.offset)


def drives(network: Network, dt: float) -> dict[str, Drive]:
    """The drive of each spiking node, in the order of names.

    Raises
    ------
    UnsupportedOpError
        If something but affine maps and leaky integrators lies between spikes.
    """
    widths, sources = network.widths(), network.sources()
    _check_outputs(network)
    found: dict[str, _Signal] = {}
    open_: set[str] = set()

    def signal(name: str) -> _Signal:
        """What the node ``name`` gives, in terms of inputs and spikes."""
        node, width = network.nodes[name], widths[name]
        if node.kind in SPIKING or name in network.inputs:
            return _Signal((_Term(name, np.eye(width), 0.0),), np.zeros(width))
        if name not in found:
            found[name] = _through(name, node, width, before(name, node), dt)
        return found[name]

    def before(name: str, node: Node) -> _Signal:
        if name in open_:
            raise UnsupportedOpError(f"node {name!r} lies on a cycle without spikes")
        if node.kind not in _PASSED | {"Input", "Output"}:
            raise UnsupportedOpError(
                f"node {name!r} ({node.kind}) lies between spikes; populations are reached by "
                f"{', '.join(sorted(_PASSED))} only"
            )
        open_.add(name)
        x = _sum(map(signal, sources[name]), node.sizes[0] or widths[name])
        open_.discard(name)
        return x

    spiking = sorted(name for name, node in network.nodes.items() if node.kind in SPIKING)
    return {
        name: _drive(name, widths[name], _sum(map(signal, sources[name]), widths[name]))
        for name in spiking
    }


def _through(name: str, node: Node, width: int, x: _Signal, dt: float) -> _Signal:
    values = {key: np.asarray(array, np.float64) for key, array in node.values.items()}
    if node.kind == "LI":
        return _synapse(name, values, width, x, dt)
    if node.kind == "Scale":
        return x.times(np.diag(np.broadcast_to(values["scale"].reshape(-1), (width,))))
    if node.kind in ("Affine", "Linear"):
        y = x.times(values["weight"])
        return _Signal(y.terms, y.offset + values.get("bias", 0.0))
    return x


def _synapse(name: str, values: Mapping[str, Array], width: int, x: _Signal, dt: float) -> _Signal:
    tau = one_of(name, "tau", values)
    if x.offset.any() or values["v_leak"].any() or any(term.tau for term in x.terms):
        raise UnsupportedOpError(
            f"node {name!r} (LI) is no synapse: a constant or another LI leads to it"
        )
    # forward Euler: a spike of one step adds (dt / tau) R to the current
    y = x.times(np.diag(np.broadcast_to(dt / tau * values["r"], (width,))))
    return _Signal(tuple(_Term(t.source, t.weight, tau) for t in y.terms), y.offset)


def _sum(signals: Iterable[_Signal], width: int) -> _Signal:
    every = list(signals)
    terms = tuple(term for signal in every for term in signal.terms)
    return _Signal(terms, sum((signal.offset for signal in every), np.zeros(width)))


def _drive(name: str, width: int, x: _Signal) -> Drive:
    taus = {term.tau for term in x.terms}
    if len(taus) > 1:
        raise UnsupportedOpError(f"node {name!r} is reached by synapses of several time constants")
    weights: dict[str, Array] = {}
    for term in x.terms:
        weights[term.source] = weights.get(term.source, 0.0) + term.weight
    return Drive(width, weights, x.offset, taus.pop() if taus else 0.0)


def _check_outputs(network: Network) -> None:
    """A population gives spikes, and so nothing graded may leave the network."""
    sources = network.sources()
    ahead = [source for name in network.outputs for source in sources[name]]
    while ahead:
        name = ahead.pop()
        kind = network.nodes[name].kind
        if kind == "Output" or (kind == "Input" and name not in network.inputs):
            ahead.extend(sources[name])
        elif kind not in SPIKING:
            raise UnsupportedOpError(
                f"node {name!r} ({kind}) gives graded values, which populations of spiking neurons "
                "do not; run the network with edgemem_nir.executor.Executor"
            )


def one_of(name: str, key: str, values: Mapping[str, Array]) -> float:
    """The one value of a time constant, in seconds."""
    low, high = float(values[key].min()), float(values[key].max())
    if high > low * (1 + 1e-6):
        raise UnsupportedOpError(
            f"node {name!r} has values of {key!r} from {low:g} to {high:g}; a population has one"
        )
    return low
