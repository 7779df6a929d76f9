"""Host half: a model to its integer program and what its units need to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgemem.quantize import build
from edgemem.quantize.scheme import choose
from edgemem.quantize.stored import program_parts
from edgemem.target import Converted

from .mapping import mapped
from .stored import Settings, settings_parts
from .thresholds import sizes, steps_of
from .units import labelled, units

if TYPE_CHECKING:
    from edgemem.target import Features, Source
    from edgemem_loihi import LoihiOptions


def convert(model: Source, options: LoihiOptions, calibration: Features) -> Converted:
    """The integer program of ``model``, on units; nothing stands in front of it.

    Raises
    ------
    ToleranceError
        If the program does not fit the machine's numbers.
    """
    trained = model.graph()
    built = build(trained, choose(model.scheme, options.quantize, options.weights), calibration)
    program = built.program
    held = {node.name for node in built.graph.nodes} & set(program.tensors)
    labels = tuple(name for name in labelled(trained) if name in held)
    network = mapped(program, labels, options.accumulators)
    thresholds = (
        steps_of(options.threshold, sizes(network, calibration)) if options.threshold else {}
    )
    settings = Settings(options.accumulators, options.overflow, thresholds, labels)
    parts = {
        **program_parts(program),
        **settings_parts(settings, units(trained, built.graph, labels, calibration)),
    }
    return Converted(b"", parts, {"profile": options.profile, **network.facts()})
