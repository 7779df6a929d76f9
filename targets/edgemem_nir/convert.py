"""Host half: a model as a NIR file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgemem.target import Converted

from .lower import lower
from .writing import to_bytes

if TYPE_CHECKING:
    from edgemem.target import Features, Source

    from . import NirOptions

WITHOUT_SOUND = 0.001
"""Seconds per step of a model that has no front end to say so."""


def convert(model: Source, options: NirOptions, calibration: Features) -> Converted:
    """The NIR file of ``model``, which stands in front of the archive."""
    dt = options.dt or frame_seconds(getattr(model, "frontend", None))
    return Converted(to_bytes(lower(model.graph(), dt, calibration, options.levels)))


def frame_seconds(frontend: Any) -> float:
    """Seconds from one feature vector to the next."""
    if frontend is None:
        return WITHOUT_SOUND
    return float(frontend.hop_length * frontend.stack / frontend.sample_rate)
