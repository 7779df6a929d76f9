"""C target: plain C99 for microcontrollers, the integers that every other target computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from edgemem.ops import OP_NAMES
from edgemem.target import Converted, IntegerOptions, Tolerance, finer_integers, rounding_tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Runner, Source


@dataclass(frozen=True)
class COptions(IntegerOptions):
    """How the network is held, and what is written with it."""

    frontend: bool = field(
        default=True,
        metadata={"help": "Write front end and detector too: sound in, keywords out."},
    )


class CTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "c"
    summary: ClassVar[str] = "C99 for microcontrollers: no heap, no floating point"
    ops: ClassVar[frozenset[str]] = OP_NAMES
    integer: ClassVar[bool] = True
    training: ClassVar[str] = "--qat"
    Options: ClassVar[type[COptions]] = COptions

    def tolerance(self, options: COptions, trained: Scheme | None = None) -> Tolerance:
        # integers are the same everywhere: a replay must not differ at all
        return rounding_tolerance(options, trained).replayed_within(0.0)

    def remedies(self, options: COptions) -> tuple[str, ...]:
        return finer_integers(options)

    def convert(self, model: Source, options: COptions, calibration: Features) -> Converted:
        from .convert import convert

        return convert(model, options, calibration)

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        from .runner import CRunner

        return CRunner(artefact)


TARGET = CTarget()
