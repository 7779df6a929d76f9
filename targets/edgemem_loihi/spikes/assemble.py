"""A design as compartments and synapses of the chip.

State: u keeps all but 1/4096 of itself in a step (decay 0), so that u is the state, on a scale of
its own; the voltage keeps nothing (v = u), so that the compartment spikes in every step in which u
is above its threshold. All comparators of a unit receive the same weights, hence hold the same u.
Those below zero hold -u. Values that are no states keep nothing in u either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.ops import Array
from edgemem_loihi.cuba import Compartments, Network, Synapses, limits
from edgemem_loihi.spikes.code import Code
from edgemem_loihi.spikes.design import Design, Relay, Value
from edgemem_loihi.spikes.dither import dither
from edgemem_loihi.spikes.rounding import Ints, Rows, rounded

RING = "ring"
"""Population of the dither: one compartment spikes in each step, each in turn."""

START = "start"
"""Input that spikes once, in the first step."""

KEPT = 1.0 - 1.0 / 4096
"""What a current keeps of itself in a step where its decay is 0."""

_SPIKE = 64
"""A weight that makes a compartment of threshold 1 spike."""

_STATE_REACH = 1 << 22
"""Greatest state on the current's scale: half of the register, so that a louder signal than any
in the calibration finds room."""

_ARRIVING = (1 << limits.Q_BITS) * 0.98
"""What may arrive in one step; the rest is for the rounding of weights."""


def assemble(design: Design) -> Network:
    """The chip's network: one population for each value, the ring, inputs and the start.

    Raises
    ------
    ConfigError
        If a weight or bias is out of the chip's range.
    """
    codes = design.codes
    populations = {RING: _ring(design.steps)}
    synapses = _ring_synapses(design.steps)
    for name, value in design.values.items():
        made = assembled_value(name, value, design)
        populations[name] = made.compartments
        for source, rows in made.drives.items():
            synapses += _copied(source, name, value.code, rows)
        synapses += _ring_to_value(name, value, made.scale, design)
    for name, relay in design.relays.items():
        size = codes[name].comparators
        populations[name] = Compartments.of(size, threshold=1, decay_v=limits.DECAY_MAX)
        synapses += _relay_synapses(name, relay, size, design.steps)
    inputs = {START: 1, **{name: code.comparators for name, code in design.inputs.items()}}
    return Network(inputs, populations, tuple(synapses))


@dataclass(frozen=True)
class Assembled:
    """One value in the chip's integers.

    Parameters
    ----------
    scale : (n,) array
        Units of the current for each unit of the argument.
    compartments : Compartments
    drives : mapping of Rows
        What each comparator of a source adds to each unit.
    """

    scale: Array
    compartments: Compartments
    drives: Mapping[str, Rows]


def assembled_value(name: str, value: Value, design: Design) -> Assembled:
    """The integers of one value of a design."""
    codes = design.codes
    scale = chip_scale(name, value, codes)
    drives = {}
    for source, matrix in added(name, value).items():
        per_spike = matrix[:, codes[source].unit] * codes[source].worth
        drives[source] = rounded(
            f"{source!r} to {name!r}", scale[:, None] * per_spike, codes[source].chain
        )
    return Assembled(scale, _compartments(value, scale), drives)


def added(name: str, value: Value) -> dict[str, Array]:
    """The drives of a value as what is added to its currents in a step.

    A state's own: ``u' = KEPT u + M q`` is ``A u`` for ``M = A - KEPT I``.
    """
    return {
        source: matrix - KEPT * np.eye(len(matrix)) if source == name else matrix
        for source, matrix in value.drives.items()
    }


def chip_scale(name: str, value: Value, sources: Mapping[str, Code]) -> Array:
    """Units of the current for each unit of the argument, (n,).

    One step of the code is a power of two of units, the same for every unit, so that all share
    their thresholds. It is as large as lets no step's spikes overflow what arrives, whichever they
    are, and a state of the greatest reach fill half of its register.
    """
    code = value.code
    steps = np.abs(code.level / code.step[code.unit]).max() + 0.5
    # the dither's changes are below one spacing
    most = np.abs(value.bias) + np.zeros(code.size)
    np.maximum.at(most, code.unit, np.abs(value.bias)[code.unit] + code.spacing)
    for source, matrix in added(name, value).items():
        most += np.abs(matrix) @ sources[source].reach
    room = min(_STATE_REACH / steps, _ARRIVING / float((most / code.step).max()))
    bias = float((np.abs(value.bias) / code.step).max())
    if bias and not value.holds:
        room = min(room, limits.BIAS_MAX * 2**limits.BIAS_EXPONENT_MAX / bias)
    return np.asarray(2.0 ** np.floor(np.log2(room)) / code.step)


def _compartments(value: Value, scale: Array) -> Compartments:
    code = value.code
    threshold = np.rint(np.abs(code.level) * scale[code.unit] / 2.0**limits.THRESHOLD_EXPONENT)
    mantissa, exponent = np.zeros(1), np.zeros(1)
    if not value.holds:
        mantissa, exponent = _bias(code.sign * (value.bias * scale)[code.unit])
    return Compartments.of(
        code.comparators,
        threshold=threshold,
        decay_u=0 if value.holds else limits.DECAY_MAX,
        decay_v=limits.DECAY_MAX,
        bias_mantissa=mantissa,
        bias_exponent=exponent,
    )


def _bias(bias: Array) -> tuple[Array, Array]:
    """Mantissas and exponents nearest to a bias."""
    with np.errstate(divide="ignore"):
        needed = np.ceil(np.log2(np.abs(bias) / limits.BIAS_MAX))
    exponent = np.clip(np.where(np.isfinite(needed), needed, 0), 0, limits.BIAS_EXPONENT_MAX)
    mantissa = np.clip(np.rint(bias / 2.0**exponent), -limits.BIAS_MAX, limits.BIAS_MAX)
    return mantissa, exponent


def _ring(period: int) -> Compartments:
    return Compartments.of(period, threshold=1, decay_v=limits.DECAY_MAX)


def _ring_synapses(period: int) -> list[Synapses]:
    kick = np.zeros((period, 1), np.int64)
    kick[0] = _SPIKE
    following = _SPIKE * np.roll(np.eye(period, dtype=np.int64), 1, axis=0)
    return [Synapses.dense(START, RING, kick), Synapses.dense(RING, RING, following)]


def _relay_synapses(name: str, relay: Relay, size: int, steps: int) -> list[Synapses]:
    """One spike for one, unless the ring inhibits it: outside of the steps that it is open."""
    closed = np.full((size, steps), -2 * _SPIKE)
    closed[:, relay.open[0] : relay.open[1]] = 0
    each = np.arange(size)
    one_to_one = Synapses.sparse(
        relay.source, name, each, each, np.full(size, _SPIKE), shape=(size, size)
    )
    return [
        one_to_one,
        Synapses.dense(RING, name, _by_ring(closed)),
        Synapses.dense(START, name, closed[:, :1]),
    ]


def _dither_rows(value: Value, scale: Array, design: Design) -> Rows:
    """What the ring adds to each comparator in each step: a function's dither, or the changes of a
    state's, before the sign."""
    d = np.tile(dither(design.period), design.steps // design.period)
    played = d - np.roll(d, 1) if value.holds else d
    amplitude = (value.code.spacing * scale[value.code.unit])[:, None]
    # a state's first change is from 0, not from the end of a period
    return rounded("dither", np.concatenate([amplitude * d[:1], amplitude * played], axis=1))


def dither_steps(value: Value, scale: Array, design: Design) -> NDArray[np.int64]:
    """(m, 1 + steps): the first step of all, then those of every frame."""
    if design.period == 1:
        return np.zeros((value.code.comparators, 1 + design.steps), np.int64)
    return _dither_rows(value, scale, design).effective


def _drift(name: str, value: Value, scale: Array, steps: int) -> Rows:
    """A state's bias in each step of a frame."""
    first, last = value.biased or (0, steps)
    when = np.zeros(steps, np.int64)
    when[first:last] = 1
    drift = rounded(f"bias of {name!r}", (scale * value.bias)[:, None])
    return Rows(drift.weights * when, drift.exponents)


def drift_steps(name: str, value: Value, scale: Array, design: Design) -> NDArray[np.int64]:
    """(n, 1 + steps): a state's bias in the first step of all, then in those of every frame."""
    rows = _drift(name, value, scale, design.steps).effective
    return np.concatenate([rows[:, :1], rows], axis=1)


def _ring_to_value(name: str, value: Value, scale: Array, design: Design) -> list[Synapses]:
    code, synapses = value.code, []
    if design.period > 1:
        rows = _dither_rows(value, scale, design)
        played = code.sign[:, None] * rows.weights
        synapses += _grouped(START, name, played[:, :1], rows.exponents)
        synapses += _grouped(RING, name, _by_ring(played[:, 1:]), rows.exponents)
    if value.holds and np.any(value.bias):
        drift = _drift(name, value, scale, design.steps)
        synapses += _copied(START, name, code, Rows(drift.weights[:, :1], drift.exponents))
        synapses += _copied(RING, name, code, Rows(_by_ring(drift.weights), drift.exponents))
    return synapses


def _by_ring(schedule: NDArray[Any]) -> NDArray[Any]:
    """What each compartment of the ring brings, for what is to act in each step: that of step
    ``k`` spikes in it, and acts in the next."""
    return np.roll(schedule, -1, axis=-1)


def _copied(source: str, target: str, code: Code, rows: Rows) -> list[Synapses]:
    """Synapses that add ``rows`` (n, m_source) to every comparator of each unit."""
    weights = code.sign[:, None] * rows.weights[code.unit]
    return _grouped(source, target, weights, rows.exponents[code.unit])


def _grouped(source: str, target: str, weights: Ints, exponents: Ints) -> list[Synapses]:
    """One group of synapses for each exponent."""
    groups = []
    for exponent in np.unique(exponents):
        targets, sources = np.nonzero(weights * (exponents == exponent)[:, None])
        if targets.size:
            groups.append(
                Synapses.sparse(
                    source,
                    target,
                    targets,
                    sources,
                    weights[targets, sources],
                    shape=(len(weights), weights.shape[1]),
                    exponent=int(exponent),
                )
            )
    return groups
