"""Device half: the integer program, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgemem.errors import ShapeError
from edgemem.ir.values import Values
from edgemem.quantize.integer import IntegerOps
from edgemem.quantize.program import Integers
from edgemem.quantize.stored import read_program

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Features


class FixedRunner:
    """See :class:`edgemem.target.Runner` and :class:`edgemem.target.Inspectable`.

    Parameters
    ----------
    artefact : Artefact

    Attributes
    ----------
    program : Program
    """

    def __init__(self, artefact: Artefact) -> None:
        self.program = read_program(artefact)
        self._ops = IntegerOps(self.program)
        self.n_in, self.n_out = self.program.n_in, self.program.n_out
        self.engine = f"numpy {np.__version__}, integers"
        self.input_format = self.program.tensors[self.program.input].form
        self.output_format = self.program.tensors[self.program.output].form
        self.output_scale = float(self.output_format.scale)
        self.reset()

    def reset(self) -> None:
        self._states = self.program.zero_state()
        self._values: dict[str, Integers] = {}

    def step(self, x: Features) -> Features:
        if x.shape != (self.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        return self._ops.dequantize(self.step_integers(self._ops.quantize(x)))

    def step_integers(self, x: Integers) -> Integers:
        self._states, self._values = self._ops.step(self._states, x)
        return self._values[self.program.output]

    def tensors(self) -> dict[str, Values]:
        """Input and result of every operation of the last step."""
        return self.program.shown(self._values)
