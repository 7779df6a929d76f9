"""Loihi-style chips: graded integer messages (Loihi 2) or binary spikes (Loihi 1)."""

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
class LoihiOptions:
    """How the network is held."""


class LoihiTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "loihi"
    summary: ClassVar[str] = "integers of a Loihi-style chip: graded messages, or binary spikes"
    ops: ClassVar[frozenset[str]] = frozenset()
    integer: ClassVar[bool] = False
    Options: ClassVar[type[LoihiOptions]] = LoihiOptions

    def tolerance(self, options: LoihiOptions, trained: Scheme | None = None) -> Tolerance:
        return Tolerance(distance=0.2, agreement=0.95, replay=0.0)

    def convert(self, model: Source, options: LoihiOptions, calibration: Features) -> Converted:
        raise UnsupportedOpError("loihi: being built")

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        raise UnsupportedOpError("loihi: being built")


TARGET = LoihiTarget()
