"""Device half: a network on units, step by step or many sequences at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemem.energy import Execution, check_sequences
from edgemem.errors import ShapeError, check_known
from edgemem.ir.values import Values
from edgemem.quantize.program import Integers
from edgemem.quantize.stored import read_program

from ..placement.stored import read_placement
from .counting import activities, counts
from .emulator import Emulator, Run
from .mapping import mapped
from .stored import read_settings

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Features


class GradedRunner:
    """See :class:`edgemem.target.Runner`, :class:`edgemem.target.Inspectable` and
    :class:`edgemem.energy.Simulated`.

    Parameters
    ----------
    artefact : Artefact

    Attributes
    ----------
    program : Program
    network : GradedNetwork
    placement : Placement
    probes : tuple of str
        Labelled terms whose values :meth:`simulate` can give in the trained network's units.
    overflows : mapping of int
        Sums and states that wrapped in the last :meth:`simulate`, by population (hardware mode).
    """

    def __init__(self, artefact: Artefact) -> None:
        self.program = read_program(artefact)
        settings, self._units = read_settings(artefact)
        self.network = mapped(self.program, settings.labels, settings.accumulators)
        self._emulator = Emulator(self.network, settings.thresholds, settings.overflow)
        self.placement = read_placement(artefact)
        self.probes = tuple(name for name in settings.labels if name in self._units)
        self.n_in, self.n_out = self.program.n_in, self.program.n_out
        self.engine = f"numpy {np.__version__}, graded messages"
        self.input_format = self.program.tensors[self.program.input].form
        self.output_format = self.program.tensors[self.program.output].form
        self.output_scale = float(self.output_format.scale)
        self.overflows: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        self._run: Run = self._emulator.start()
        self._values: dict[str, Integers] = {}

    def step(self, x: Features) -> Features:
        if x.shape != (self.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        ops = self._emulator.ops
        return ops.dequantize(self.step_integers(ops.quantize(x)))

    def step_integers(self, x: Integers) -> Integers:
        """See :class:`edgemem.target.IntegerRunner`."""
        self._values = self._run.step(x)
        return self._values[self.program.output]

    def tensors(self) -> dict[str, Values]:
        """Input and result of every operation of the last step."""
        return self.program.shown(self._values)

    def simulate(self, x: Features, probes: Sequence[str] = ()) -> Execution:
        """See :class:`edgemem.energy.Simulated`.

        Raises
        ------
        ChipOverflowError
            In strict mode, if a sum leaves 24 bits.
        """
        check_known("probe", probes, self.probes)
        check_sequences(x, self.n_in)
        ops, run = self._emulator.ops, self._emulator.start((len(x),))
        outputs = np.empty((*x.shape[:2], self.n_out), np.float32)
        seen = {name: self._room(name, x) for name in probes}
        integers = ops.quantize(x)
        for t in range(x.shape[1]):
            values = run.step(integers[:, t])
            outputs[:, t] = ops.dequantize(values[self.program.output])
            for name, kept in seen.items():
                kept[:, t] = self._trained(name, values[name])
        self.overflows = dict(run.overflows)
        frames = x.shape[0] * x.shape[1]
        return Execution(
            outputs=outputs,
            counts=counts(self.network, run.sent, frames, self.placement.route),
            populations=activities(self.network, run.sent, frames),
            probes=seen,
        )

    def _room(self, name: str, x: Features) -> NDArray[np.float32]:
        return np.empty((*x.shape[:2], *self.program.tensors[name].shape), np.float32)

    def _trained(self, name: str, values: Integers) -> NDArray[Any]:
        """Values in the units of the trained network."""
        real = self.program.tensors[name].form.dequantize(values)
        units = self._units[name]
        if units.ndim < real.ndim:
            return np.asarray(real * units)
        # a memory in another basis: m = T n
        return np.asarray((units @ real[..., None])[..., 0])
