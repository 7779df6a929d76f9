"""Populations of spiking neurons as NIR nodes, and NIR nodes as populations.

One step of a :class:`edgemem.spiking.lif.LIFNetwork`, with :math:`d = 1 - \\exp(-dt / \\tau)`, is

.. math::

    u \\leftarrow (1 - d_s) u + W s, \\qquad v \\leftarrow v + d_m (-v + u + b)

and for an integrator :math:`v \\leftarrow v + u + b`. The nodes get the time constants
:math:`dt / d`, of which one step of forward Euler is the very same; they are longer than those of
the population by half a step or so.
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
    leak, with an LI node as its synapse and an Affine node for its bias before it. Populations
    that lead nowhere but to themselves get an Output node; if there is none, all do.

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
        If there is no ``dt``, or it cannot work.
    UnsupportedOpError
        If nodes do something that populations cannot: graded outputs, a reset to another voltage
        than 0, time constants that differ within a node.
    """
    step = network.step_of(dt)
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
    tau_syn, tau_mem = euler_constant(p.tau_syn, dt), euler_constant(p.tau_mem, dt)
    if tau_mem < np.inf and p.tau_syn > 0:
        # R = tau_mem / dt: the one that snnTorch reads
        current = {"tau_syn": tau_syn * one, "w_in": tau_syn / tau_mem * one}
        membrane = {"tau_mem": tau_mem * one, "r": tau_mem / dt * one, "v_leak": bias}
        return {name: Node("CubaLIF", {**current, **membrane, "v_threshold": threshold})}
    if tau_mem < np.inf:
        leaky = {"tau": tau_mem * one, "r": one, "v_leak": bias, "v_threshold": threshold}
        return {name: Node("LIF", leaky)}
    before = {}
    if p.tau_syn > 0:
        synapse = {"tau": tau_syn * one, "r": tau_syn / dt * one, "v_leak": 0 * one}
        before[f"{name}_synapse"] = Node("LI", synapse)
    if bias.any():
        before[f"{name}_bias"] = Node("Affine", {"weight": np.eye(p.size), "bias": bias})
    return {**before, name: Node("IF", {"r": one / dt, "v_threshold": threshold})}


def euler_constant(tau: float, dt: float) -> float:
    """The time constant with which an Euler step decays as ``exp(-dt / tau)``."""
    return tau if tau == np.inf else dt if tau == 0 else float(dt / -np.expm1(-dt / tau))


def exact_constant(name: str, tau: float, dt: float) -> float:
    """The inverse of :func:`euler_constant`.

    Raises
    ------
    UnsupportedOpError
        If an Euler step of ``dt`` does not decay but overshoots.
    """
    decay = dt / tau
    if decay > 1 + 1e-9:
        raise UnsupportedOpError(
            f"node {name!r}: a step of {dt:g} s overshoots its time constant of {tau:g} s, as no "
            "population does; take a smaller dt"
        )
    return 0.0 if decay > 1 - 1e-9 else float(-dt / np.log1p(-decay))


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
    tau_syn, tau_mem = drive.tau_syn, dt
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
    population = Population(
        size,
        exact_constant(name, tau_syn, dt) if tau_syn else 0.0,
        tau_mem if tau_mem == np.inf else exact_constant(name, tau_mem, dt),
        threshold,
        leak + gain * drive.offset,
    )
    return population, gain
