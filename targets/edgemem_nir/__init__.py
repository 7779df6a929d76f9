"""The Neuromorphic Intermediate Representation, written and read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from edgemem.errors import UnsupportedOpError
from edgemem.target import Converted, Tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Runner, Source


@dataclass(frozen=True)
class NirOptions:
    """How the network is held."""


class NirTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "nir"
    summary: ClassVar[str] = "a file of the Neuromorphic Intermediate Representation"
    ops: ClassVar[frozenset[str]] = frozenset()
    integer: ClassVar[bool] = False
    Options: ClassVar[type[NirOptions]] = NirOptions

    def tolerance(self, options: NirOptions, trained: Scheme | None = None) -> Tolerance:
        return Tolerance(distance=0.2, agreement=0.95, replay=0.0)

    def convert(self, model: Source, options: NirOptions, calibration: Features) -> Converted:
        raise UnsupportedOpError("nir: being built")

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        raise UnsupportedOpError("nir: being built")


TARGET = NirTarget()
