"""Thresholds of messages, from the size that values have along calibration sequences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .emulator import Emulator
from .network import GradedNetwork

Features = NDArray[np.float32]


def sizes(network: GradedNetwork, sequences: Features) -> dict[str, float]:
    """RMS of each value that is sent, in its integer steps, along sequences.

    Parameters
    ----------
    network : GradedNetwork
    sequences : (n, t, n_in) float32 array
    """
    emulator = Emulator(network, overflow="hardware")
    run, squares = emulator.start((len(sequences),)), dict.fromkeys(network.channels, 0.0)
    x = emulator.ops.quantize(sequences)
    for t in range(x.shape[1]):
        values = run.step(x[:, t])
        for name in squares:
            centred = values[name].astype(np.float64) - emulator.zeros[name]
            squares[name] += float(np.mean(centred**2))
    return {name: float(np.sqrt(total / x.shape[1])) for name, total in squares.items()}


def steps_of(share: float, rms: Mapping[str, float]) -> dict[str, int]:
    """Thresholds in integer steps: ``share`` of each value's RMS, rounded down.

    What a product reads is then off by at most that share of the RMS of what it would read at
    threshold 0; if errors are spread evenly below it, by ``share / sqrt(3)``.
    """
    return {name: int(share * size) for name, size in rms.items()}
