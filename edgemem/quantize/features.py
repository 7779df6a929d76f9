"""From the integers of a front end to those of a network's input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError
from edgemem.quantize import multipliers
from edgemem.quantize.formats import Format
from edgemem.quantize.integer import rescaled
from edgemem.quantize.program import Integers, Operation, Program, Tensor

FEATURES = "features"
"""Name of the tensor that a front end gives."""


@dataclass(frozen=True)
class FeatureInput:
    """``clamp(zero_point + rescaled(feature))``: the operation ``rescale`` on a front end's output.

    Parameters
    ----------
    scale : float
        Size of one step of a feature (``IntegerFrontEnd.scale``).
    form : Format
        Of the network's input.

    Raises
    ------
    ConfigError
        If one step of a feature is so much larger than one of the input that 32 bits do not do.
    """

    scale: float
    form: Format

    def __post_init__(self) -> None:
        _ = self._attrs  # refused here, not at the first frame

    @cached_property
    def _attrs(self) -> dict[str, int]:
        return _factor(Format(16, self.scale), self.form)

    def __call__(self, features: NDArray[np.int16]) -> Integers:
        """The network's input: integers of its format, in the shape of ``features``."""
        attrs = self._attrs
        scaled = rescaled(features.astype(np.int64), attrs["multiplier"], attrs["shift"])
        held = np.clip(scaled + self.form.zero_point, self.form.lowest, self.form.highest)
        return held.astype(self.form.dtype)


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
    after = program.tensors[program.input].form
    before = Tensor(program.tensors[program.input].shape, Format(16, scale))
    attrs = _factor(before.form, after)
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


def _factor(features: Format, form: Format) -> dict[str, int]:
    attrs = multipliers.of_rescale(features, form)
    if attrs["shift"] > 15:
        raise ConfigError(
            f"features have a step of {features.scale}, the network's input one of {form.scale}; "
            "calibrate with the features of this front end"
        )
    return attrs
