"""What was recorded of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba.chip import Ints


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
