"""A network in Loihi 1's integers: compartments and synapses, each value within its register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgemem.errors import ConfigError, GraphError
from edgemem_loihi.cuba import limits

Ints = NDArray[np.int32]

Sign = Literal["mixed", "excitatory", "inhibitory"]

_WEIGHTS: dict[Sign, tuple[int, int]] = {
    "mixed": (-256, 254),
    "excitatory": (0, 255),
    "inhibitory": (-255, 0),
}


@dataclass(frozen=True)
class Compartments:
    """A population of CUBA LIF compartments (see the README for their rules).

    Parameters
    ----------
    size : int
    decay_u, decay_v : (size,) int32 array
        0 to 4095: a current keeps ``(4095 - decay_u) / 4096`` of itself in a step, a voltage
        ``(4096 - decay_v) / 4096``.
    threshold : (size,) int32 array
        Mantissas, 0 to 131071; a voltage above ``64 threshold`` is a spike.
    bias_mantissa, bias_exponent : (size,) int32 array
        -4095 to 4095 and 0 to 7: ``mantissa 2^exponent`` is added to the current.
    refractory : (size,) int32 array
        1 to 64: spikes are at least so many steps apart.
    vmin_exponent, vmax_exponent : int
        0 to 31 and 0 to 7: voltages stay in ``[1 - 2^vmin, 2^(9 + 2 vmax) - 1]``, and within 23
        bits and a sign.

    Raises
    ------
    ConfigError
        If a value leaves its register.
    """

    size: int
    decay_u: Ints
    decay_v: Ints
    threshold: Ints
    bias_mantissa: Ints
    bias_exponent: Ints
    refractory: Ints
    vmin_exponent: int = 0
    vmax_exponent: int = limits.VMAX_EXPONENT_MAX

    @classmethod
    def of(
        cls,
        size: int,
        *,
        threshold: ArrayLike,
        decay_u: ArrayLike = limits.DECAY_MAX,
        decay_v: ArrayLike = 0,
        bias_mantissa: ArrayLike = 0,
        bias_exponent: ArrayLike = 0,
        refractory: ArrayLike = 1,
        vmin_exponent: int = 0,
        vmax_exponent: int = limits.VMAX_EXPONENT_MAX,
    ) -> Compartments:
        """Each value one for all, or one for each compartment.

        By default currents last one step and voltages do not leak.
        """

        def each(value: ArrayLike) -> Ints:
            return np.array(np.broadcast_to(_whole(value), (size,)), np.int32)

        return cls(
            size,
            decay_u=each(decay_u),
            decay_v=each(decay_v),
            threshold=each(threshold),
            bias_mantissa=each(bias_mantissa),
            bias_exponent=each(bias_exponent),
            refractory=each(refractory),
            vmin_exponent=vmin_exponent,
            vmax_exponent=vmax_exponent,
        )

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"compartments: a population of {self.size}; at least 1 is needed")
        ranges = {
            "decay_u": (0, limits.DECAY_MAX),
            "decay_v": (0, limits.DECAY_MAX),
            "threshold": (0, limits.THRESHOLD_MAX),
            "bias_mantissa": (-limits.BIAS_MAX, limits.BIAS_MAX),
            "bias_exponent": (0, limits.BIAS_EXPONENT_MAX),
            "refractory": limits.REFRACTORY,
        }
        for name, (lowest, highest) in ranges.items():
            values = getattr(self, name)
            if values.shape != (self.size,):
                raise ConfigError(
                    f"compartments: {name} has shape {values.shape}, expected ({self.size},)"
                )
            _within(f"compartments: {name}", values, lowest, highest)
        _within("compartments: vmin_exponent", self.vmin_exponent, 0, limits.VMIN_EXPONENT_MAX)
        _within("compartments: vmax_exponent", self.vmax_exponent, 0, limits.VMAX_EXPONENT_MAX)

    @property
    def vth(self) -> Ints:
        """Thresholds on the scale of the voltage."""
        return self.threshold << limits.THRESHOLD_EXPONENT

    @property
    def bias(self) -> Ints:
        """Biases on the scale of the current."""
        return self.bias_mantissa << self.bias_exponent

    @property
    def vmin(self) -> int:
        """Lowest voltage."""
        return 1 - (1 << min(self.vmin_exponent, limits.V_BITS))

    @property
    def vmax(self) -> int:
        """Highest voltage."""
        return (1 << (9 + 2 * self.vmax_exponent)) - 1


@dataclass(frozen=True)
class Synapses:
    """Weights from an input or a population to a population, all of one format.

    A spike of unit ``sources[k]`` adds ``(weights[k] 2^exponent) 2^6`` to what arrives at
    compartment ``targets[k]``; bits that a negative exponent shifts out are lost, rounding down.

    Parameters
    ----------
    source, target : str
    shape : tuple of int
        Compartments of the target, units of the source.
    targets, sources, weights : (n,) int32 array
        Weights between the same two units add up.
    exponent : int
        -7 to 7.
    sign : {"mixed", "excitatory", "inhibitory"}
        Weights are even and in -256..254, or in 0..255, or in -255..0.

    Raises
    ------
    ConfigError
        If a value leaves its register or an index its population.
    """

    source: str
    target: str
    shape: tuple[int, int]
    targets: Ints = field(repr=False)
    sources: Ints = field(repr=False)
    weights: Ints = field(repr=False)
    exponent: int = 0
    sign: Sign = "mixed"

    @classmethod
    def dense(
        cls,
        source: str,
        target: str,
        weights: ArrayLike,
        exponent: int = 0,
        sign: Sign = "mixed",
    ) -> Synapses:
        """All to all: ``weights`` of shape (n_target, n_source); zeros are no synapses."""
        matrix = _whole(weights)
        if matrix.ndim != 2:
            raise ConfigError(
                f"synapses {source!r} -> {target!r}: weights of shape {matrix.shape}, "
                "expected (n_target, n_source)"
            )
        n_target, n_source = matrix.shape
        targets, sources = np.nonzero(matrix)
        return cls.sparse(
            source,
            target,
            targets,
            sources,
            matrix[targets, sources],
            shape=(n_target, n_source),
            exponent=exponent,
            sign=sign,
        )

    @classmethod
    def sparse(
        cls,
        source: str,
        target: str,
        targets: ArrayLike,
        sources: ArrayLike,
        weights: ArrayLike,
        *,
        shape: tuple[int, int],
        exponent: int = 0,
        sign: Sign = "mixed",
    ) -> Synapses:
        """Single synapses: three arrays of the same length."""
        return cls(
            source,
            target,
            shape,
            targets=_whole(targets),
            sources=_whole(sources),
            weights=_whole(weights),
            exponent=exponent,
            sign=sign,
        )

    def __post_init__(self) -> None:
        name = f"synapses {self.source!r} -> {self.target!r}"
        if not self.targets.shape == self.sources.shape == self.weights.shape:
            raise ConfigError(
                f"{name}: {self.targets.size} targets, {self.sources.size} sources, "
                f"{self.weights.size} weights; expected as many of each"
            )
        if self.sign not in _WEIGHTS:
            raise ConfigError(f"{name}: sign {self.sign!r}; known: {', '.join(sorted(_WEIGHTS))}")
        _within(f"{name}: exponent", self.exponent, *limits.WEIGHT_EXPONENTS)
        _within(f"{name}: weights ({self.sign})", self.weights, *_WEIGHTS[self.sign])
        if self.sign == "mixed" and np.any(self.weights & 1):
            odd = int(self.weights[self.weights & 1 != 0][0])
            raise ConfigError(f"{name}: weight {odd}; weights of mixed sign must be even")
        for what, indices, size in (
            ("target", self.targets, self.shape[0]),
            ("source", self.sources, self.shape[1]),
        ):
            _within(f"{name}: {what}", indices, 0, size - 1)

    @property
    def effective(self) -> Ints:
        """What each weight adds, on the scale of the current."""
        return shifted(self.weights, self.exponent) << limits.WEIGHT_SHIFT


@dataclass(frozen=True)
class Network:
    """Populations, the inputs whose spikes come from outside, and all synapses.

    Parameters
    ----------
    inputs : mapping of int
        Sizes, by name.
    populations : mapping of Compartments
    synapses : tuple of Synapses

    Raises
    ------
    GraphError
        If names or shapes do not meet.
    """

    inputs: Mapping[str, int]
    populations: Mapping[str, Compartments]
    synapses: tuple[Synapses, ...]

    def __post_init__(self) -> None:
        if not self.populations:
            raise GraphError("network: no populations")
        twice = sorted(set(self.inputs) & set(self.populations))
        if twice:
            raise GraphError(f"network: {twice[0]!r} is an input and a population")
        sizes = self.sizes
        for s in self.synapses:
            name = f"synapses {s.source!r} -> {s.target!r}"
            if s.source not in sizes or s.target not in self.populations:
                raise GraphError(f"{name}: no such population; known: {', '.join(sorted(sizes))}")
            if s.shape != (sizes[s.target], sizes[s.source]):
                raise GraphError(
                    f"{name}: shape {s.shape}, expected ({sizes[s.target]}, {sizes[s.source]})"
                )

    @property
    def sizes(self) -> dict[str, int]:
        """Units of every input and population."""
        return {**self.inputs, **{name: c.size for name, c in self.populations.items()}}

    @property
    def size(self) -> int:
        """Number of compartments."""
        return sum(c.size for c in self.populations.values())


def shifted(weights: Ints, exponent: int) -> Ints:
    """``weights 2^exponent``, bits on the right lost."""
    return weights << exponent if exponent >= 0 else weights >> -exponent


def _whole(value: ArrayLike) -> Ints:
    array = np.asarray(value)
    whole = array.astype(np.int32)
    if not np.array_equal(whole, array):
        raise ConfigError("chip values must be whole numbers of 32 bits")
    return whole


def _within(name: str, values: ArrayLike, lowest: int, highest: int) -> None:
    array = np.asarray(values)
    wrong = (array < lowest) | (array > highest)
    if np.any(wrong):
        got = int(array[wrong].flat[0])
        raise ConfigError(f"{name} {got} is out of range; the chip has {lowest} to {highest}")
