"""Populations of spiking neurons as NIR nodes, and NIR nodes as populations.

One step of :class:`edgemem.spiking.lif.LIFNetwork` as it is taken here, and as forward Euler at
``dt`` computes the nodes that stand for it:

.. math::

    u \\leftarrow (1 - dt / \\tau_s) u + W s, \\qquad
    v \\leftarrow v + (dt / \\tau_m) (-v + u + b)

where a spike lasts one step; ``tau_syn = 0`` leaves ``u = W s``, ``tau_mem = 0`` leaves
``v = u + b``, and ``tau_mem = inf`` integrates, ``v + u + b``.
"""

from __future__ import annotations

import numpy as np

from edgemem.errors import ConfigError, UnsupportedOpError
from edgemem.ops import Array
from edgemem.spiking.lif import LIFNetwork, Population, Projection

from .drive import Drive, drives, one_of
from .network import Edge, Network, Node


def network_of(lif: LIFNetwork) -> Network:
    """``lif`` as NIR nodes, its numbers in float64.

    A population becomes one node under its own name: CubaLIF; LIF without a synapse; IF without a
    leak; Threshold with neither. A synapse before an IF or a Threshold is an LI node of its own,
    and a bias before an IF an Affine node. Populations that lead nowhere but to themselves get an
    Output node; if there is none, all do.

    Raises
    ------
    UnsupportedOpError
        If a population has a refractory time, for which NIR has no word.
    """
    nodes = {name: Node("Input", {"shape": np.array([size])}) for name, size in lif.inputs.items()}
    edges: list[Edge] = []
    entries: dict[str, str] = {}
    for name, population in lif.populations.items():
        chain = _chain(name, population, lif.dt)
        _add(nodes, chain)
        names = list(chain)
        edges.extend(zip(names, names[1:]))
        entries[name] = names[0]
    for projection in lif.projections:
        name = _fresh(f"{projection.source}_to_{projection.target}", nodes)
        nodes[name] = Node("Linear", {"weight": np.asarray(projection.weights, np.float64)})
        edges.extend([(projection.source, name), (name, entries[projection.target])])
    for name in _leaving(lif):
        output = _fresh(f"{name}_output", nodes)
        nodes[output] = Node("Output", {"shape": np.array([lif.populations[name].size])})
        edges.append((name, output))
    return Network(nodes, tuple(edges), {"dt": lif.dt})


def populations(network: Network, dt: float | None = None) -> LIFNetwork:
    """The populations and projections in a NIR network.

    Parameters
    ----------
    network : Network
    dt : float, optional
        Length of a step in seconds; without it, the one in the network's metadata.

    Raises
    ------
    ConfigError
        If there is no ``dt``.
    UnsupportedOpError
        If nodes do something that populations cannot: graded outputs, a reset to another voltage
        than 0, time constants that differ within a node.
    """
    step = network.metadata.get("dt") if dt is None else dt
    if not isinstance(step, float):
        raise ConfigError("the NIR file does not say how long a step is; give dt, in seconds")
    found = drives(network, step)
    inputs = {name: int(network.nodes[name].sizes[0] or 0) for name in network.inputs}
    groups, projections = {}, []
    for name, drive in found.items():
        groups[name], gain = _population(name, network.nodes[name], drive, step)
        projections += [
            Projection(source, name, gain[:, None] * weights)
            for source, weights in drive.weights.items()
        ]
    return LIFNetwork(step, inputs, groups, tuple(projections))


def _chain(name: str, population: Population, dt: float) -> dict[str, Node]:
    """The nodes of a population in a row, the spiking one last."""
    p = population
    if p.tau_ref > 0:
        raise UnsupportedOpError(
            f"population {name!r} has a refractory time of {p.tau_ref:g} s, for which NIR has no "
            "word; set tau_ref to 0"
        )
    one, bias = np.ones(p.size), np.asarray(p.bias, np.float64)
    threshold = np.asarray(p.threshold, np.float64)
    if p.tau_syn > 0 and 0 < p.tau_mem < np.inf:
        # R = tau_mem / dt: the one that snnTorch reads
        current = {"tau_syn": p.tau_syn * one, "w_in": p.tau_syn / p.tau_mem * one}
        membrane = {"tau_mem": p.tau_mem * one, "r": p.tau_mem / dt * one, "v_leak": bias}
        return {name: Node("CubaLIF", {**current, **membrane, "v_threshold": threshold})}
    before = {}
    if p.tau_syn > 0:
        tau, r = p.tau_syn * one, p.tau_syn / dt * one
        before[f"{name}_synapse"] = Node("LI", {"tau": tau, "r": r, "v_leak": 0 * one})
    if p.tau_mem == 0:
        return {**before, name: Node("Threshold", {"threshold": threshold - bias})}
    if p.tau_mem < np.inf:
        leaky = {"tau": p.tau_mem * one, "r": one, "v_leak": bias, "v_threshold": threshold}
        return {**before, name: Node("LIF", leaky)}
    if bias.any():
        before[f"{name}_bias"] = Node("Affine", {"weight": np.eye(p.size), "bias": bias})
    return {**before, name: Node("IF", {"r": one / dt, "v_threshold": threshold})}


def _add(nodes: dict[str, Node], more: dict[str, Node]) -> None:
    for name, node in more.items():
        if name in nodes:
            raise ConfigError(f"two parts of the network are named {name!r}; rename one")
        nodes[name] = node


def _fresh(name: str, nodes: dict[str, Node]) -> str:
    count = 1
    fresh = name
    while fresh in nodes:
        count += 1
        fresh = f"{name}_{count}"
    return fresh


def _leaving(lif: LIFNetwork) -> list[str]:
    leading = {p.source for p in lif.projections if p.target != p.source}
    return [name for name in lif.populations if name not in leading] or list(lif.populations)


def _population(name: str, node: Node, drive: Drive, dt: float) -> tuple[Population, Array]:
    """The population of a spiking node, and the gain of what a spike adds to its current."""
    values = {key: np.asarray(array, np.float64) for key, array in node.values.items()}
    size = drive.size
    if np.any(values.get("v_reset", 0.0)):
        raise UnsupportedOpError(f"node {name!r} starts again at another voltage than 0")
    gain, leak = np.ones(size), np.zeros(size)
    tau_syn, tau_mem = drive.tau_syn, 0.0
    if node.kind == "IF":
        gain, tau_mem = dt * values["r"] * gain, np.inf
    elif node.kind != "Threshold":
        gain, leak = values["r"] * gain, values["v_leak"] + leak
        tau_mem = one_of(name, "tau" if node.kind == "LIF" else "tau_mem", values)
    if node.kind == "CubaLIF":
        if drive.tau_syn or drive.offset.any():
            raise UnsupportedOpError(
                f"node {name!r} has a synapse or a constant current before its own synapse"
            )
        tau_syn = one_of(name, "tau_syn", values)
        gain = gain * values.get("w_in", 1.0) * dt / tau_syn
    threshold = values["threshold" if node.kind == "Threshold" else "v_threshold"] + 0 * leak
    return Population(size, tau_syn, tau_mem, threshold, leak + gain * drive.offset), gain
