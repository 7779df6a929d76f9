"""Fixed-point target: the integer program in NumPy, whose integers the other targets compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edgemem.ops import OP_NAMES
from edgemem.target import Converted, IntegerOptions, Tolerance, finer_integers, rounding_tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Runner, Source


@dataclass(frozen=True)
class FixedOptions(IntegerOptions):
    """How the network is held."""


class FixedTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "fixed"
    summary: ClassVar[str] = "integers in NumPy, bit for bit what TFLite's reference kernels give"
    ops: ClassVar[frozenset[str]] = OP_NAMES
    integer: ClassVar[bool] = True
    training: ClassVar[str] = "--qat"
    Options: ClassVar[type[FixedOptions]] = FixedOptions

    def tolerance(self, options: FixedOptions, trained: Scheme | None = None) -> Tolerance:
        # integers are the same everywhere: a replay must not differ at all
        return rounding_tolerance(options, trained).replayed_within(0.0)

    def remedies(self, options: FixedOptions) -> tuple[str, ...]:
        return finer_integers(options)

    def convert(self, model: Source, options: FixedOptions, calibration: Features) -> Converted:
        from .convert import convert

        return convert(model, options, calibration)

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        from .runner import FixedRunner

        return FixedRunner(artefact)


TARGET = FixedTarget()
