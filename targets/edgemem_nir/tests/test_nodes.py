from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from edgemem.errors import ConfigError
from edgemem.ops import Array
from edgemem_nir.network import Node
from edgemem_nir.nodes import meaning

DT = 0.01


def run(kind: str, x: Array, **values: ArrayLike) -> Array:
    """What a node gives for a sequence of shape (t, n)."""
    node = meaning("node", Node(kind, {k: np.asarray(v, float) for k, v in values.items()}), DT)
    return np.stack([node.step(frame) for frame in x])


def constant(value: float, steps: int) -> Array:
    return np.full((steps, 1), value)


def test_an_integrator_adds_up() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    r = np.array([1.0, 5.0, 100.0])
    np.testing.assert_allclose(run("I", x, r=r), np.cumsum(DT * r * x, axis=0))


def test_a_leaky_integrator_follows_the_closed_form() -> None:
    # v_n = (v_leak + R x) (1 - (1 - dt / tau)^n) for a constant x
    n = np.arange(1, 51)[:, None]
    expected = (0.3 + 2.0 * 0.7) * (1 - (1 - DT / 0.08) ** n)
    v = run("LI", constant(0.7, 50), tau=[0.08], r=[2.0], v_leak=[0.3])
    np.testing.assert_allclose(v, expected)


def test_a_current_based_integrator_is_two_coupled_equations() -> None:
    # (I, v) <- M (I, v) + c, where v reads the new I
    a, b, r, w, leak = DT / 0.03, DT / 0.05, 3.0, 2.0, 0.1
    M = np.array([[1 - a, 0.0], [b * r * (1 - a), 1 - b]])
    state, expected = np.zeros(2), []
    x = np.random.default_rng(1).normal(size=(30, 1))
    for frame in x[:, 0]:
        state = M @ state + np.array([a * w * frame, b * (leak + r * a * w * frame)])
        expected.append(state[1])
    v = run("CubaLI", x, tau_syn=[0.03], tau_mem=[0.05], r=[r], v_leak=[leak], w_in=[w])
    np.testing.assert_allclose(v[:, 0], expected)


def test_integrate_and_fire_counts() -> None:
    # 0.03 a step passes 0.1 at the fourth step, and starts again at 0
    z = run("IF", constant(1.0, 12), r=[3.0], v_threshold=[0.1])
    assert np.flatnonzero(z).tolist() == [3, 7, 11]


def test_a_reset_voltage() -> None:
    z = run("IF", constant(1.0, 12), r=[3.0], v_threshold=[0.1], v_reset=[0.05])
    assert np.flatnonzero(z).tolist() == [3, 5, 7, 9, 11]


def test_leaky_integrate_and_fire_has_the_period_of_its_equation() -> None:
    tau, drive, threshold = 0.2, 1.5, 1.0
    period = int(np.ceil(np.log(1 - threshold / drive) / np.log(1 - DT / tau)))
    z = run(
        "LIF",
        constant(drive, 5 * period),
        tau=[tau],
        r=[1.0],
        v_leak=[0.0],
        v_threshold=[threshold],
    )
    assert np.flatnonzero(z).tolist() == [period * k - 1 for k in range(1, 6)]


def test_a_current_based_neuron_spikes_where_its_voltage_would_pass() -> None:
    shared: dict[str, ArrayLike] = {
        "tau_syn": [0.03],
        "tau_mem": [0.05],
        "r": [3.0],
        "v_leak": [0.0],
    }
    x = constant(1.0, 30)
    v = run("CubaLI", x, **shared)
    z = run("CubaLIF", x, v_threshold=[1.0], **shared)
    first = int(np.argmax(v > 1.0))
    assert np.flatnonzero(z)[0] == first


def test_a_threshold_is_passed_not_reached() -> None:
    z = run("Threshold", np.array([[0.5, 0.5 + 1e-9, -1.0]]), threshold=[0.5, 0.5, 0.5])
    assert z.tolist() == [[0.0, 1.0, 0.0]]


def test_affine_scale_and_what_only_passes_on() -> None:
    x = np.array([[1.0, 2.0]])
    assert run("Affine", x, weight=[[1.0, 1.0], [0.0, 3.0]], bias=[0.5, 0.0]).tolist() == [[3.5, 6]]
    assert run("Linear", x, weight=[[2.0, 1.0]]).tolist() == [[4.0]]
    assert run("Scale", x, scale=[2.0, -1.0]).tolist() == [[2.0, -2.0]]
    assert run("Flatten", x).tolist() == x.tolist()


@pytest.mark.parametrize("empty_row", [False, True])
def test_a_sparse_matrix_gives_what_a_dense_one_does(empty_row: bool) -> None:
    rng = np.random.default_rng(4)
    weight = rng.normal(size=(40, 60)) * (rng.random((40, 60)) < 0.02)
    weight[np.arange(40), rng.integers(0, 60, 40)] = 1.0
    weight[7] *= not empty_row
    for x in (rng.normal(size=(5, 60)), rng.normal(size=(5, 3, 60))):
        found = run("Affine", x, weight=weight, bias=np.ones(40))
        np.testing.assert_allclose(found, x @ weight.T + 1.0)


def test_a_delay_has_its_steps_for_each_element() -> None:
    x = np.arange(1.0, 11.0).reshape(5, 2)
    y = run("Delay", x, delay=[0.02, 0.0])
    assert y.tolist() == [[0, 2], [0, 4], [1, 6], [3, 8], [5, 10]]


def test_batches_go_by_side() -> None:
    node = Node("LIF", {k: np.array([v]) for k, v in _LIF.items()})
    x = np.random.default_rng(2).normal(size=(40, 3, 4))
    batch = meaning("node", node, DT)
    together = np.stack([batch.step(frame) for frame in x])
    for i in range(3):
        alone = meaning("node", node, DT)
        np.testing.assert_array_equal(
            together[:, i], np.stack([alone.step(frame) for frame in x[:, i]])
        )


_LIF = {"tau": 0.05, "r": 2.0, "v_leak": 0.0, "v_threshold": 0.2}


def test_reset_forgets() -> None:
    node = meaning("node", Node("LIF", {k: np.array([v]) for k, v in _LIF.items()}), DT)
    x = np.random.default_rng(3).normal(size=(40, 2))
    first = [node.step(frame) for frame in x]
    node.reset()
    np.testing.assert_array_equal(first, [node.step(frame) for frame in x])


@pytest.mark.parametrize("kind", ["LI", "LIF"])
def test_a_step_that_makes_euler_diverge(kind: str) -> None:
    values = {k: np.array([v]) for k, v in {**_LIF, "tau": 0.004}.items()}
    with pytest.raises(ConfigError, match=r"more than twice tau of node 'h' \(0\.004 s\)"):
        meaning("h", Node(kind, values), DT)
