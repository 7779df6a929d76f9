"""Host half: a network to a design of thermometers, placed on the chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgemem.errors import PlacementError
from edgemem.target import Converted
from edgemem_loihi.cuba.placed import chip_network
from edgemem_loihi.placement import LOIHI, place
from edgemem_loihi.placement.stored import placement_part
from edgemem_loihi.spikes.assemble import assemble
from edgemem_loihi.spikes.design import Design
from edgemem_loihi.spikes.lower import lower
from edgemem_loihi.spikes.lowered import design_parts

if TYPE_CHECKING:
    from edgemem.target import Features, Source

_BITS = 9
"""Bits of synapse memory for a weight of 8, with its share of a dense list's headers."""


def convert(model: Source, options: Any, calibration: Features) -> Converted:
    """The design of ``model``, and where its compartments lie.

    Parameters
    ----------
    model : Source
    options
        With the fields ``levels``, ``window`` and ``overflow``.
    calibration : (n, t, n_in) float32 array

    Raises
    ------
    UnsupportedOpError
        If the network multiplies two values or feeds a hidden value back.
    PlacementError
        If it is larger than the chip.
    """
    lowered = lower(model.graph(), calibration, options.levels, options.window)
    try:
        _check_size(lowered.design)
        network = assemble(lowered.design)
        placement = place(chip_network(network))
    except PlacementError as error:
        raise PlacementError(
            f"loihi1, {options.levels} levels: {error}. "
            "Fewer levels (--levels) take fewer compartments and synapses"
        ) from error
    facts = {
        "profile": "loihi1",
        "levels": options.levels,
        "window": options.window,
        "steps_per_frame": lowered.frames.steps,
        "compartments": network.size,
        "synapses": sum(int(s.weights.size) for s in network.synapses),
    }
    parts = design_parts(lowered, options.overflow == "strict")
    parts.update(placement_part(placement))
    return Converted(b"", parts, facts)


def _check_size(design: Design) -> None:
    """Refuse what cannot fit before it is written out, synapse by synapse."""
    codes = design.codes
    synapses = 0
    for value in design.values.values():
        copies = np.bincount(value.code.unit, minlength=value.code.size)
        for source, matrix in value.drives.items():
            seen = np.bincount(codes[source].unit, minlength=codes[source].size)
            synapses += int(copies @ (matrix != 0.0) @ seen)
    most = LOIHI.cores * LOIHI.core.synapse_bits // _BITS
    if synapses > most:
        raise PlacementError(
            f"{synapses} synapses; {LOIHI.cores} cores of {LOIHI.name!r} hold {most} of 8 bits"
        )
