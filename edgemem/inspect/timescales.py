"""Over what times the units of a gated layer forget, measured along data.

A LEM blends a state with what is new by a step size that a gate gives for each unit and each step
(Rusch et al. 2022, eq. 3):

    z_n = (1 - dt_n) z_{n-1} + dt_n tanh(...)              y_n likewise, with dtbar_n

Whether training makes use of many such scales at once is a question that its authors leave open.
The gates that do the same in the baselines are read alike: a GRU keeps the share z of its state
(Cho et al. 2014), so that its step size is 1 - z; an LSTM keeps the share f of its cell state (Gers
et al. 2000), so that it is 1 - f.

A state that is multiplied by 1 - s at each step falls to 1/e in

    tau = -1 / ln(1 - s)    steps.

Over many steps of size s_n what is left is prod (1 - s_n) = exp(sum ln(1 - s_n)), so that the time
constant of a unit is -1 / mean(ln(1 - s_n)). That is how fast the blend forgets. What a unit tells
the others can come back through their matrices, so that a network may remember for longer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgemem.cells import GRU, LEM, LSTM, Cell
from edgemem.inspect.layers import Pass, run
from edgemem.ir import Graph, trace
from edgemem.ops import Array

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

MOST_STEPS = 20_000
"""Steps of all sequences together that are kept for each unit; of more, every k-th is."""

CLOSED = 1e-12
"""Step sizes are taken to lie this far or further from 0 and 1, where no time constant is."""


@dataclass(frozen=True)
class Gate:
    """Where a cell says how much of a state is new at a step.

    Parameters
    ----------
    label : str
        Of the value in the graph.
    state : str
        What it blends.
    keeps : bool
        Whether the value is the share that stays, 1 minus the step size.
    """

    label: str
    state: str
    keeps: bool = False


GATES: Mapping[type[Cell], tuple[Gate, ...]] = {
    LEM: (Gate("dt", "z"), Gate("dt_bar", "y")),
    GRU: (Gate("gate_z", "h", keeps=True),),
    LSTM: (Gate("gate_f", "c", keeps=True),),
}


@dataclass(frozen=True)
class Steps:
    """Step sizes of the units of a gate, along sequences.

    Parameters
    ----------
    geometric_mean : (n_units,) array
        Of the step sizes over steps and sequences.
    quantiles : (5, n_units) array
        Of the same, at :data:`QUANTILES`; the third is the median.
    time_constants : (n_units,) array
        Steps in which the blend of a unit forgets: ``-1 / mean(ln(1 - s))``.
    """

    geometric_mean: Array
    quantiles: Array
    time_constants: Array

    @classmethod
    def of(cls, sizes: Array) -> Steps:
        """Of step sizes of shape (n, n_units); those beyond 1 (``dt > 1``) count as 1."""
        s = np.clip(sizes, CLOSED, 1.0 - CLOSED)
        return cls(
            geometric_mean=np.exp(np.log(s).mean(axis=0)),
            quantiles=np.quantile(s, QUANTILES, axis=0),
            time_constants=-1.0 / np.log1p(-s).mean(axis=0),
        )

    @property
    def over_units(self) -> Array:
        """Quantiles of the time constants over units, at :data:`QUANTILES`, in steps."""
        return np.asarray(np.quantile(self.time_constants, QUANTILES), np.float64)

    @property
    def decades(self) -> float:
        """How far the time constants of units lie apart: log10 of their 95 % over 5 % quantile."""
        low, *_, high = self.over_units
        return math.log10(high / low)

    @property
    def variation(self) -> float:
        """How far one unit's step size goes along data: log10 of 95 % over 5 %, median unit."""
        return float(np.median(np.log10(self.quantiles[-1] / self.quantiles[0])))

    def to_dict(self, period: float | None) -> dict[str, Any]:
        """Everything, as JSON values; seconds are null where a step has no time."""

        def seconds(values: Array) -> list[float] | None:
            return None if period is None else (period * values).tolist()

        return {
            "decades": self.decades,
            "variation_decades": self.variation,
            "time_constants_over_units": {
                "quantiles": list(QUANTILES),
                "steps": self.over_units.tolist(),
                "seconds": seconds(self.over_units),
            },
            "units": {
                "geometric_mean": self.geometric_mean.tolist(),
                "median": self.quantiles[2].tolist(),
                "quantiles": self.quantiles.tolist(),
                "time_constant_steps": self.time_constants.tolist(),
                "time_constant_seconds": seconds(self.time_constants),
            },
        }


@dataclass(frozen=True)
class TimeScales:
    """One gate of one layer.

    Parameters
    ----------
    layer : str
    gate, state : str
        Label of the gate, and the state that it blends.
    trained : Steps
    fresh : Steps
        With arrays as the cell initialises them and the same input of the layer.
    """

    layer: str
    gate: str
    state: str
    trained: Steps
    fresh: Steps

    def to_dict(self, period: float | None) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "layer": self.layer,
            "gate": self.gate,
            "state": self.state,
            "trained": self.trained.to_dict(period),
            "initialised": self.fresh.to_dict(period),
        }


def time_scales(part: Pass, x: Array, seed: int = 0) -> tuple[TimeScales, ...]:
    """The gates of a layer along sequences; empty for a cell that has none.

    Parameters
    ----------
    part : Pass
    x : (n, n_steps, n_in) array
        What the layer reads in the trained network.
    seed : int
        Of the fresh arrays.
    """
    gates = GATES.get(type(part.cell), ())
    if not gates:
        return ()
    x = part.along(x)
    arrays = part.cell.init(np.random.default_rng(seed))
    trained, fresh = (_measured(g, gates, x) for g in (part.graph, trace(part.cell, arrays)))
    return tuple(
        TimeScales(part.name, gate.label, gate.state, trained[gate.label], fresh[gate.label])
        for gate in gates
    )


def _measured(graph: Graph, gates: tuple[Gate, ...], x: Array) -> dict[str, Steps]:
    every = math.ceil(x.shape[0] * x.shape[1] / MOST_STEPS)
    kept: dict[str, list[Array]] = {gate.label: [] for gate in gates}

    def watch(t: int, values: Mapping[str, Array]) -> None:
        if t % every == 0:
            for gate in gates:
                value = values[gate.label]
                kept[gate.label].append(1.0 - value if gate.keeps else value)

    run(graph, x, watch)
    return {label: Steps.of(np.concatenate(sizes)) for label, sizes in kept.items()}
