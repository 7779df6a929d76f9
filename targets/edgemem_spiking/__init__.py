"""Spiking execution on the desktop: values that travel are spikes, counted as they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from edgemem.ops import OP_NAMES
from edgemem.spiking.network import Code
from edgemem.target import Converted, Tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.ir import Graph
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Runner, Source


@dataclass(frozen=True)
class SpikingOptions:
    """How the network spikes."""

    steps_per_frame: int = field(
        default=64,
        metadata={"help": "Simulator steps that a frame takes; more of them lose less."},
    )
    code: Code = field(
        default="delta",
        metadata={"help": "What spikes say: how a value changed (delta), or the value (rate)."},
    )
    scale: float = field(
        default=1.0,
        metadata={"help": "Rates over those at which calibrated peaks spike in every step."},
    )
    input_spikes: bool = field(
        default=False,
        metadata={"help": "Send the input as spikes as well; otherwise it is a current."},
    )


class SpikingTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "spiking"
    summary: ClassVar[str] = "spikes on the desktop, counted (edgemem simulate)"
    ops: ClassVar[frozenset[str]] = OP_NAMES
    integer: ClassVar[bool] = False
    training: ClassVar[str] = "--spiking-aware"
    Options: ClassVar[type[SpikingOptions]] = SpikingOptions

    def tolerance(self, options: SpikingOptions, trained: Scheme | None = None) -> Tolerance:
        # a window's counts are as fine as it is long: deep trained networks lose 0.4 of their
        # logits (and half a point) at 64 steps, 0.7 at 32, 0.2 at 128; other scales clip or
        # coarsen, and the value itself takes more steps than its changes. The same for all of
        # them: what a coarse form may lose, a finer one may as well.
        # Sums in another order move a spike by one step at most where a drive meets its threshold
        return Tolerance(distance=0.8, agreement=0.9, replay=1e-3)

    def remedies(self, options: SpikingOptions) -> tuple[str, ...]:
        code = ("--code delta",) if options.code == "rate" else ()
        scale = ("--scale 1",) if options.scale != 1.0 else ()
        return ("a greater --steps-per-frame", *code, *scale)

    def coarser(self, options: SpikingOptions, graph: Graph) -> Iterator[SpikingOptions]:
        """One for each shorter window: the steps that are left over do not fire."""
        from .convert import stages

        depth = stages(graph, options)
        for window in range(options.steps_per_frame // depth - 1, 0, -1):
            yield replace(options, steps_per_frame=window * depth)

    def convert(self, model: Source, options: SpikingOptions, calibration: Features) -> Converted:
        from .convert import convert

        return convert(model, options, calibration)

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        from .runner import SpikingRunner

        return SpikingRunner(artefact)


TARGET = SpikingTarget()
