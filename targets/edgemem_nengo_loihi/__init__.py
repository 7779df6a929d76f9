"""A Nengo model for ``nengo_loihi.Simulator``: spiking populations with full weights."""

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
class NengoLoihiOptions:
    """How the network is held."""


class NengoLoihiTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "nengo-loihi"
    summary: ClassVar[str] = "a Nengo model for NengoLoihi"
    ops: ClassVar[frozenset[str]] = frozenset()
    integer: ClassVar[bool] = False
    Options: ClassVar[type[NengoLoihiOptions]] = NengoLoihiOptions

    def tolerance(self, options: NengoLoihiOptions, trained: Scheme | None = None) -> Tolerance:
        return Tolerance(distance=0.2, agreement=0.95, replay=0.0)

    def convert(
        self, model: Source, options: NengoLoihiOptions, calibration: Features
    ) -> Converted:
        raise UnsupportedOpError("nengo-loihi: being built")

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        raise UnsupportedOpError("nengo-loihi: being built")


TARGET = NengoLoihiTarget()
