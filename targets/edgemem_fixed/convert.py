"""Host half: the integer program as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgemem.quantize import build
from edgemem.quantize.scheme import choose
from edgemem.quantize.stored import program_parts
from edgemem.target import Converted

if TYPE_CHECKING:
    from edgemem.target import Features, Source

    from . import FixedOptions


def convert(model: Source, options: FixedOptions, calibration: Features) -> Converted:
    """The integer program of ``model``; nothing stands in front of it."""
    scheme = choose(model.scheme, options.quantize, options.weights)
    program = build(model.graph(), scheme, calibration).program
    return Converted(b"", program_parts(program))
