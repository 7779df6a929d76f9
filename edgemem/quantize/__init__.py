"""Integers for reals: formats, ranges, and the integer program that every integer target runs."""

from edgemem.quantize.build import Built as Built
from edgemem.quantize.build import build as build
from edgemem.quantize.calibration import Observed as Observed
from edgemem.quantize.calibration import observe as observe
from edgemem.quantize.formats import Format as Format
from edgemem.quantize.formats import affine as affine
from edgemem.quantize.formats import per_row as per_row
from edgemem.quantize.formats import symmetric as symmetric
from edgemem.quantize.integer import IntegerOps as IntegerOps
from edgemem.quantize.program import Operation as Operation
from edgemem.quantize.program import Program as Program
from edgemem.quantize.program import Tensor as Tensor
from edgemem.quantize.scheme import Scheme as Scheme
