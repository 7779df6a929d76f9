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

    What rounding leaves of values goes through every layer and is in inverse proportion to the
    levels: 0.56 of the logits at 4, 0.38 at 6, 0.34 at 8, in the network of four memories that
    comes with the package, where 10, 5 and 5 decisions of 100 fall otherwise. Small networks have
    half of that. What a coarse form may lose, a finer one may as well, so that levels and window
    do not count. The emulator is integers; what differs between machines is the host's floats.
    """
    return Tolerance(distance=0.6, agreement=0.85, replay=1e-3)
