"""Host half: a model to its integer program and what its units need to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgemem.quantize import build
from edgemem.quantize.scheme import choose
from edgemem.quantize.stored import program_parts
from edgemem.target import Converted

from ..placement import Traffic, place
from ..placement.stored import placement_part
from .chip import chip_network
from .counting import messages_of_units
from .emulator import Emulator
from .fine import rest_unsent, with_fine_states
from .mapping import mapped
from .network import GradedNetwork
from .stored import Settings, settings_parts
from .thresholds import spreads, steps_of
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
    PlacementError
        If the network is larger than the chip.
    """
    trained = model.graph()
    built = build(trained, choose(model.scheme, options.quantize, options.weights), calibration)
    program = built.program
    if options.states == "24":
        program = with_fine_states(program)
    held = {node.name for node in built.graph.nodes} & set(program.tensors)
    labels = tuple(name for name in labelled(trained) if name in held)
    network = mapped(program, labels, options.accumulators)
    thresholds: dict[str, int] = {}
    if options.threshold:
        thresholds = rest_unsent(steps_of(options.threshold, spreads(network, calibration)))
    placement = place(
        chip_network(network), traffic=Traffic(messages_per_frame(network, thresholds, calibration))
    )
    settings = Settings(options.accumulators, options.overflow, thresholds, labels)
    parts = {
        **program_parts(program),
        **settings_parts(settings, units(trained, built, labels, calibration)),
        **placement_part(placement),
    }
    facts = {"profile": options.profile, **network.facts(), "cores": len(placement.cores)}
    return Converted(b"", parts, facts)


def messages_per_frame(
    network: GradedNetwork, thresholds: Mapping[str, int], sequences: Features
) -> dict[str, NDArray[np.float64]]:
    """Messages of each unit in a frame, for the input and each population, along sequences."""
    emulator = Emulator(network, thresholds, overflow="hardware")
    run, x = emulator.start((len(sequences),)), emulator.ops.quantize(sequences)
    for t in range(x.shape[1]):
        run.step(x[:, t])
    frames = x.shape[0] * x.shape[1]
    return {name: n / frames for name, n in messages_of_units(network, run.sent).items()}
