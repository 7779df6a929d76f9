"""Time that a device needs for one feature vector."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np

from edgemem.errors import ConfigError
from edgemem.runtime.network import Network

_WARM_UP = 50


@dataclass(frozen=True)
class Latency:
    """Median times for one feature vector, in seconds.

    Parameters
    ----------
    whole : float
        Samples in, event out: front end, network and detector.
    step : float
        The network alone.
    period : float
        Time in which the sound of one feature vector arrives.
    """

    whole: float
    step: float
    period: float

    @property
    def share(self) -> float:
        """Share of real time on one core: ``whole / period``."""
        return self.whole / self.period

    def to_dict(self) -> dict[str, float]:
        """The fields, as JSON values."""
        return asdict(self)


def latency(network: Network, frames: int = 500, seed: int = 0) -> Latency:
    """Stream noise through a network and look at the clock.

    Sound comes in blocks of one feature vector's length. Front end, network and detector are timed
    together and the network alone, in two runs.

    Parameters
    ----------
    network : Network
    frames : int
        Number of feature vectors that are timed.
    seed : int
        Seed of the noise.

    Raises
    ------
    ConfigError
        If there is nothing to time.
    """
    if frames < 1:
        raise ConfigError(f"frames is {frames}; it must be 1 or more")
    frontend = network.frontend
    size = frontend.stack * frontend.hop_length
    # Whole before the first block of the clock's, however long a frame is.
    lead = frontend.frame_length + (_WARM_UP + 1) * size
    rng = np.random.default_rng(seed)
    samples = rng.normal(0.0, 1000.0, lead + frames * size).astype(np.int16)
    listener = network.listener()
    listener.push(samples[:lead])
    whole = []
    for start in range(lead, len(samples), size):
        began = time.perf_counter()
        listener.push(samples[start : start + size])
        whole.append(time.perf_counter() - began)
    vectors = frontend.features(samples)
    step = []
    for vector in vectors[-frames:]:
        began = time.perf_counter()
        network.runner.step(vector)
        step.append(time.perf_counter() - began)
    network.runner.reset()
    return Latency(float(np.median(whole)), float(np.median(step)), frontend.frame_period)
