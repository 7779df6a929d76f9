"""A trained network that goes on in floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgemem.cells import Cell, Norm, Stack
from edgemem.cells.stack import scope
from edgemem.errors import ConfigError
from edgemem.ir import trace
from edgemem.ops import Array
from edgemem.train.last import LastPart

EPSILON = 1e-3
"""Added to the variance of batch normalisation."""


@dataclass(frozen=True)
class Further(LastPart):
    """How a network goes on in floats, for example on other data or with other variation.

    Parameters
    ----------
    epochs, learning_rate
        See :class:`~edgemem.train.last.LastPart`.
    """

    name: ClassVar[str] = "further"
    form: ClassVar[str] = "floats"
    option: ClassVar[str] = "--epochs"

    def check(self, cell: Cell, params: Mapping[str, Any]) -> None:
        """Refuse what is no stack of cells.

        Raises
        ------
        ConfigError
        """
        if not isinstance(cell, Stack):
            raise ConfigError(
                f"training in floats goes on with a stack of cells alone (got a {cell.name})"
            )


@dataclass(frozen=True, eq=False)
class Unfolded:
    """A trained network as batch normalisation has it.

    Parameters
    ----------
    params : dict of array
        Trained arrays, of norms those before statistics went into them.
    statistics : dict of array
        Mean and variance before each norm, by the norm's prefix and ``mean`` or ``variance``.
    """

    params: dict[str, Array]
    statistics: dict[str, Array]


def unfold(stack: Stack, params: Mapping[str, Array], sequences: Array) -> Unfolded:
    """Take the statistics of batch normalisation out of the gains and offsets of norms.

    A model holds ``y = g x + o``; training normalises ``x`` by the statistics of a batch before
    its own gain and offset. Those that are found here give what the model gives when the
    statistics are those of ``sequences``.

    Parameters
    ----------
    stack : Stack
    params : mapping
        Trained arrays and constants.
    sequences : (n, n_steps, n_in) array
        Along which the statistics are measured, from zero states.
    """
    trained = {name: np.asarray(params[name], np.float64) for name in stack.params}
    statistics: dict[str, Array] = {}
    x = np.asarray(sequences, np.float64)
    for prefix, cell in stack.scopes():
        if isinstance(cell, Norm):
            mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
            gain = trained[prefix + "gain"]
            trained[prefix + "offset"] = trained[prefix + "offset"] + gain * mean
            trained[prefix + "gain"] = gain * np.sqrt(variance + EPSILON)
            statistics.update({prefix + "mean": mean, prefix + "variance": variance})
        x, _ = trace(cell, scope(params, prefix)).scan(x)
    return Unfolded(trained, statistics)
