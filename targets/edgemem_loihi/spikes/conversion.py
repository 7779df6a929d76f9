"""Host half: a network to a design of thermometers, placed on the chip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgemem.errors import PlacementError
from edgemem.target import Converted
from edgemem_loihi.cuba.placed import chip_network
from edgemem_loihi.placement import place
from edgemem_loihi.spikes.assemble import assemble
from edgemem_loihi.spikes.lower import lower
from edgemem_loihi.spikes.lowered import design_parts
from edgemem_loihi.spikes.runner import PLACEMENT

if TYPE_CHECKING:
    from edgemem.target import Features, Source


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
    network = assemble(lowered.design)
    try:
        placement = place(chip_network(network))
    except PlacementError as error:
        raise PlacementError(
            f"loihi1, {options.levels} levels, {network.size} compartments: {error}. "
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
    parts[PLACEMENT] = json.dumps(placement.to_dict(), separators=(",", ":")).encode()
    return Converted(b"", parts, facts)
