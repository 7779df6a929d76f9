"""From the integers of a front end to those of a network's input."""

from __future__ import annotations

from dataclasses import replace

from edgemem.errors import ConfigError
from edgemem.quantize import multipliers
from edgemem.quantize.formats import Format
from edgemem.quantize.program import Operation, Program, Tensor

FEATURES = "features"
"""Name of the tensor that a front end gives."""


def fed_by_features(program: Program, scale: float) -> Program:
    """The program with the 16-bit features of an integer front end as its input.

    One operation ``rescale`` stands in front: ``clamp(zero_point + rescaled(feature))``.

    Parameters
    ----------
    program : Program
    scale : float
        Size of one step of a feature (``IntegerFrontEnd.scale``).

    Raises
    ------
    ConfigError
        If one step of a feature is so much larger than one of the input that 32 bits do not do.
    """
    before = Tensor(program.tensors[program.input].shape, Format(16, scale))
    attrs = multipliers.of_rescale(before.form, program.tensors[program.input].form)
    if attrs["shift"] > 15:
        raise ConfigError(
            f"features have a step of {scale}, the network's input one of "
            f"{program.tensors[program.input].form.scale}; calibrate with the features of this "
            "front end"
        )
    name = FEATURES
    while name in program.tensors:
        name += "_"
    return replace(
        program,
        tensors={name: before, **program.tensors},
        operations=(
            Operation("rescale", program.input, (name,), attrs),
            *program.operations,
        ),
        input=name,
    )
