"""Thresholds of messages, from the size that values have along calibration sequences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .emulator import Emulator
from .network import GradedNetwork

Features = NDArray[np.float32]


def spreads(network: GradedNetwork, sequences: Features) -> dict[str, float]:
    """How far each value that is sent moves about its mean, in its integer steps.

    The standard deviation of each element along the sequences, RMS over the elements: what stays
    as it is takes no messages.

    Parameters
    ----------
    network : GradedNetwork
    sequences : (n, t, n_in) float32 array
    """
    emulator = Emulator(network, overflow="hardware")
    run, x = emulator.start((len(sequences),)), emulator.ops.quantize(sequences)
    first: dict[str, float | NDArray[np.float64]] = dict.fromkeys(network.channels, 0.0)
    second = dict(first)
    for t in range(x.shape[1]):
        values = run.step(x[:, t])
        for name in network.channels:
            real = values[name].astype(np.float64)
            first[name] += real.mean(axis=0)
            second[name] += (real**2).mean(axis=0)
    variances = {name: second[name] / len(x[0]) - (first[name] / len(x[0])) ** 2 for name in first}
    return {name: float(np.sqrt(np.mean(np.maximum(v, 0.0)))) for name, v in variances.items()}


def steps_of(share: float, spread: Mapping[str, float]) -> dict[str, int]:
    """Thresholds in integer steps: ``share`` of each value's spread, rounded down.

    What a product reads is then off by at most that share of the spread; if errors lie evenly
    below it, by ``share / sqrt(3)``.
    """
    return {name: int(share * size) for name, size in spread.items()}
