"""Integers for reals: formats, and the ranges that they must cover."""

from edgemem.quantize.calibration import Observed as Observed
from edgemem.quantize.calibration import observe as observe
from edgemem.quantize.formats import Format as Format
from edgemem.quantize.formats import affine as affine
from edgemem.quantize.formats import per_row as per_row
from edgemem.quantize.formats import symmetric as symmetric
