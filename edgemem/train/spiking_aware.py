"""What of spiking-aware training can be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np

from edgemem.cells import Cell
from edgemem.errors import ConfigError
from edgemem.ir import trace
from edgemem.ir.passes import fold, residual
from edgemem.ops import Array
from edgemem.spiking.network import STEPS, Code, SpikingNetwork
from edgemem.spiking.populations import populations
from edgemem.train.last import LastPart

PENALTY = 0.0
"""Weight of the firing rates above target: fewer steps save more spikes for the same loss."""

TARGET = 0.0
"""Rate, as a share of a spike in every step, that costs nothing."""


@dataclass(frozen=True)
class RatePenalty:
    """What firing rates cost.

    Parameters
    ----------
    weight : float
        In the loss, beside the cross-entropy; 0 for none.
    target : float
        Mean rate of a unit up to which it costs nothing, as a share of the highest rate.
    """

    weight: float
    target: float

    def excess(self, rates: Array) -> float:
        """Mean over units of what their mean rates exceed the target by.

        Parameters
        ----------
        rates : (n, n_rates) array
            Of each unit along each of n sequences, between 0 and 1.
        """
        return float(np.maximum(rates.mean(axis=0) - self.target, 0.0).mean())

    def of(self, rates: Array) -> float:
        """The weighted excess."""
        return self.weight * self.excess(rates)


@dataclass(frozen=True)
class SpikingAware(LastPart):
    """How a network goes on in the form that runs on spikes.

    Parameters
    ----------
    epochs, learning_rate
        See :class:`~edgemem.train.last.LastPart`.
    steps : int
        Simulator steps that a frame takes.
    code : {"delta", "rate"}
        What spikes say, as :class:`~edgemem.spiking.SpikingNetwork` takes it.
    rate_penalty, target_rate : float
        See :class:`RatePenalty`.

    Raises
    ------
    ConfigError
        If a number cannot work.
    """

    name: ClassVar[str] = "spiking_aware"
    form: ClassVar[str] = "spiking form"
    option: ClassVar[str] = "--spiking-epochs"

    steps: int = STEPS
    code: Code = "delta"
    rate_penalty: float = PENALTY
    target_rate: float = TARGET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.code not in get_args(Code):
            raise ConfigError(f"spiking-aware: no code named {self.code!r}; known: delta, rate")
        if self.steps < 1:
            raise ConfigError(
                f"spiking-aware: steps-per-frame must be 1 or more (got {self.steps})"
            )
        if not 0.0 <= self.rate_penalty < np.inf:
            raise ConfigError(
                f"spiking-aware: rate-penalty must be 0 or more (got {self.rate_penalty:g})"
            )
        if not 0.0 <= self.target_rate <= 1.0:
            raise ConfigError(
                "spiking-aware: target-rate is a share of a spike in every step, from 0 to 1 "
                f"(got {self.target_rate:g})"
            )

    @property
    def penalty(self) -> RatePenalty:
        return RatePenalty(self.rate_penalty, self.target_rate)

    def check(self, cell: Cell, params: Mapping[str, Any]) -> None:
        """Refuse steps that are too few for the windows of a frame.

        Raises
        ------
        ConfigError
        """
        graph = residual(fold(trace(cell, params)))
        ones = {p.name: np.ones(p.shape) for p in populations(graph)}
        SpikingNetwork(graph, ones, self.steps, self.code)
