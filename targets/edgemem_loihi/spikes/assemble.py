"""A design as compartments and synapses of the chip.

State: u keeps all but 1/4096 of itself in a step (decay 0), so that u is the state, on a scale of
its own; the voltage keeps nothing (v = u), so that the compartment spikes in every step in which u
is above its threshold. All comparators of a unit receive the same weights, hence hold the same u.
Those below zero hold -u. Values that are no states keep nothing in u either.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgemem.ops import Array
from edgemem_loihi.cuba import Compartments, Network, Synapses, limits
from edgemem_loihi.spikes.code import Code
from edgemem_loihi.spikes.design import Design, Value
from edgemem_loihi.spikes.dither import dither
from edgemem_loihi.spikes.rounding import Ints, Rows, rounded

RING = "ring"
"""Population of the dither: one compartment spikes in each step, each in turn."""

START = "start"
"""Input that spikes once, in the first step."""

KEPT = 1.0 - 1.0 / 4096
"""What a current keeps of itself in a step where its decay is 0."""

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
    populations = {RING: _ring(design.period)}
    synapses = _ring_synapses(design.period)
    for name, value in design.values.items():
        drives = added(name, value)
        scale = chip_scale(name, value, {source: codes[source] for source in drives})
        populations[name] = _compartments(value, scale)
        for source, matrix in drives.items():
            per_spike = matrix @ codes[source].decoder()
            rows = rounded(
                f"{source!r} to {name!r}", scale[:, None] * per_spike, codes[source].chain
            )
            synapses += _copied(source, name, value.code, rows)
        synapses += _dither_synapses(name, value, scale, design.period)
    inputs = {START: 1, **{name: code.comparators for name, code in design.inputs.items()}}
    return Network(inputs, populations, tuple(synapses))


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
    # one spike is far above the threshold of 64: 128 units of 64
    kick = np.zeros((period, 1), np.int64)
    kick[0] = 128
    following = 128 * np.roll(np.eye(period, dtype=np.int64), 1, axis=0)
    return [Synapses.dense(START, RING, kick), Synapses.dense(RING, RING, following)]


def _dither_synapses(name: str, value: Value, scale: Array, period: int) -> list[Synapses]:
    """What the ring adds: to a function its dither, to a state the dither's changes and its bias.

    In step ``k`` the start or the ring's compartment ``k - 1`` brings what step ``k`` needs.
    """
    code, d = value.code, dither(period)
    amplitude = (code.spacing * scale[code.unit])[:, None]
    synapses = []
    if period > 1:
        coming = np.roll(d, -1) - d if value.holds else np.roll(d, -1)
        synapses += _each(RING, name, code, amplitude * coming)
        synapses += _each(START, name, code, amplitude * d[:1])
    if value.holds and np.any(value.bias):
        drift = rounded(f"bias of {name!r}", (scale * value.bias)[:, None])
        always = Rows(np.repeat(drift.weights, period, axis=1), drift.exponents)
        synapses += _copied(RING, name, code, always) + _copied(START, name, code, drift)
    return synapses


def _copied(source: str, target: str, code: Code, rows: Rows) -> list[Synapses]:
    """Synapses that add ``rows`` (n, m_source) to every comparator of each unit."""
    weights = code.sign[:, None] * rows.weights[code.unit]
    return _grouped(source, target, weights, rows.exponents[code.unit])


def _each(source: str, target: str, code: Code, per_comparator: Array) -> list[Synapses]:
    """Synapses that add ``per_comparator`` (m, m_source), turned round where the sign is -1."""
    rows = rounded(f"{source!r} to {target!r}", per_comparator)
    return _grouped(source, target, code.sign[:, None] * rows.weights, rows.exponents)


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
