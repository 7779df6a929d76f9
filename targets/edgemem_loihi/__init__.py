"""Loihi-style chips: graded integer messages (Loihi 2) or binary spikes (Loihi 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from edgemem.errors import ConfigError, UnsupportedOpError
from edgemem.ops import OP_NAMES
from edgemem.target import Converted, IntegerOptions, Tolerance, rounding_tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Runner, Source

Profile = Literal["loihi2", "loihi1"]


@dataclass(frozen=True)
class LoihiOptions(IntegerOptions):
    """How the network is held."""

    profile: Profile = field(
        default="loihi2",
        metadata={"help": "loihi2: graded messages, 24-bit state; loihi1: binary spikes."},
    )
    threshold: float = field(
        default=0.0,
        metadata={
            "help": "loihi2: changes up to this share of a value's RMS are not sent; "
            "0 sends every change."
        },
    )
    accumulators: Literal["split", "single"] = field(
        default="split",
        metadata={
            "help": "loihi2: sums that could leave 24 bits are held in two, or, unproved, in one."
        },
    )
    overflow: Literal["strict", "hardware"] = field(
        default="strict",
        metadata={"help": "A sum that leaves its register is an error, or wraps."},
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold < 10.0:
            raise ConfigError(
                f"threshold {self.threshold}: a share of a value's RMS; expected 0 or more, "
                "below 10"
            )


class LoihiTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "loihi"
    summary: ClassVar[str] = "integers of a Loihi-style chip: graded messages, or binary spikes"
    ops: ClassVar[frozenset[str]] = OP_NAMES
    # with the default options: the profile loihi2, every change sent
    integer: ClassVar[bool] = True
    Options: ClassVar[type[LoihiOptions]] = LoihiOptions

    def tolerance(self, options: LoihiOptions, trained: Scheme | None = None) -> Tolerance:
        # the emulator is integers throughout: a replay must not differ at all
        return rounding_tolerance(options, trained).replayed_within(0.0)

    def convert(self, model: Source, options: LoihiOptions, calibration: Features) -> Converted:
        if options.profile == "loihi1":
            raise UnsupportedOpError("loihi: the profile loihi1 is being built; known: loihi2")
        from .graded.convert import convert

        return convert(model, options, calibration)

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        from .graded.runner import GradedRunner

        return GradedRunner(artefact)


TARGET = LoihiTarget()
