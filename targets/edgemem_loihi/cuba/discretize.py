"""Populations of LIF neurons in floats to the chip's integers.

The rules are those of NengoLoihi 1.1.0 (``builder/discretize.py``); the README says where they
differ. With ``d = 1 - exp(-dt / tau)``, a step of the float network is taken as

    u' = (1 - d_u) u + w s,        v' = (1 - d_v) v + d_v (u' + b),

with ``v' = v + u' + b`` for an integrator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgemem.errors import ConfigError
from edgemem.ops import Array
from edgemem.spiking.lif import LIFNetwork, Population, Projection
from edgemem_loihi.cuba import limits
from edgemem_loihi.cuba.chip import Compartments, Ints, Network, Synapses

_DECAYS = 1 << limits.DECAY_BITS
_PULSE = float(1 << limits.Q_BITS)
_LOSS = 0.494
"""What a truncated decay loses in a step, on average (NengoLoihi found it by simulation)."""

_LARGEST = 255.0
"""What the largest weight into a population is scaled to."""
_LOWEST_EXPONENT = -6
"""Of a projection whose weights are smaller than others into its target: at -7 one bit is left."""
_SMALL = 1e-8


@dataclass(frozen=True)
class Discretized:
    """A network in the chip's integers, and how they read as floats.

    Parameters
    ----------
    network : Network
    voltages, currents : mapping of float
        For each population, integers per unit of the float network's ``v`` and ``u``.
    """

    network: Network
    voltages: Mapping[str, float]
    currents: Mapping[str, float]


@dataclass(frozen=True)
class _Scales:
    """Integers per unit of a weight (before its exponent), of a voltage, and of a current."""

    weight: float
    exponent: int
    voltage: float
    current: float


def discretize(lif: LIFNetwork) -> Discretized:
    """The network with integer weights, thresholds, biases and decays.

    The largest weight into a population gets the full mantissa, and the weights' exponent is the
    largest, up to 0, for which thresholds and biases fit their registers. A projection whose
    weights are smaller gets a smaller exponent. Voltages have no lower bound but the register's.

    Raises
    ------
    ConfigError
        If no exponent fits, or a time constant is too long for 12 bits of decay.
    """
    populations: dict[str, Compartments] = {}
    scales: dict[str, _Scales] = {}
    for name, population in lif.populations.items():
        into = [p for p in lif.projections if p.target == name]
        populations[name], scales[name] = _population(name, _exact(population), into, lif.dt)
    return Discretized(
        Network(
            inputs=dict(lif.inputs),
            populations=populations,
            synapses=tuple(_projection(p, scales[p.target]) for p in lif.projections),
        ),
        voltages={name: s.voltage for name, s in scales.items()},
        currents={name: s.current for name, s in scales.items()},
    )


def decay_sum(decay: int, offset: int = 0) -> float:
    """What a pulse adds up to while it decays by truncated steps, relative to its height.

    With ``r = (4096 - offset - decay) / 4096`` and ``q`` lost in each step,
    ``y_i = r y_(i-1) - q`` is ``(x + c) r^i - c``, ``c = q / (1 - r)``; it ends at
    ``n = log(c / (x + c)) / log(r)``. Without truncation the sum would be ``1 / (1 - r)``.
    """
    kept = _DECAYS - offset - decay
    if kept == 0:
        return 1.0
    r = kept / _DECAYS
    c = _LOSS / (1.0 - r)
    n = -np.log1p(_PULSE / c) / np.log(r)
    return float(((_PULSE + c) * (1.0 - r ** (n + 1)) / (1.0 - r) - c * (n + 1)) / _PULSE)


def _population(
    name: str, population: Population, into: Sequence[Projection], dt: float
) -> tuple[Compartments, _Scales]:
    leak = _decay(f"population {name!r}: tau_syn", population.tau_syn, dt)
    decay_u = int(np.clip(np.rint(leak * limits.DECAY_MAX - 1), 0, limits.DECAY_MAX))
    if population.tau_syn == 0:
        decay_u = limits.DECAY_MAX
    gain_u = decay_sum(decay_u, limits.DECAY_U_OFFSET)
    decay_v, gain_v = 0, 1.0
    if np.isfinite(population.tau_mem):
        decay = _decay(f"population {name!r}: tau_mem", population.tau_mem, dt)
        decay_v = int(np.rint(decay * limits.DECAY_MAX))
        gain_v = decay_sum(decay_v)
    largest = max((float(np.abs(p.weights).max(initial=0.0)) for p in into), default=0.0)
    scales = _scales(name, population, largest / leak, gain_u, gain_v)
    mantissa, exponent = _biases(np.rint(population.bias * scales.current))
    threshold = np.rint(
        np.rint(population.threshold * scales.voltage) / (1 << limits.THRESHOLD_EXPONENT)
    )
    if np.any((threshold == 0) & (population.threshold > 0)):
        raise ConfigError(
            f"population {name!r}: thresholds from {population.threshold.min():g} to "
            f"{population.threshold.max():g} do not fit one scale; the smallest would be 0"
        )
    compartments = Compartments.of(
        population.size,
        decay_u=decay_u,
        decay_v=decay_v,
        threshold=threshold,
        bias_mantissa=mantissa,
        bias_exponent=exponent,
        refractory=int(np.rint(population.tau_ref / dt)) + 1,
        vmin_exponent=limits.V_BITS,
    )
    # a weight is a height of the current; what it adds up to is what the threshold is scaled by
    return compartments, _Scales(
        scales.weight / leak, scales.exponent, scales.voltage, scales.current
    )


def _exact(p: Population) -> Population:
    """Thresholds and biases in float64: scaled in 32 bits, some would round otherwise."""
    return replace(
        p, threshold=np.asarray(p.threshold, np.float64), bias=np.asarray(p.bias, np.float64)
    )


def _decay(what: str, tau: float, dt: float) -> float:
    """``1 - exp(-dt / tau)``."""
    if tau == 0:
        return 1.0
    decay = float(-np.expm1(-dt / tau))
    if not decay > 0.5 / _DECAYS:
        longest = -dt / np.log1p(-0.5 / _DECAYS)
        raise ConfigError(
            f"{what} is {tau:g} s; with steps of {dt:g} s, 12 bits of decay reach {longest:.3g} s"
        )
    return decay


def _scales(
    name: str, population: Population, largest: float, gain_u: float, gain_v: float
) -> _Scales:
    """Scales under which thresholds and biases fit; ``largest`` is the largest weight's sum."""
    threshold = float(np.abs(population.threshold).max())
    bias = float(np.abs(population.bias).max())
    highest = float(limits.THRESHOLD_MAX << limits.THRESHOLD_EXPONENT)
    strongest = float(limits.BIAS_MAX << limits.BIAS_EXPONENT_MAX)

    def fits(voltage: float) -> bool:
        return bool(
            np.rint(threshold * voltage) <= highest
            and np.rint(bias * voltage / gain_v) <= strongest
        )

    if largest > _SMALL:
        weight = _LARGEST / largest
        for exponent in range(0, limits.WEIGHT_EXPONENTS[0] - 1, -1):
            voltage = gain_u * gain_v * weight * 2.0 ** (limits.WEIGHT_SHIFT + exponent)
            if fits(voltage):
                return _Scales(weight, exponent, voltage, voltage / gain_v)
        raise ConfigError(
            f"population {name!r}: weights of {largest:g} at most are too small beside a threshold "
            f"of {threshold:g} or a bias of {bias:g}: no weight exponent from 0 to "
            f"{limits.WEIGHT_EXPONENTS[0]} brings those into their registers"
        )
    if bias > _SMALL:
        voltage = strongest / bias * gain_v
        while not fits(voltage):
            voltage /= 2.0
    else:
        voltage = ((1 << limits.Q_BITS) - 1) / (threshold + 1.0)
    return _Scales(1.0, 0, voltage, voltage / gain_v)


def _biases(bias: Array) -> tuple[Ints, Ints]:
    """Mantissas and the smallest exponents."""
    wide = np.maximum(np.abs(bias) / limits.BIAS_MAX, 1.0)
    exponent = np.ceil(np.log2(wide)).astype(np.int32)
    return np.rint(bias / 2.0**exponent).astype(np.int32), exponent


def _projection(p: Projection, scales: _Scales) -> Synapses:
    """One weight format for all of a projection.

    The mantissas have 7 bits and a sign, one place up; bits that a negative exponent shifts out
    are rounded here, since the chip would round them down.
    """
    weights = np.asarray(p.weights, np.float64) * scales.weight
    largest = float(np.abs(weights).max(initial=0.0))
    smaller = max(0, int(np.floor(np.log2(_LARGEST / largest)))) if largest > 0 else 0
    exponent = min(scales.exponent, max(scales.exponent - smaller, _LOWEST_EXPONENT))
    halves = np.rint(weights * 2.0 ** (scales.exponent - exponent) / 2.0).clip(-127, 127)
    lost = 2.0 ** max(0, -1 - exponent)
    halves = (np.rint(halves / lost) * lost).clip(-127, 127)
    return Synapses.dense(p.source, p.target, 2 * halves, exponent)
