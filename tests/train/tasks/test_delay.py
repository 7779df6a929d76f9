"""Delays within a window, against the memory's own error."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells.lmu import legendre_delay
from edgemem.errors import ConfigError
from edgemem.train.tasks.delay import TASK, Options, as_asked, load


def memory(x: np.ndarray, order: int, theta: float) -> np.ndarray:
    """States of the memory along signals, step by step."""
    A, B = legendre_delay(order, theta)
    m, states = np.zeros((len(x), order)), []
    for step in range(x.shape[1]):
        m = m @ A.T + x[:, step] * B[:, 0]
        states.append(m)
    return np.stack(states, axis=1)


def test_a_linear_read_out_of_a_larger_memory_errs_less() -> None:
    options = Options(window=60, frequency=3.0)
    data = load(options, None, 0)
    train, test = (s.take(np.arange(100)) for s in (data.train.signals, data.test))
    errors = []
    for order in (4, 8, 16):
        # least squares, which a trained read-out can at best reach
        m = memory(train.x, order, 59.5)[:, 60:].reshape(-1, order)
        read, *_ = np.linalg.lstsq(m, train.y[:, 60:].reshape(-1, 5), rcond=None)
        given = memory(test.x, order, 59.5)[:, 60:] @ read
        errors.append(np.mean((given - test.y[:, 60:]) ** 2) / np.mean(test.y[:, 60:] ** 2))
    assert errors[0] > 0.1 and errors[2] < 1e-3
    assert errors[0] > errors[1] > errors[2]


def test_memory_follows_the_options() -> None:
    recipe = as_asked(TASK.recipes["lmu"], Options(window=80, order=6))
    assert (recipe.layers[0]["theta"], recipe.layers[0]["order"]) == (79.5, 6)
    assert as_asked(TASK.recipes["gru"], Options()) == TASK.recipes["gru"]


def test_as_many_delays_as_asked() -> None:
    data = load(Options(window=30, delays=3, frequency=2.0), None, 0)
    assert data.n_out == 3 and data.facts["delays"] == [0, 15, 30]
    assert data.labels == ("u(t - 0)", "u(t - 15)", "u(t - 30)")


def test_options() -> None:
    with pytest.raises(ConfigError, match="order must be 1 or more"):
        Options(order=0)
    with pytest.raises(ConfigError, match="delays must be 2 or more"):
        Options(delays=1)
    with pytest.raises(ConfigError, match="window must be 5 steps or more"):
        Options(window=0)
    with pytest.raises(ConfigError, match="frequency must lie between"):
        Options(window=10, frequency=6.0)
