"""Spiking execution on the desktop."""

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
class SpikingOptions:
    """How the network is held."""


class SpikingTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "spiking"
    summary: ClassVar[str] = "spikes on the desktop"
    ops: ClassVar[frozenset[str]] = frozenset()
    integer: ClassVar[bool] = False
    Options: ClassVar[type[SpikingOptions]] = SpikingOptions

    def tolerance(self, options: SpikingOptions, trained: Scheme | None = None) -> Tolerance:
        return Tolerance(distance=0.2, agreement=0.95, replay=0.0)

    def convert(self, model: Source, options: SpikingOptions, calibration: Features) -> Converted:
        raise UnsupportedOpError("spiking: being built")

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        raise UnsupportedOpError("spiking: being built")


TARGET = SpikingTarget()
