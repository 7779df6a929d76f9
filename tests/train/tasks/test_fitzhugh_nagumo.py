"""FitzHugh-Nagumo against scipy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.integrate import solve_ivp

from edgemem.errors import UnknownNameError
from edgemem.train.tasks import get
from edgemem.train.tasks.fitzhugh_nagumo import Options, load, voltages

TIMES = np.linspace(0.0, 400.0, 1001)


def written_out(t: float, x: npt.NDArray[np.float64]) -> list[float]:
    """The equations as the authors' code has them."""
    v, w = x
    return [v - v**3 / 3.0 - w + 0.5, (v + 0.7 - 0.8 * w) / 50.0]


@pytest.mark.parametrize("start", [-1.0, -0.31, 0.0, 0.77])
def test_voltages_are_the_solution_of_the_equations(start: float) -> None:
    exact = solve_ivp(written_out, (0, 400), [start, 0.0], "DOP853", TIMES, rtol=1e-11, atol=1e-12)
    got = voltages(np.array([start]))[0]
    np.testing.assert_allclose(got, exact.y[0], atol=1e-6)


def test_the_published_solver_is_scipys_default() -> None:
    coarse = solve_ivp(written_out, (0, 400), [0.4, 0.0], t_eval=TIMES)
    np.testing.assert_allclose(voltages(np.array([0.4]), "published")[0], coarse.y[0], atol=1e-5)


def test_the_voltage_of_the_next_step_is_wanted() -> None:
    data = load(Options(), None, 0)
    assert [len(s) for s in (data.validation, data.test)] == [128, 1024]
    assert data.train.n == 128
    assert data.test.x.shape == data.test.y.shape == (1024, 1000, 1)
    np.testing.assert_array_equal(data.test.x[:, 1:], data.test.y[:, :-1])
    assert (np.abs(data.test.x[:, 0]) <= 1).all()
    assert not np.isin(data.test.x[:, 0], data.validation.x[:, 0]).any()


def test_an_unknown_solver_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no solver named 'euler'; known: exact, published"):
        Options(solver="euler")  # type: ignore[arg-type]


def test_the_authors_network_has_their_number_of_parameters() -> None:
    stack = get("fitzhugh-nagumo").recipes["lem"].stack(1, 1)
    assert sum(int(np.prod(shape)) for shape in stack.params.values()) == 1_169
