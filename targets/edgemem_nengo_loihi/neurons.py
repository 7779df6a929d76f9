"""Populations of LIF neurons that stand for values, by the neural engineering framework."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgemem.ops import Array

from .simulator import packages

RATES = (100.0, 120.0)
"""Greatest rates, per second: NengoLoihi's defaults, low enough for whole steps between spikes."""

INTERCEPTS = (-1.0, 0.5)

_POINTS = 201
_REGULARISATION = 0.1


@dataclass(frozen=True)
class Population:
    """Neurons, each of which responds to one value.

    Parameters
    ----------
    encoders : (n_neurons, n) array
        1 or -1 in the column of the value.
    gain, bias : (n_neurons,) array
    decoders : (n, n_neurons) array
        Values in units of their radii from rates per second.
    """

    encoders: Array
    gain: Array
    bias: Array
    decoders: Array


def population(n: int, neurons: int, dt: float, rng: np.random.Generator) -> Population:
    """``neurons`` neurons for each of ``n`` values between -1 and 1.

    Decoders are least-squares solutions over the rates that the chip's neurons have, with whole
    steps between spikes.
    """
    encoders, decoders = np.zeros((n * neurons, n)), np.zeros((n, n * neurons))
    gains, biases = np.zeros(n * neurons), np.zeros(n * neurons)
    points = np.linspace(-1.0, 1.0, _POINTS)
    for k in range(n):
        own = slice(k * neurons, (k + 1) * neurons)
        signs = rng.permutation(np.where(np.arange(neurons) % 2, -1.0, 1.0))
        rates = rng.uniform(*RATES, neurons)
        intercepts = rng.permutation(np.linspace(*INTERCEPTS, neurons))
        gains[own], biases[own] = _lif(rates, intercepts)
        encoders[own, k] = signs
        activity = _rates(points[:, None] * signs, gains[own], biases[own], dt)
        # (A^T A + (0.1 max A)^2 m I) D = A^T x
        noise = (_REGULARISATION * activity.max()) ** 2 * _POINTS
        gram = activity.T @ activity + noise * np.eye(neurons)
        decoders[k, own] = np.linalg.solve(gram, activity.T @ points)
    return Population(encoders, gains, biases, decoders)


def _lif(rates: Array, intercepts: Array) -> tuple[Array, Array]:
    nengo, _ = packages()
    gain, bias = nengo.LIF().gain_bias(rates, intercepts)
    return np.asarray(gain), np.asarray(bias)


def _rates(x: Array, gain: Array, bias: Array, dt: float) -> Array:
    nengo, nengo_loihi = packages()
    rates = nengo_loihi.neurons.loihi_rates
    return np.asarray(rates(nengo.LIF(), x, gain, bias, dt), np.float64)
