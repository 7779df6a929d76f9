"""Host half: what travels as spikes, and how large a value each spike stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgemem.files import npz_bytes
from edgemem.ir.passes import fold, residual
from edgemem.spiking import prepare
from edgemem.spiking.network import HOP
from edgemem.spiking.populations import plan
from edgemem.target import Converted

from .names import ARRAYS, NETWORK

if TYPE_CHECKING:
    from edgemem.ir import Graph
    from edgemem.target import Features, Source

    from . import SpikingOptions


def convert(model: Source, options: SpikingOptions, calibration: Features) -> Converted:
    """The spiking form of ``model``; nothing stands in front of it."""
    network = prepare(
        model.graph(),
        calibration,
        steps=options.steps_per_frame,
        scale=options.scale,
        code=options.code,
        input_spikes=options.input_spikes,
        hop=_hop(model),
    )
    about, arrays = network.to_parts()
    return Converted(b"", {NETWORK: about, ARRAYS: npz_bytes(arrays)})


def stages(graph: Graph, options: SpikingOptions) -> int:
    """Windows of a frame, one for each stage of populations."""
    return plan(residual(fold(graph)), options.input_spikes).depth


def _hop(model: Source) -> float:
    """Length of a frame in seconds, of a model that hears sound."""
    frontend: Any = getattr(model, "frontend", None)
    return HOP if frontend is None else float(frontend.frame_period)
