"""Loihi-style chips: graded integer messages (Loihi 2) or binary spikes (Loihi 1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from edgemem.errors import ConfigError
from edgemem.ops import OP_NAMES
from edgemem.target import Converted, IntegerOptions, Tolerance, finer_integers, rounding_tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Runner, Source

Profile = Literal["loihi2", "loihi1"]

MOST_LEVELS = 30

LONGEST_WINDOW = 64


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
            "help": "loihi2: changes up to this share of how far a value moves (its standard "
            "deviation along the calibration sequences) are not sent; 0 sends every change."
        },
    )
    states: Literal["16", "24"] = field(
        default="16",
        metadata={
            "help": "loihi2: bits of states that a step adds to; 16 gives the integers of the "
            "other targets, 24 loses less in long memories."
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

    levels: int = field(
        default=6,
        metadata={"help": "loihi1: comparators of each value; more are finer. Even, 2 to 30."},
    )
    window: int = field(
        default=8,
        metadata={
            "help": "loihi1: chip steps over which rounded values are averaged, for each layer of "
            "memories; a power of two, 2 to 64."
        },
    )

    def __post_init__(self) -> None:
        if not 2 <= self.levels <= MOST_LEVELS or self.levels % 2:
            raise ConfigError(
                f"levels {self.levels}: expected an even number from 2 to {MOST_LEVELS}"
            )
        if not 2 <= self.window <= LONGEST_WINDOW or self.window & (self.window - 1):
            raise ConfigError(
                f"window {self.window}: expected a power of two from 2 to {LONGEST_WINDOW}"
            )
        if not 0.0 <= self.threshold < 10.0:
            raise ConfigError(
                f"threshold {self.threshold}: a share of how far values move; expected 0 or more, "
                "below 10"
            )


class LoihiTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "loihi"
    summary: ClassVar[str] = "integers of a Loihi-style chip: graded messages, or binary spikes"
    ops: ClassVar[frozenset[str]] = OP_NAMES
    # with the default options: the profile loihi2, every change sent
    integer: ClassVar[bool] = True
    training: ClassVar[str] = ""
    Options: ClassVar[type[LoihiOptions]] = LoihiOptions

    def tolerance(self, options: LoihiOptions, trained: Scheme | None = None) -> Tolerance:
        if options.profile == "loihi1":
            from . import spikes

            return spikes.tolerance(options, trained)
        # the emulator is integers throughout: a replay must not differ at all
        rounded = rounding_tolerance(options, trained).replayed_within(0.0)
        # every value that a product reads may be off by `threshold` of its spread, and errors of
        # several layers meet in a logit: up to 1.4 times the threshold in the pretrained networks,
        # whose decisions change in 1 clip of 100 at 0.1 and in 10 of 100 at 0.5. As much as 0.2 of
        # it is allowed at any threshold: what a coarse form may lose, a finer one may as well
        return replace(rounded, distance=rounded.distance + 0.4, agreement=rounded.agreement - 0.05)

    def remedies(self, options: LoihiOptions) -> tuple[str, ...]:
        if options.profile == "loihi1":
            levels = ("a greater --levels",) if options.levels < MOST_LEVELS else ()
            return (*levels, "a longer --window") if options.window < LONGEST_WINDOW else levels
        lower = ("a smaller --threshold",) if options.threshold else ()
        return (*lower, *finer_integers(options))

    def convert(self, model: Source, options: LoihiOptions, calibration: Features) -> Converted:
        if options.profile == "loihi1":
            from . import spikes

            return spikes.convert(model, options, calibration)
        from .graded.convert import convert

        return convert(model, options, calibration)

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        if artefact.manifest.get("profile") == "loihi1":
            from .spikes.runner import SpikesRunner

            return SpikesRunner(artefact)
        from .graded.runner import GradedRunner

        return GradedRunner(artefact)


TARGET = LoihiTarget()
