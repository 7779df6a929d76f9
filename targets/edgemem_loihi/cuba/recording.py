"""What was recorded of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba.chip import Ints
from edgemem_loihi.cuba.part import Part


@dataclass(frozen=True)
class Recording:
    """Spikes, currents and voltages after each step, of the populations that were asked for.

    Parameters
    ----------
    spikes : mapping of (batch, steps, n) bool array
    u, v : mapping of (batch, steps, n) int32 array
    """

    spikes: Mapping[str, NDArray[np.bool_]]
    u: Mapping[str, Ints]
    v: Mapping[str, Ints]


@dataclass(frozen=True)
class Tap:
    """Where a register of a population goes, step by step.

    Parameters
    ----------
    register : str
        ``fired``, ``u`` or ``v``.
    columns : slice
        Of the population, among all compartments.
    into : (batch, steps, n) array
    """

    register: str
    columns: slice
    into: NDArray[Any]

    def take(self, part: Part, step: int) -> None:
        """Keep what of the population is in ``part``."""
        start = max(self.columns.start, part.columns.start)
        stop = min(self.columns.stop, part.columns.stop)
        if start < stop:
            at, of = self.columns.start, part.columns.start
            values = getattr(part, self.register)[:, start - of : stop - of]
            self.into[:, step, start - at : stop - at] = values
