"""Synapses of every line and comparator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.spikes.assemble import assembled_value
from edgemem_loihi.spikes.design import Design


def fan_out(design: Design) -> dict[str, NDArray[np.int64]]:
    """Weights that a spike of each comparator adds somewhere, by the name of its value.

    The ring's are left out: it is the same in every network, one spike in each step.
    """
    found = {name: np.zeros(code.comparators, np.int64) for name, code in design.codes.items()}
    for name, value in design.values.items():
        copies = np.bincount(value.code.unit, minlength=value.code.size)
        for source, rows in assembled_value(name, value, design).drives.items():
            found[source] += copies @ (rows.weights != 0)
    for relay in design.relays.values():
        found[relay.source] += 1
    return found
