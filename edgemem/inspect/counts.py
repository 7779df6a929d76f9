"""What each layer of a network takes: numbers held, and multiply-accumulates of a step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from edgemem.energy import graph_counts
from edgemem.inspect.layers import Layer


@dataclass(frozen=True)
class LayerCounts:
    """One layer.

    Parameters
    ----------
    name, kind : str
        Place and kind in the stack, and the kind of cell.
    n_in, n_out : int
    parameters, constants, states : int
        Numbers that are trained, that hyper-parameters fix (the memory matrices of an LMU), and
        that are carried from step to step.
    macs : int
        Multiply-accumulates of a step, as :func:`edgemem.energy.graph_counts` counts them; of a
        bidirectional layer those of both directions.
    """

    name: str
    kind: str
    n_in: int
    n_out: int
    parameters: int
    constants: int
    states: int
    macs: int

    def to_dict(self, period: float | None) -> dict[str, Any]:
        """The fields, as JSON values, and the multiply-accumulates of a second.

        Parameters
        ----------
        period : float or None
            Seconds between two steps, where steps have a time.
        """
        return {**asdict(self), "macs_per_second": per_second(self.macs, period)}


def layer_counts(layer: Layer) -> LayerCounts:
    """Count one layer."""
    cell = layer.cell
    return LayerCounts(
        name=layer.name,
        kind=cell.name,
        n_in=cell.n_in,
        n_out=cell.n_out,
        parameters=cell.n_params,
        constants=sum(int(array.size) for array in cell.constants.values()),
        states=sum(math.prod(shape) for shape in cell.states.values()),
        macs=sum(graph_counts(each.graph).macs for each in layer.passes),
    )


def total(counts: Iterable[LayerCounts]) -> LayerCounts:
    """All layers as one."""
    every = list(counts)
    return LayerCounts(
        name="all",
        kind="",
        n_in=every[0].n_in,
        n_out=every[-1].n_out,
        parameters=sum(each.parameters for each in every),
        constants=sum(each.constants for each in every),
        states=sum(each.states for each in every),
        macs=sum(each.macs for each in every),
    )


def per_second(macs: int, period: float | None) -> float | None:
    """``macs`` a step in a second; None where steps have no time."""
    return None if period is None else macs / period
