"""Small trained-like networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.ir import Graph, trace

N_IN = 3

SMALL: dict[str, Cell] = {
    "dense": Dense(N_IN, 4, "relu"),
    "norm": Stack((Norm(N_IN), Dense(N_IN, 4))),
    "lmu": LMU(N_IN, 5, 4, 9.0, memory_d=2, activation="relu"),
    "lmu-paper": LMU.paper(N_IN, 5, 4, 9.0),
    "lmu-all": LMU(N_IN, 5, 4, 9.0, 2, True, True, True, True, True, "sigmoid"),
    "lmu-linear": LMU(N_IN, 5, 4, 9.0, hidden_to_hidden=True, activation="linear"),
    "lem": LEM(N_IN, 5),
    "lem-slow": LEM(N_IN, 5, dt=0.2),
    "lstm": LSTM(N_IN, 5),
    "gru": GRU(N_IN, 5),
    "stack": Stack((Norm(N_IN), LEM(N_IN, 5), Norm(5), LMU(5, 6, 3, 5.0), Dense(6, 2))),
}


def traced(cell: Cell) -> Graph:
    """A cell over random arrays, biases too."""
    rng = np.random.default_rng(3)
    params = cell.init(rng)
    for name, array in params.items():
        if array.ndim == 1:
            params[name] = array + rng.normal(scale=0.3, size=array.shape)
        elif name == "W_h":
            params[name] = 0.5 * array  # a linear recurrence would grow without end
    return trace(cell, params)


def noise(seed: int, n: int, t: int, n_in: int = N_IN) -> np.ndarray:
    """Smooth sequences (n, t, n_in)."""
    x = np.random.default_rng(seed).normal(size=(n, t, n_in))
    for i in range(1, t):
        x[:, i] = 0.8 * x[:, i - 1] + 0.6 * x[:, i]
    return x.astype(np.float32)


@pytest.fixture(name="traced")
def _traced() -> Callable[[Cell], Graph]:
    return traced


@pytest.fixture(name="noise")
def _noise() -> Callable[..., np.ndarray]:
    return noise


@pytest.fixture(params=sorted(SMALL))
def small(request: pytest.FixtureRequest) -> Graph:
    return traced(SMALL[request.param])
