"""How sure one can be of a rate after few events."""

from __future__ import annotations

import math
from collections.abc import Callable

_TURNS = 200


def interval(count: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval for the mean of a Poisson distribution of which ``count`` was drawn.

    Garwood 1936, "Fiducial limits for the Poisson distribution": the means under which ``count`` or
    more, or ``count`` or fewer, has the probability ``(1 - level) / 2``.

    Parameters
    ----------
    count : int
    level : float
        Probability that the interval holds the mean, at least.

    Returns
    -------
    (low, high)
    """
    tail = (1.0 - level) / 2.0
    low = 0.0 if count == 0 else _root(lambda mean: 1.0 - _at_most(count - 1, mean) - tail, count)
    return low, _root(lambda mean: tail - _at_most(count, mean), count)


def _at_most(count: int, mean: float) -> float:
    """Probability of ``count`` or fewer events."""
    if mean == 0.0:
        return 1.0
    logs = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1))
    return math.fsum(math.exp(log) for log in logs)


def _root(rising: Callable[[float], float], count: int) -> float:
    """Where a rising function of the mean is zero."""
    low, high = 0.0, count + 20.0 + 10.0 * math.sqrt(count)
    for _ in range(_TURNS):
        middle = (low + high) / 2.0
        if rising(middle) < 0.0:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
