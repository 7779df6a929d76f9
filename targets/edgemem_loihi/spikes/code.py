"""Thermometer codes: a value as the spikes of comparators, each with a level of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError
from edgemem.ops import Array

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Code:
    """How the values of a population become spikes, and what the spikes say.

    Comparator ``k`` watches unit ``unit[k]``. It spikes in each step in which that unit's
    argument (the value before its function) passes ``level[k]``: upwards where ``sign[k]`` is 1,
    downwards where it is -1. The value is ``offset + sum_k worth[k] spike[k]`` for each unit.

    Parameters
    ----------
    unit : (m,) int array
    sign : (m,) int array
    level : (m,) array
        In units of the argument; its sign is ``sign``.
    spacing : (m,) array
        Distance to the next level: amplitude of the dither, peak to peak.
    worth : (m,) array
        What a spike adds to the value.
    offset : (n,) array
        The value without spikes.
    step : (n,) array
        A distance of arguments for which the argument's scale on the chip is chosen.
    """

    unit: Ints
    sign: Ints
    level: Array
    spacing: Array
    worth: Array
    offset: Array
    step: Array

    @property
    def size(self) -> int:
        """Number of units."""
        return len(self.offset)

    @property
    def comparators(self) -> int:
        """Number of comparators, each a compartment of the chip."""
        return len(self.unit)

    @property
    def chain(self) -> Ints:
        """A number for each unit's comparators above and below, (m,); each spikes only with those
        of its number that stand before it."""
        return np.asarray(self.unit + self.size * (self.sign < 0), np.int64)

    @property
    def reach(self) -> Array:
        """Greatest magnitude of ``value - offset``, (n,)."""
        sides = [np.zeros(self.size), np.zeros(self.size)]
        for side, sign in zip(sides, (1, -1)):
            chosen = self.sign == sign
            np.add.at(side, self.unit[chosen], np.abs(self.worth[chosen]))
        return np.asarray(np.maximum(*sides))

    def decoder(self) -> Array:
        """``D`` of shape (n, m), so that values are ``offset + D spikes``."""
        matrix = np.zeros((self.size, self.comparators))
        matrix[self.unit, np.arange(self.comparators)] = self.worth
        return matrix


def uniform(reach: Array, levels: Ints, both_sides: bool = True) -> Code:
    """Levels at ``(j - 1/2) reach / levels`` for ``j = 1 ... levels``, on one side or on both.

    Without dither this rounds to multiples of ``reach / levels``; with it, the mean is the value
    itself (both sides) or its positive part (one side: a rectifier).

    Parameters
    ----------
    reach : (n,) array
        Greatest magnitude, above which the code saturates.
    levels : (n,) int array
        Levels on each side.
    """
    _check(reach, levels)
    step = reach / levels
    unit, j = _counted(levels)
    spacing: Array = step[unit]
    level: Array = (j - 0.5) * spacing
    sign: Ints = np.ones(len(unit), np.int64)
    if both_sides:
        unit, level, spacing = np.tile(unit, 2), np.tile(level, 2), np.tile(spacing, 2)
        sign = np.concatenate([sign, -sign])
    return Code(unit, sign, level * sign, spacing, spacing * sign, np.zeros(len(step)), step)


def curve(
    inverse: Callable[[Array], Array], size: int, levels: int, middle: float, half: float
) -> Code:
    """Levels where ``middle + half f``, with a rising, odd ``f`` to 1, passes equal steps.

    A comparator's dither runs from the argument at which the function reaches ``(j - 1) / levels``
    to the one at which it reaches ``j / levels``: the mean is the function, interpolated linearly
    between these.

    Parameters
    ----------
    inverse : callable
        Inverse of ``f``.
    size : int
        Number of units.
    levels : int
        Levels on each side.
    middle, half : float
        0 and 1 for tanh, 1/2 and 1/2 for the logistic function.
    """
    _check(np.ones(size), np.full(size, levels))
    # f is 1 only at infinity; its last step ends where three quarters of it are done
    edges = inverse(np.minimum(np.arange(levels + 1) / levels, 1.0 - 0.25 / levels))
    unit, j = _counted(np.full(size, levels))
    low, high = edges[j - 1], edges[j]
    level, spacing = (low + high) / 2.0, high - low
    sign = np.repeat([1, -1], len(unit))
    return Code(
        np.tile(unit, 2),
        sign,
        sign * np.tile(level, 2),
        np.tile(spacing, 2),
        half * sign / levels,
        np.full(size, middle),
        np.full(size, edges[1]),
    )


def shared(reach: Array, mean_levels: float) -> Ints:
    """Levels of each element of a state, in all about ``mean_levels`` times their number.

    An element of reach ``R`` with ``n`` levels is off by ``R^2 / (12 n^2)``. Where each element's
    error weighs the same (columns of ``A - I`` of a Legendre memory have like norms), the sum is
    least for a given number of levels with ``n`` in proportion to ``R^(2/3)``.
    """
    _check(reach, np.ones(len(reach), np.int64))
    weight = reach ** (2.0 / 3.0)
    wanted = mean_levels * len(reach) * weight / weight.sum()
    return np.asarray(np.maximum(1, np.rint(wanted)), np.int64)


def _counted(levels: Ints) -> tuple[Ints, Ints]:
    """The unit and the number, from 1, of every level."""
    unit = np.repeat(np.arange(len(levels)), levels)
    number = np.concatenate([np.arange(1, n + 1) for n in levels])
    return unit, number


def _check(reach: Array, levels: Ints) -> None:
    if not (np.all(np.isfinite(reach)) and np.all(reach > 0)):
        raise ConfigError("a thermometer code needs reaches that are finite and above zero")
    if np.any(levels < 1):
        raise ConfigError(f"{int(np.min(levels))} levels; a thermometer code needs 1 or more")
