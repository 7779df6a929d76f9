"""Populations written and read back, and their spikes against loops over the equations."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgemem_nir
from edgemem.errors import ConfigError, UnsupportedOpError
from edgemem.ops import Array
from edgemem.spiking.lif import LIFNetwork, Population, Projection
from edgemem_nir.executor import Executor
from edgemem_nir.hdf5 import parse
from edgemem_nir.lif import network_of, populations
from edgemem_nir.network import Network, Node
from edgemem_nir.writing import to_bytes

DT = 0.001
INF = np.inf
DYNAMICS = [(s, m) for s in (0.0, 0.004) for m in (0.0, 0.02, INF)]
"""(tau_syn, tau_mem) of every form: without memory, leaky, integrating, and each with a synapse."""


def population(seed: int, tau_syn: float, tau_mem: float, size: int = 5) -> Population:
    rng = np.random.default_rng(seed)
    bias = 0.05 * rng.normal(size=size)
    return Population(size, tau_syn, tau_mem, rng.uniform(0.2, 0.6, size), bias)


def recurrent(tau_syn: float, tau_mem: float, seed: int = 0) -> LIFNetwork:
    rng = np.random.default_rng(seed)
    projections = (
        Projection("x", "h", rng.uniform(size=(5, 3))),
        Projection("h", "h", 0.2 * rng.normal(size=(5, 5))),
    )
    return LIFNetwork(DT, {"x": 3}, {"h": population(seed, tau_syn, tau_mem)}, projections)


def spikes(seed: int = 9, steps: int = 400) -> Array:
    return (np.random.default_rng(seed).random((steps, 3)) < 0.3).astype(float)


def simulated(net: LIFNetwork, x: Array) -> dict[str, Array]:
    """Spikes of every population, neuron by neuron: an input in its step, spikes one step later."""
    given = {name: np.zeros(p.size) for name, p in net.populations.items()}
    u, v = dict(given), dict(given)
    history: dict[str, list[Array]] = {name: [] for name in given}
    for frame in x:
        before = {"x": frame, **{name: given[name] for name in given}}
        for name, p in net.populations.items():
            u[name] = u[name] * np.exp(-net.dt / p.tau_syn) if p.tau_syn else np.zeros(p.size)
            for projection in net.projections:
                if projection.target == name:
                    u[name] = u[name] + projection.weights @ before[projection.source]
            drive = u[name] + p.bias
            if p.tau_mem == 0:
                v[name] = drive
            elif p.tau_mem == INF:
                v[name] = v[name] + drive
            else:
                v[name] = v[name] - np.expm1(-net.dt / p.tau_mem) * (drive - v[name])
            fired = v[name] > p.threshold
            given[name] = fired.astype(float)
            v[name] = np.where(fired, 0.0, v[name])
            history[name].append(given[name])
    return {name: np.array(rows) for name, rows in history.items()}


def by_ends(net: LIFNetwork) -> list[Projection]:
    return sorted(net.projections, key=lambda p: (p.source, p.target))


@pytest.mark.parametrize(("tau_syn", "tau_mem"), DYNAMICS)
def test_spikes_are_those_of_the_equations(tau_syn: float, tau_mem: float) -> None:
    net, x = recurrent(tau_syn, tau_mem), spikes()
    found = Executor(parse(to_bytes(network_of(net)), "here")).run({"x": x})["h_output"]
    assert 0.01 < found.mean() < 0.99
    np.testing.assert_array_equal(found, simulated(net, x)["h"])


def test_a_layer_downstream_is_one_step_early() -> None:
    """NIR has no time between two nodes; a LIFNetwork has a step between two populations."""
    rng = np.random.default_rng(4)
    groups = {name: Population(5, 0.0, 0.02, np.full(5, 0.1), np.zeros(5)) for name in ("a", "b")}
    projections = (
        Projection("x", "a", rng.normal(size=(5, 3))),
        Projection("a", "b", rng.normal(size=(5, 5))),
    )
    net, x = LIFNetwork(DT, {"x": 3}, groups, projections), spikes()
    found = Executor(network_of(net)).run({"x": x})["b_output"]
    assert found.any()
    np.testing.assert_array_equal(found[:-1], simulated(net, x)["b"][1:])


@settings(max_examples=30)
@given(
    dynamics=st.lists(st.sampled_from(DYNAMICS), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_there_and_back(dynamics: list[tuple[float, float]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = {f"p{i}": population(seed + i, *taus) for i, taus in enumerate(dynamics)}
    sources = ["x", *groups]
    projections = tuple(
        Projection(source, target, rng.normal(size=(5, 3 if source == "x" else 5)))
        for target in groups
        for source in sources
        if source == "x" or rng.random() < 0.5
    )
    net = LIFNetwork(DT, {"x": 3}, groups, projections)
    back = populations(parse(to_bytes(network_of(net)), "here"))
    assert (back.dt, back.inputs) == (DT, {"x": 3})
    for name, p in groups.items():
        q = back.populations[name]
        assert q.size == p.size
        np.testing.assert_allclose([q.tau_syn, q.tau_mem], [p.tau_syn, p.tau_mem])
        np.testing.assert_allclose(q.threshold, p.threshold)
        np.testing.assert_allclose(q.bias, p.bias, atol=1e-12)
    assert len(back.projections) == len(net.projections)
    for sent, heard in zip(by_ends(net), by_ends(back)):
        assert (heard.source, heard.target) == (sent.source, sent.target)
        np.testing.assert_allclose(heard.weights, sent.weights)


def test_files(tmp_path: Path) -> None:
    net = recurrent(0.004, 0.02)
    edgemem_nir.write(net, tmp_path / "net.nir")
    edgemem_nir.write(net, tmp_path / "again.nir")
    assert (tmp_path / "net.nir").read_bytes() == (tmp_path / "again.nir").read_bytes()
    back = populations(edgemem_nir.read(tmp_path / "net.nir"))
    x = spikes()
    np.testing.assert_array_equal(simulated(back, x)["h"], simulated(net, x)["h"])


def test_the_package_takes_several_populations(tmp_path: Path) -> None:
    groups = {f"p{i}": population(i, *taus) for i, taus in enumerate(DYNAMICS)}
    ring = zip(groups, [*list(groups)[1:], "p0"])
    projections = tuple(Projection(a, b, np.eye(5)) for a, b in [("x", "p0"), *ring])
    edgemem_nir.write(LIFNetwork(DT, {"x": 5}, groups, projections), tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    kinds = [type(graph.nodes[name]).__name__ for name in groups]
    assert kinds == ["LIF", "LIF", "IF", "CubaLIF", "CubaLIF", "IF"]
    assert len(graph.outputs) == len(groups)


def test_two_projections_between_the_same_populations_add_up() -> None:
    net = recurrent(0.0, 0.02)
    double = LIFNetwork(DT, net.inputs, net.populations, (*net.projections, net.projections[0]))
    back = populations(network_of(double))
    np.testing.assert_allclose(by_ends(back)[1].weights, 2 * net.projections[0].weights)


def test_a_refractory_time_is_refused() -> None:
    net = recurrent(0.0, 0.02)
    tired = Population(5, 0.0, 0.02, np.ones(5), np.zeros(5), tau_ref=0.002)
    with pytest.raises(UnsupportedOpError, match=r"'h' has a refractory time of 0\.002 s, for"):
        network_of(LIFNetwork(DT, net.inputs, {"h": tired}, net.projections))


def test_names_that_meet() -> None:
    groups = {name: population(0, 0.004, INF) for name in ("h", "h_synapse")}
    with pytest.raises(ConfigError, match="two parts of the network are named 'h_synapse'"):
        network_of(LIFNetwork(DT, {}, groups, ()))


ONE, TWO = np.ones(2), np.array([1.0, 2.0])
LIF = {"tau": 0.02 * ONE, "r": ONE, "v_leak": 0 * ONE, "v_threshold": ONE}
CUBA = {**LIF, "tau_mem": 0.02 * ONE, "tau_syn": 0.004 * ONE}
SYNAPSE = {"tau": 0.004 * ONE, "r": ONE, "v_leak": 0 * ONE}


def foreign(*nodes: Node, output: bool = True) -> Network:
    """Nodes in a row."""
    end = {"shape": np.array([2])}
    row = [Node("Input", end), *nodes, *([Node("Output", end)] if output else [])]
    named = {f"n{i}": node for i, node in enumerate(row)}
    return Network(named, tuple(zip(named, list(named)[1:])))


def test_a_network_of_another_program() -> None:
    affine = Node("Affine", {"weight": np.array([[1.0, 2.0], [3.0, 4.0]]), "bias": TWO})
    scale = Node("Scale", {"scale": np.array([1.0, 10.0])})
    leaky = Node("LIF", {**LIF, "r": 2 * ONE, "v_leak": 0.1 * ONE})
    net = populations(foreign(affine, scale, leaky), dt=0.005)
    group = net.populations["n3"]
    assert (net.dt, net.inputs, group.tau_syn) == (0.005, {"n0": 2}, 0.0)
    # an Euler step keeps 3/4 of the voltage
    assert np.exp(-0.005 / group.tau_mem) == pytest.approx(0.75)
    np.testing.assert_allclose(net.projections[0].weights, [[2.0, 4.0], [60.0, 80.0]])
    np.testing.assert_allclose(group.bias, [0.1 + 2.0, 0.1 + 40.0])


def test_a_threshold_is_a_population_without_memory() -> None:
    net = populations(foreign(Node("Threshold", {"threshold": TWO})), DT)
    group = net.populations["n1"]
    assert (group.tau_syn, group.tau_mem, group.threshold.tolist()) == (0.0, 0.0, [1.0, 2.0])


def test_the_nodes_have_the_time_constants_of_euler_steps() -> None:
    node = network_of(recurrent(0.004, 0.02)).nodes["h"]
    assert node.kind == "CubaLIF"
    np.testing.assert_allclose(1 - DT / node.values["tau_syn"], np.exp(-DT / 0.004))
    np.testing.assert_allclose(1 - DT / node.values["tau_mem"], np.exp(-DT / 0.02))


CANNOT: dict[str, tuple[tuple[Node, ...], str]] = {
    "reset": ((Node("LIF", {**LIF, "v_reset": ONE}),), "starts again at another voltage than 0"),
    "time constants": (
        (Node("LIF", {**LIF, "tau": 0.01 * TWO}),),
        r"values of 'tau' from 0\.01 to 0\.02; a population has one",
    ),
    "overshoot": (
        (Node("LIF", {**LIF, "tau": 0.0006 * ONE}),),
        r"a step of 0\.001 s overshoots its time constant of 0\.0006 s",
    ),
    "graded": ((Node("LI", SYNAPSE),), r"'n1' \(LI\) gives graded values"),
    "integrator": ((Node("I", {"r": ONE}), Node("LIF", LIF)), r"'n1' \(I\) lies between spikes"),
    "constant": (
        (Node("Affine", {"weight": np.eye(2), "bias": ONE}), Node("CubaLIF", CUBA)),
        "a synapse or a constant current before its own synapse",
    ),
    "two synapses": (
        (Node("LI", SYNAPSE), Node("LI", SYNAPSE), Node("LIF", LIF)),
        r"'n2' \(LI\) is no synapse",
    ),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_populations_cannot_do_is_refused(name: str) -> None:
    nodes, message = CANNOT[name]
    with pytest.raises(UnsupportedOpError, match=message):
        populations(foreign(*nodes), DT)


def test_a_cycle_without_spikes() -> None:
    row = foreign(Node("LI", SYNAPSE), Node("LIF", LIF))
    back = Node("Linear", {"weight": np.eye(2)})
    net = Network({**row.nodes, "w": back}, (*row.edges, ("n1", "w"), ("w", "n1")))
    with pytest.raises(UnsupportedOpError, match="lies on a cycle without spikes"):
        populations(net, DT)


def test_a_step_that_nobody_says() -> None:
    with pytest.raises(ConfigError, match="does not say how long a step is"):
        populations(foreign(Node("LIF", LIF)))
