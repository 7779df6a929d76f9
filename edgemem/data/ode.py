"""Solutions of differential equations on a grid of times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def runge_kutta(
    rate: Callable[[Values], Values], start: Values, dt: float, n_steps: int, within: int = 1
) -> Values:
    """Solve ``dx/dt = rate(x)`` by the classical method of fourth order (Kutta 1901).

    Parameters
    ----------
    rate : callable
        Takes and gives arrays of the shape of ``start``: any number of systems at a time.
    start : array
        ``x`` at time 0.
    dt : float
        Time between two points of the grid.
    n_steps : int
        Points after the first.
    within : int
        Equal steps of the method from one point to the next; the error falls with its fourth power.

    Returns
    -------
    (n_steps + 1, ...) array
        The first entry is ``start``.
    """
    h = dt / within
    x = np.asarray(start, np.float64)
    path = np.empty((n_steps + 1, *x.shape))
    path[0] = x
    for point in range(1, n_steps + 1):
        for _ in range(within):
            k1 = rate(x)
            k2 = rate(x + h / 2 * k1)
            k3 = rate(x + h / 2 * k2)
            k4 = rate(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path[point] = x
    return path
