"""Loihi 1: networks on binary spikes, in thermometers of comparators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgemem.target import Converted, Tolerance

if TYPE_CHECKING:
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Source


def convert(model: Source, options: Any, calibration: Features) -> Converted:
    """See :func:`edgemem_loihi.spikes.conversion.convert`."""
    from edgemem_loihi.spikes.conversion import convert as converted

    return converted(model, options, calibration)


def tolerance(options: Any, trained: Scheme | None = None) -> Tolerance:
    """What a conversion with ``options`` must keep.

    A rounded value has ``levels * window / 2`` steps between zero and its reach; what is left of
    it in the logits grows with the number of layers, and was measured on the pretrained networks.
    The emulator is integers: a replay on another machine differs by floats of the host only.
    """
    fineness = options.levels * options.window
    return Tolerance(
        distance=min(1.0, 0.15 + 32.0 / fineness),
        agreement=max(0.5, 0.95 - 6.4 / fineness),
        replay=1e-3,
    )
