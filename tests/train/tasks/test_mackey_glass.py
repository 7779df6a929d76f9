"""The Mackey-Glass task, against the equation and the published facts of its series."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from edgemem.errors import ConfigError
from edgemem.train.tasks import get
from edgemem.train.tasks.base import TaskData
from edgemem.train.tasks.mackey_glass import BEGINNINGS, Options, load, series


@pytest.fixture(scope="module")
def data() -> TaskData:
    return load(Options(), None, 0)


def test_the_first_steps_by_hand() -> None:
    history = 1.2 + 0.2 * (np.random.RandomState(7).rand(170) - 0.5)
    x = 1.2
    for late in history[:10]:
        x = x + 0.1 * (0.2 * late / (1 + late**10) - 0.1 * x)
    made = series(1, 40, 17, 7)
    assert made[0, 0] == pytest.approx(x, abs=1e-12)


def test_series_follow_the_equation() -> None:
    """By the method of steps: scipy solves each delay with the solution before it as history."""
    tau = 17
    made = series(1, 3 * tau, tau, 7)[0]
    drawn = 1.2 + 0.2 * (np.random.RandomState(7).rand(tau * 10) - 0.5)

    def late(t: float) -> float:
        return float(drawn[min(round((t + tau) * 10), len(drawn) - 1)])

    before, value = late, 1.2
    for part in range(3):
        begins = part * tau
        solution = solve_ivp(
            lambda t, x, past=before: 0.2 * past(t - tau) / (1 + past(t - tau) ** 10) - 0.1 * x,
            (begins, begins + tau),
            [value],
            max_step=0.1,
            dense_output=True,
        )
        at = begins + np.arange(1, tau + 1)
        # Euler steps of 0.1 are off by about as much, relative to the rate
        np.testing.assert_allclose(made[begins : begins + tau], solution.sol(at)[0], atol=0.02)
        before, value = (lambda t, s=solution: float(s.sol(t)[0])), float(solution.y[0, -1])


def test_each_series_begins_where_the_one_before_it_ended() -> None:
    two, longer = series(2, 30, 17, 0), series(1, 30, 17, 0)
    np.testing.assert_array_equal(two[0], longer[0])
    assert abs(two[1, 0] - two[0, -1]) < 0.2


def test_the_series_are_the_published_ones(data: TaskData) -> None:
    # "global mean over all batches, approx -0.066"
    assert data.facts["mean"] == pytest.approx(-0.066, abs=5e-4)
    # who predicts what is now is off by 162.400 % in the corrected notebook
    assert data.facts["nrmse_of_no_change"] == pytest.approx(1.624, abs=5e-5)
    assert data.test.x.shape == (64, 5000, 1) and data.validation.x.shape == (32, 5000, 1)


def test_the_target_comes_later(data: TaskData) -> None:
    np.testing.assert_array_equal(data.test.y[:, :-15], data.test.x[:, 15:])


def test_pieces_are_cut_from_training_series(data: TaskData) -> None:
    assert (data.train.n, data.train.n_steps) == (640, 500)
    batches = list(data.train.epoch(np.random.default_rng(0), 32))
    x = np.concatenate([batch.x for batch in batches])
    y = np.concatenate([batch.y for batch in batches])
    assert x.shape == y.shape == (640, 500, 1)
    np.testing.assert_array_equal(y[:, :-15], x[:, 15:])
    # pieces from beginnings occur more than once, those from anywhere else hardly ever
    repeated = len(x) - len(np.unique(x[:, :3, 0], axis=0))
    assert 0.5 * BEGINNINGS * 640 < repeated + 64 < 2 * BEGINNINGS * 640


def test_networks_have_the_published_sizes() -> None:
    def count(recipe: str) -> int:
        stack = get("mackey-glass").recipes[recipe].stack(1, 1)
        return sum(int(np.prod(shape)) for shape in stack.params.values())

    assert count("lstm") == 18_026
    # published without the biases of the hidden states: 4 x 49, and 2 x 40
    assert count("lmu") == 18_050 + 4 * 49
    assert count("hybrid") == 17_900 + 2 * 40
    for name in ("lem", "gru"):
        assert count(name) == pytest.approx(18_000, rel=0.05)


def test_options() -> None:
    for name in ("ahead", "tau", "piece"):
        with pytest.raises(ConfigError, match=f"{name} must be 1 or more"):
            Options(**{name: 0})
    with pytest.raises(ConfigError, match="piece must be at most 5000"):
        Options(piece=6000)
