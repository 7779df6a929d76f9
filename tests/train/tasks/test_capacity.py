"""The capacity task, against the theory of its memory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import eval_legendre

from edgemem.cells.lmu import legendre_delay
from edgemem.errors import ConfigError
from edgemem.ir import trace
from edgemem.train.tasks import get
from edgemem.train.tasks.capacity import Options, decoded, load
from edgemem.train.tasks.request import Request

pytestmark = pytest.mark.training


def test_targets_are_the_signal_some_steps_ago() -> None:
    data = load(Options(delay=40, frequency=4.0, sequences=20), None, 0)
    test = data.test.take(np.arange(len(data.test)))
    assert (len(data.train.signals), len(data.validation), len(test)) == (8, 2, 10)
    assert test.x.shape == (10, 100, 1) and test.y.shape == (10, 100, 5)
    assert data.facts["delays"] == [0, 10, 20, 30, 40]
    assert np.isnan(test.y[:, :40]).all()
    for step in (40, 67, 99):
        for place, delay in enumerate((0, 10, 20, 30, 40)):
            np.testing.assert_array_equal(test.y[:, step, place], test.x[:, step - delay, 0])


def test_batches_have_targets_too() -> None:
    data = load(Options(delay=20, frequency=2.0, sequences=20), None, 0)
    batch = next(iter(data.train.epoch(np.random.default_rng(0), 4)))
    assert batch.x.shape == (4, 50, 1)
    np.testing.assert_array_equal(batch.y[:, 20:, 4], batch.x[:, :30, 0])


def test_the_memory_is_as_long_as_the_delay_unless_it_is_said() -> None:
    request = Request("capacity", "lmu", options={"delay": 400})
    assert request.chosen().layers[0]["theta"] == 399.5
    assert request.with_param("theta", 500.0).chosen().layers[0]["theta"] == 500.0
    assert "theta" not in Request("capacity", "lstm", options={"delay": 400}).chosen().layers[0]


def test_untrained_it_reads_each_delay_with_the_error_of_the_memory() -> None:
    options = Options(delay=100, frequency=10.0, sequences=20)
    recipe = Request("capacity", "lmu", options={"delay": 100}).chosen()
    stack = recipe.stack(1, 5)
    arrays = decoded(stack, options, stack.init(np.random.default_rng(0)))
    data = load(options, None, 0)
    test = data.test.take(np.arange(4))
    graph = trace(stack, {**arrays, **stack.constants})
    given = np.stack([graph.scan(one)[0] for one in test.x.astype(np.float64)])
    # the same by hand: the memory stepped, read by Legendre polynomials of scipy
    A, B = legendre_delay(100, 99.5)
    m = np.zeros((4, 100))
    for step in range(250):
        m = m @ A.T + test.x[:, step] * B[:, 0]
        read = [[eval_legendre(i, 2 * r - 1) for i in range(100)] for r in (0, 0.25, 0.5, 0.75, 1)]
        if step % 50 == 0:
            np.testing.assert_allclose(given[:, step], m @ np.array(read).T, atol=1e-9)
    error = np.nanmean((given - test.y) ** 2)
    # published for 100 steps: 7e-3 to 2e-2 over the delays
    assert 5e-3 < error < 2.5e-2


def test_other_networks_start_as_they_are() -> None:
    for name in ("lstm", "lem", "gru"):
        stack = get("capacity").recipes[name].stack(1, 5)
        arrays = stack.init(np.random.default_rng(0))
        assert decoded(stack, Options(), arrays) is arrays


def test_options() -> None:
    with pytest.raises(ConfigError, match="delay must be 5 or more"):
        Options(delay=0)
    with pytest.raises(ConfigError, match="frequency must lie between"):
        Options(delay=10, frequency=10.0)
    with pytest.raises(ConfigError, match="sequences must be 10 or more"):
        Options(sequences=3)
    # an order or a window of zero is refused by the cell
    request = Request("capacity", "lmu")
    with pytest.raises(ConfigError, match=r"lmu\.order: must be greater than 0 \(got 0\)"):
        request.with_param("order", 0).chosen()
    with pytest.raises(ConfigError, match=r"lmu\.theta: must be greater than 0"):
        request.with_param("theta", 0.0).chosen()
