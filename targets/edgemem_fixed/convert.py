"""Host half: the integer program as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgemem.files import npz_bytes
from edgemem.quantize import build
from edgemem.quantize.scheme import choose
from edgemem.target import Converted

from .names import ARRAYS, PROGRAM

if TYPE_CHECKING:
    from edgemem.target import Features, Source

    from . import FixedOptions


def convert(model: Source, options: FixedOptions, calibration: Features) -> Converted:
    """The integer program of ``model`` as JSON and arrays; nothing stands in front of them."""
    scheme = choose(model.scheme, options.quantize, options.weights)
    program = build(model.graph(), scheme, calibration).program
    plan = json.dumps(program.to_dict(), separators=(",", ":"))
    return Converted(b"", {PROGRAM: plan.encode(), ARRAYS: npz_bytes(program.to_arrays())})
