"""The LMU against its memory's theory, scipy, and keras-lmu."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.signal import cont2discrete
from scipy.special import eval_legendre

from edgemem import cells
from edgemem.cells.lmu import legendre_delay, legendre_window
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.ir import trace


def continuous(order):
    """A and B of Voelker et al. 2019, eq. 2, entry by entry."""
    A, B = np.zeros((order, order)), np.zeros((order, 1))
    for i in range(order):
        B[i] = (2 * i + 1) * (-1) ** i
        for j in range(order):
            A[i, j] = (2 * i + 1) * (-1 if i < j else (-1) ** (i - j + 1))
    return A, B


@pytest.mark.parametrize(("order", "theta"), [(1, 2.0), (2, 3.0), (6, 20.0), (12, 48.0)])
def test_the_memory_is_the_zero_order_hold_of_the_paper(order, theta):
    A, B = continuous(order)
    system = (A / theta, B / theta, np.eye(order), np.zeros((order, 1)))
    A_bar, B_bar, *_ = cont2discrete(system, dt=1.0, method="zoh")
    ours_A, ours_B = legendre_delay(order, theta)
    np.testing.assert_allclose(ours_A, A_bar, atol=1e-12)
    np.testing.assert_allclose(ours_B, B_bar, atol=1e-12)
    np.testing.assert_allclose(ours_A, expm(A / theta), atol=1e-12)


@pytest.mark.parametrize(("order", "theta"), [(1, 2.0), (6, 20.0), (12, 48.0)])
def test_the_memory_by_eulers_method(order, theta):
    A, B = continuous(order)
    system = (A / theta, B / theta, np.eye(order), np.zeros((order, 1)))
    A_bar, B_bar, *_ = cont2discrete(system, dt=1.0, method="euler")
    ours_A, ours_B = legendre_delay(order, theta, "euler")
    np.testing.assert_allclose(ours_A, A_bar, atol=1e-12)
    np.testing.assert_allclose(ours_B, B_bar, atol=1e-12)


@pytest.mark.parametrize(
    ("order", "shortest"), [(4, 5.2), (6, 10.6), (8, 17.7), (16, 59.7), (32, 197.0)]
)
def test_eulers_method_is_refused_where_it_is_unstable(order, shortest):
    """The shortest windows were found by stepping: below them a memory grows without end."""
    A, B = continuous(order)

    def largest(theta):
        m, A_bar = np.zeros(order), np.eye(order) + A / theta
        for step in range(4000):
            m = A_bar @ m + B[:, 0] / theta * np.cos(step)
            if np.abs(m).max() > 1e6:
                break
        return np.abs(m).max()

    long, short = 1.02 * shortest, 0.9 * shortest
    assert largest(long) < 1e3
    legendre_delay(order, long, "euler")
    assert largest(short) > 1e6
    with pytest.raises(
        ConfigError, match=rf"at order {order} \(spectral radius 1\.\d+\).*zoh"
    ) as e:
        cells.LMU(1, 4, order, short, discretizer="euler")
    said = float(str(e.value).partition("more than ")[2].partition(";")[0])
    assert said == pytest.approx(shortest, rel=0.01)


def test_a_discretizer_is_written_only_where_it_is_not_zoh():
    zoh = cells.LMU(1, 4, 4, 8.0)
    assert "discretizer" not in zoh.to_dict()
    euler = cells.LMU(1, 4, 4, 8.0, discretizer="euler")
    for cell in (zoh, euler):
        assert cells.from_dict(cell.to_dict()) == cell
    with pytest.raises(UnknownNameError, match="no discretizer named 'tustin'; known: euler, zoh"):
        cells.LMU(1, 4, 4, 8.0, discretizer="tustin")


@pytest.mark.parametrize("delay", [0.25, 0.5, 1.0])
def test_the_memory_delays_a_sine(delay):
    order, theta, n = 8, 40.0, 400
    A, B = legendre_delay(order, theta)
    read = legendre_window(order, np.array([delay]))
    t = np.arange(n)
    u = np.sin(2 * np.pi * t / 80)
    m, out = np.zeros((order, 1)), []
    for sample in u:
        m = A @ m + B * sample
        out.append((read @ m).item())
    # a held sample lies half a step in the past on average
    expected = np.sin(2 * np.pi * (t - delay * theta + 0.5) / 80)
    np.testing.assert_allclose(out[200:], expected[200:], atol=2e-3)


def test_the_window_is_made_of_shifted_legendre_polynomials():
    delays = np.linspace(0, 1, 7)
    window = legendre_window(5, delays)
    assert window.shape == (7, 5)
    for degree in range(5):
        np.testing.assert_allclose(window[:, degree], eval_legendre(degree, 2 * delays - 1))


def test_the_papers_cell_has_every_coupling_and_a_quiet_memory():
    cell = cells.LMU.paper(2, 3, 4, 5.0)
    assert set(cell.params) == {"e_x", "e_h", "e_m", "W_x", "W_h", "W_m", "b"}
    arrays = cell.init(np.random.default_rng(0))
    assert not arrays["e_m"].any()
    assert abs(arrays["e_x"]).max() <= np.sqrt(3 / 2)


def test_a_memory_of_several_channels_is_so_many_memories():
    d, order, n_in = 3, 4, 2
    cell = cells.LMU(n_in, d * order, order, 6.0, memory_d=d, activation="linear")
    e_x = np.random.default_rng(0).normal(size=(d, n_in))
    x = np.random.default_rng(1).normal(size=(9, n_in))
    arrays = {"e_x": e_x, "W_m": np.eye(d * order), "b": np.zeros(d * order)}
    together, _ = trace(cell, arrays).scan(x)
    single = cells.LMU(n_in, order, order, 6.0, activation="linear")
    for channel in range(d):
        arrays = {"e_x": e_x[channel : channel + 1], "W_m": np.eye(order), "b": np.zeros(order)}
        alone, _ = trace(single, arrays).scan(x)
        np.testing.assert_allclose(
            together[:, channel * order : (channel + 1) * order], alone, atol=1e-14
        )


FLAGS = ("hidden_to_memory", "memory_to_memory", "input_to_hidden", "hidden_to_hidden", "use_bias")


@pytest.mark.parametrize("values", list(itertools.product([False, True], repeat=len(FLAGS))))
def test_every_coupling_agrees_with_keras_lmu(values):
    # the peer means Keras 3, which NengoDL in the same process leaves as it is
    import keras
    import keras_lmu

    flags = dict(zip(FLAGS, values))
    n_in, n_units, order, d, theta = 3, 5, 4, 2, 7.0
    cell = cells.LMU(n_in, n_units, order, theta, memory_d=d, **flags)
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) / 3 for name, shape in cell.params.items()}

    recurrent = flags.pop("hidden_to_hidden")
    layers = keras.layers
    hidden = (layers.SimpleRNNCell if recurrent else layers.Dense)(
        n_units, activation="tanh", dtype="float64"
    )
    peer = keras_lmu.LMUCell(d, order, theta, hidden, dtype="float64", **flags)
    peer.build((1, n_in))
    # what keras-lmu multiplies from the right we multiply from the left, one array for each term
    peer.kernel.assign(np.hstack([arrays[k] for k in ("e_x", "e_h") if k in arrays]).T)
    hidden.kernel.assign(np.hstack([arrays[k] for k in ("W_m", "W_x") if k in arrays]).T)
    hidden.bias.assign(arrays["b"])
    if "e_m" in arrays:
        peer.recurrent_kernel.assign(arrays["e_m"].T)
    if "b_u" in arrays:
        peer.bias.assign(arrays["b_u"])
    if recurrent:
        hidden.recurrent_kernel.assign(arrays["W_h"].T)
    np.testing.assert_allclose(cell.constants["A"], peer.A.numpy().T, atol=1e-13)
    np.testing.assert_allclose(cell.constants["B"], peer.B.numpy().T, atol=1e-13)

    x = rng.normal(size=(2, 6, n_in))
    states = [keras.ops.zeros((2, size), "float64") for size in (d * order, n_units)]
    expected = []
    for t in range(x.shape[1]):
        y, states = peer(keras.ops.convert_to_tensor(x[:, t]), states)
        expected.append(y.numpy())
    ours, _ = trace(cell, arrays).scan(x)
    np.testing.assert_allclose(ours, np.stack(expected, axis=1), atol=1e-12)
