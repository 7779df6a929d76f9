"""Reference target: float64 NumPy, what every other target is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edgemem.ops import OP_NAMES
from edgemem.target import Converted, Tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Runner, Source


@dataclass(frozen=True)
class ReferenceOptions:
    """Nothing to choose."""


class ReferenceTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "reference"
    summary: ClassVar[str] = "float64 NumPy, what the others are measured against"
    ops: ClassVar[frozenset[str]] = OP_NAMES
    integer: ClassVar[bool] = False
    Options: ClassVar[type[ReferenceOptions]] = ReferenceOptions

    def tolerance(self, options: ReferenceOptions, trained: Scheme | None = None) -> Tolerance:
        return Tolerance(distance=1e-6, agreement=1.0, replay=1e-5)

    def convert(self, model: Source, options: ReferenceOptions, calibration: Features) -> Converted:
        from .convert import convert

        return convert(model.reference())

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        from .runner import ReferenceRunner

        return ReferenceRunner(artefact)


TARGET = ReferenceTarget()
