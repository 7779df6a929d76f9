"""A linear network as the arrays of a Nengo model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.ir.substeps import in_substeps, start_from_mean
from edgemem.ops import Array

from .neurons import Population, population

CORE = 1024
"""Compartments of one core."""
CORE_BITS = 16384 * 64
"""Its synapse memory."""
BITS_PER_WEIGHT = 9.3
OUT_AXONS = 3500
"""Its output axons are 4096; the rest is for pieces that do not come out even."""


@dataclass(frozen=True)
class Linear:
    """``m' = A m + G x``, ``y = C m + D x + b``, with the ``m`` before the step.

    Parameters
    ----------
    A : (q, q) array
    G : (q, n_in) array
    C : (n_out, q) array
    D : (n_out, n_in) array
    bias : (n_out,) array
    input_radius : (n_in,) array
        Inputs beyond it are clipped.
    state_radius : (q,) array
    """

    A: Array
    G: Array
    C: Array
    D: Array
    bias: Array
    input_radius: Array
    state_radius: Array


@dataclass(frozen=True)
class Timing:
    """Steps of the chip.

    Parameters
    ----------
    steps : int
        For each frame.
    dt : float
        Length of one, in seconds.
    tau : float
        Time constant of the synapses; 0 for one that follows from the states' own.
    """

    steps: int
    dt: float = 0.001
    tau: float = 0.0


def network(linear: Linear, timing: Timing, neurons: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """The arrays that :func:`~.standalone.model` builds a network from.

    Parameters
    ----------
    linear : Linear
    timing : Timing
    neurons : int
        For each value.
    seed : int
    """
    rng = np.random.default_rng(seed)
    root, drive = in_substeps("m", linear.A, linear.G, timing.steps)
    tau = timing.tau or time_constant(root, timing.dt)
    q, n_in = linear.G.shape
    # discrete Principle 3 (Voelker & Eliasmith 2018): a = exp(-dt/tau),
    # A_h = (A - a I) / (1 - a), B_h = B / (1 - a); then in units of the radii
    a = np.exp(-timing.dt / tau)
    radii = np.concatenate([linear.input_radius, linear.state_radius])
    transform = np.concatenate([drive, root - a * np.eye(q)], axis=1) / (1.0 - a)
    transform = transform * radii / linear.state_radius[:, None]
    each = _values_in_a_group(transform, neurons)
    relays, states = _parts(n_in, each), _parts(q, each)
    arrays: dict[str, NDArray[Any]] = {
        "steps": np.asarray(timing.steps),
        "dt": np.asarray(timing.dt),
        "tau": np.asarray(tau),
        "radius": linear.input_radius,
        "relays": np.asarray(len(relays)),
        "groups": np.asarray(len(states)),
    }
    columns = {f"relay{k}": part for k, part in enumerate(relays)}
    columns.update({f"states{k}": n_in + part for k, part in enumerate(states)})
    for name, part in columns.items():
        _add(arrays, name, population(len(part), neurons, timing.dt, rng))
        for k, rows in enumerate(states):
            arrays[f"transform/{name}/states{k}"] = transform[np.ix_(rows, part)]
    of_mean, of_input = start_from_mean(root, drive, timing.steps)
    by_state = linear.C @ of_mean * linear.state_radius
    by_input = (linear.D + linear.C @ of_input) * linear.input_radius
    arrays["output/weights"] = np.concatenate([by_input, by_state], axis=1)
    arrays["output/bias"] = linear.bias
    return arrays


def _values_in_a_group(transform: Array, neurons: int) -> int:
    """Values that share a group of neurons, so that their spikes find enough output axons.

    NengoLoihi cuts a group whose weights (9 bits each, with their share of headers) exceed a
    core's memory, and a neuron needs an output axon for every piece that it reaches.
    """
    pieces = np.count_nonzero(transform) * neurons**2 * BITS_PER_WEIGHT / CORE_BITS
    return int(np.clip(OUT_AXONS / (pieces + 2.0) / neurons, 1, CORE // neurons))


def _parts(n: int, each: int) -> list[NDArray[np.int64]]:
    return [np.arange(n)[i : i + each] for i in range(0, n, each)]


def time_constant(root: Array, dt: float) -> float:
    """``2 / mean |s|`` over the continuous modes ``exp(s dt)`` of a state, in seconds.

    Slower synapses smooth spikes better, and ask for larger weights, by which errors grow;
    best is about twice the mean time constant of the modes (measured).
    """
    if not len(root):
        return 5.0 * dt
    modes = np.log(np.linalg.eigvals(root).astype(complex)) / dt
    return float(max(2.0 * dt, 2.0 / np.mean(np.abs(modes))))


def _add(arrays: dict[str, NDArray[Any]], name: str, neurons: Population) -> None:
    for field in ("encoders", "gain", "bias", "decoders"):
        arrays[f"{name}/{field}"] = getattr(neurons, field)
