"""What the memory of an LMU still knows of the window behind it.

The Legendre coefficients m of a channel stand for its input over the last theta steps (Voelker et
al. 2019, eq. 3):

    u(t - r theta)  ~  sum_i P_i(r) m_i(t),    0 <= r <= 1,

with shifted Legendre polynomials P_i. The memory is discretised by zero-order hold: it takes u_t to
last from t - 1 to t. The middle of what was written k steps ago therefore lies k + 1/2 steps back,
and there the window is read; nothing has to be interpolated.

A sequence begins with a jump from the zero state. Windows are therefore read from two windows on,
where they and what lies before them are filled; of shorter sequences at the last step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.cells import LMU
from edgemem.cells.lmu import legendre_window
from edgemem.inspect.layers import Pass, run
from edgemem.ops import Array

Integers = npt.NDArray[np.int64]

MOST_DELAYS = 200
MOST_TIMES = 32
"""So many delays, and so many steps of a sequence, are looked at; of more, evenly spread ones."""

FINE = 201
"""Points at which the window of the one sequence that is drawn is decoded."""

READ_AT = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Relative delays of a table."""


@dataclass(frozen=True)
class Seen:
    """The window at the end of one sequence.

    Parameters
    ----------
    sequence : int
        Which one.
    delays : (k,) int array
        Steps back, from 0 on.
    u : (n_channels, k) array
        What was written so many steps ago.
    fine : (FINE,) array
        Relative delays from 0 to 1.
    decoded : (n_channels, FINE) array
        What the memory says was written then.
    """

    sequence: int
    delays: Integers
    u: Array
    fine: Array
    decoded: Array


@dataclass(frozen=True)
class Window:
    """How well the memory of one layer knows its window.

    Parameters
    ----------
    layer : str
    order : int
    theta : float
        Length of the window in steps.
    delays : (k,) int array
        Steps back, from 0 on; none reaches before the first step of a sequence.
    nrmse : (n_channels, k) array
        RMS over sequences and steps of the decoded minus the true u, over the standard deviation of
        that channel's u. 0 is perfect; 1 is what the mean would do. NaN where u is constant.
    limit : (n_channels, k) array
        The same of the polynomials of that order that fit each window best (least squares): what
        the number of coefficients alone costs.
    steps : int
        Steps of each sequence at which the window was decoded.
    whole : bool
        Whether the sequences are as long as the window.
    seen : Seen
    """

    layer: str
    order: int
    theta: float
    delays: Integers
    nrmse: Array
    limit: Array
    steps: int
    whole: bool
    seen: Seen

    @property
    def relative(self) -> Array:
        """The delays as shares of the window, (k,)."""
        return middles(self.delays, self.theta)

    @property
    def median(self) -> Array:
        """Median error over channels at each delay, (k,); NaN where no u moves."""
        return over_channels(self.nrmse)

    @property
    def overall(self) -> float:
        """RMS of the median error over the delays."""
        return _rms(self.median)

    @property
    def overall_limit(self) -> float:
        """The same of the best polynomials."""
        return _rms(over_channels(self.limit))

    def read(self) -> tuple[float, ...]:
        """Median error over channels at the delays nearest to :data:`READ_AT`.

        NaN where the sequences are too short to reach so far.
        """
        median, at = self.median, self.relative
        reach = float(at[-1]) + 0.5 * float(at[-1] - at[-2] if len(at) > 1 else 1.0)
        near = [int(np.abs(at - r).argmin()) for r in READ_AT]
        return tuple(
            float(median[i]) if self.whole or r <= reach else math.nan
            for r, i in zip(READ_AT, near)
        )

    def to_dict(self, period: float | None) -> dict[str, Any]:
        """Everything but the drawn sequence, as JSON values; NaN is null."""
        return {
            "layer": self.layer,
            "channels": len(self.nrmse),
            "order": self.order,
            "theta_steps": self.theta,
            "theta_seconds": None if period is None else period * self.theta,
            "decoded_steps": self.steps,
            "delay_steps": self.delays.tolist(),
            "delay_relative": self.relative.tolist(),
            "delay_seconds": None if period is None else (period * (self.delays + 0.5)).tolist(),
            "nrmse_overall": _finite([self.overall])[0],
            "limit_overall": _finite([self.overall_limit])[0],
            "nrmse_median": _finite(self.median),
            "limit_median": _finite(over_channels(self.limit)),
            "nrmse": [_finite(row) for row in self.nrmse],
        }


def over_channels(errors: Array, quantile: float = 0.5) -> Array:
    """Quantile of (n_channels, k) errors over the channels that move, (k,); NaN without any."""
    moving = errors[~np.isnan(errors).any(axis=1)]
    if not len(moving):
        return np.full(errors.shape[1], np.nan)
    return np.asarray(np.quantile(moving, quantile, axis=0), np.float64)


def middles(delays: Integers, theta: float) -> Array:
    """Relative delays of the middles of held steps, ``(k + 1/2) / theta``, 1 at most."""
    return np.minimum((np.asarray(delays, np.float64) + 0.5) / theta, 1.0)


def window(part: Pass, x: Array, shown: int = 0) -> Window | None:
    """Decode the memory of a layer along sequences; None for a cell that is no LMU.

    Parameters
    ----------
    part : Pass
    x : (n, n_steps, n_in) array
        What the layer reads in the trained network.
    shown : int
        The sequence that :class:`Seen` keeps.
    """
    cell = part.cell
    if not isinstance(cell, LMU):
        return None
    x = part.along(x)
    n_steps = x.shape[1]
    # u_{t-k} lies in the window where its middle does: k + 1/2 <= theta
    reach = max(1, math.floor(cell.theta + 0.5))
    delays = _spread(0, min(reach, n_steps) - 1, MOST_DELAYS)
    # a sequence begins with a jump from zero, which a memory has forgotten after two windows
    times = _spread(min(2 * reach, n_steps) - 1, n_steps - 1, MOST_TIMES)
    u = np.zeros((len(x), n_steps, cell.memory_d))
    memories: dict[int, Array] = {}
    chosen = frozenset(times.tolist())

    def watch(t: int, values: Mapping[str, Array]) -> None:
        u[:, t] = values["u"]
        if t in chosen:
            memories[t] = values["m_new"]

    run(part.graph, x, watch)
    nrmse, limit = _errors(cell, u, memories, delays)
    return Window(
        layer=part.name,
        order=cell.order,
        theta=cell.theta,
        delays=delays,
        nrmse=nrmse,
        limit=limit,
        steps=len(times),
        whole=n_steps >= reach,
        seen=_seen(cell, u, memories[n_steps - 1], min(reach, n_steps), shown),
    )


def _errors(
    cell: LMU, u: Array, memories: Mapping[int, Array], delays: Integers
) -> tuple[Array, Array]:
    """NRMSE of the memory and of the best polynomials, each (n_channels, n_delays)."""
    basis = legendre_window(cell.order, middles(delays, cell.theta))
    fit = basis @ np.linalg.pinv(basis)
    squares = np.zeros((2, cell.memory_d, len(delays)))
    for t, m in memories.items():
        true = np.moveaxis(u[:, t - delays], 1, 2)
        # u(t - r theta) ~ sum_i P_i(r) m_i(t)
        for i, guess in enumerate((m @ basis.T, true @ fit.T)):
            squares[i] += np.square(guess - true).mean(axis=0)
    spread = u.std(axis=(0, 1))
    # a channel that hardly moves has nothing to be told from its mean
    spread[spread <= 1e-9 * np.abs(u).max(initial=0.0)] = np.nan
    nrmse, limit = np.sqrt(squares / len(memories)) / spread[:, None]
    return nrmse, limit


def _seen(cell: LMU, u: Array, m: Array, reach: int, sequence: int) -> Seen:
    fine = np.linspace(0.0, 1.0, FINE)
    delays = np.arange(reach, dtype=np.int64)
    return Seen(
        sequence=sequence,
        delays=delays,
        u=u[sequence, u.shape[1] - 1 - delays].T,
        fine=fine,
        decoded=m[sequence] @ legendre_window(cell.order, fine).T,
    )


def _spread(first: int, last: int, most: int) -> Integers:
    """Whole numbers from ``first`` to ``last``, both among them, ``most`` at most."""
    count = min(most, last - first + 1)
    return np.unique(np.linspace(first, last, count).round().astype(np.int64))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _finite(values: Iterable[float]) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
