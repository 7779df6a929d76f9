from __future__ import annotations

import numpy as np
import pytest

from edgemem.errors import ConfigError, GraphError, ShapeError
from edgemem.ops import Array
from edgemem_nir.executor import Executor
from edgemem_nir.network import Edge, Network, Node
from edgemem_nir.order import evaluation_order


def linear(gain: float) -> Node:
    return Node("Linear", {"weight": np.array([[gain]])})


END = Node("Input", {"shape": np.array([1])})
OUT = Node("Output", {"shape": np.array([1])})
HOLD = Node("I", {"r": np.array([1.0])})


def net(nodes: dict[str, Node], *edges: Edge) -> Network:
    return Network({"x": END, "y": OUT, **nodes}, edges, {"dt": 1.0})


def test_sources_come_first() -> None:
    network = net({"b": linear(1), "a": linear(1)}, ("x", "b"), ("b", "a"), ("a", "y"))
    assert evaluation_order(network) == ("x", "b", "a", "y")


def test_a_cycle_takes_one_step() -> None:
    # v <- v + x + 2 v_before
    network = net({"v": HOLD, "w": linear(2)}, ("x", "v"), ("v", "w"), ("w", "v"), ("v", "y"))
    y = Executor(network).run({"x": np.array([[1.0], [0.0], [0.0]])})["y"]
    assert y[:, 0].tolist() == [1.0, 3.0, 9.0]


@pytest.mark.parametrize("first", ["a", "z"])
def test_the_name_of_a_weight_on_a_cycle_does_not_matter(first: str) -> None:
    nodes = {"m": HOLD, first: linear(-0.5)}
    network = net(nodes, ("x", "m"), ("m", first), (first, "m"), ("m", "y"))
    y = Executor(network).run({"x": np.ones((4, 1))})["y"]
    assert y[:, 0].tolist() == [1.0, 1.5, 1.75, 1.875]


def test_a_bias_on_a_cycle_acts_from_the_first_step() -> None:
    biased = Node("Affine", {"weight": np.array([[0.0]]), "bias": np.array([3.0])})
    network = net({"v": HOLD, "w": biased}, ("x", "v"), ("v", "w"), ("w", "v"), ("v", "y"))
    y = Executor(network).run({"x": np.zeros((2, 1))})["y"]
    assert y[:, 0].tolist() == [3.0, 6.0]


def test_a_cycle_that_nothing_feeds_stands_still() -> None:
    network = net({"v": HOLD, "w": linear(2)}, ("v", "w"), ("w", "v"), ("v", "y"), ("x", "y"))
    y = Executor(network).run({"x": np.array([[5.0], [6.0]])})["y"]
    assert y[:, 0].tolist() == [5.0, 6.0]


def test_a_cycle_without_a_state() -> None:
    network = net({"a": linear(1), "b": linear(1)}, ("x", "a"), ("a", "b"), ("b", "a"), ("a", "y"))
    with pytest.raises(
        GraphError, match="nodes a, b form a cycle in which nothing spikes or has a state"
    ):
        Executor(network)


def test_edges_add_up() -> None:
    network = net({"a": linear(2), "b": linear(3)}, ("x", "a"), ("x", "b"), ("a", "y"), ("b", "y"))
    assert Executor(network).step({"x": np.array([1.0])})["y"].tolist() == [5.0]


def test_a_network_that_does_not_say_its_step() -> None:
    network = Network({"x": END, "y": OUT}, (("x", "y"),))
    with pytest.raises(ConfigError, match="does not say how long a step is; give dt"):
        Executor(network)
    assert Executor(network, 0.5).dt == 0.5


@pytest.mark.parametrize("dt", [0.0, -1.0, np.inf, np.nan])
def test_a_step_that_cannot_be(dt: float) -> None:
    with pytest.raises(ConfigError, match="dt must be a number of seconds greater than 0"):
        Executor(Network({"x": END, "y": OUT}, (("x", "y"),)), dt)


def test_a_network_without_ends() -> None:
    with pytest.raises(GraphError, match="no Input or no Output node"):
        Executor(Network({"v": HOLD}, (), {"dt": 1.0}))


@pytest.mark.parametrize("x", [{}, {"x": np.zeros(2)}])
def test_an_input_that_does_not_fit(x: dict[str, Array]) -> None:
    with pytest.raises(ShapeError, match=r"input 'x': got .*, expected \(\.\.\., 1\)"):
        Executor(net({}, ("x", "y"))).step(x)
