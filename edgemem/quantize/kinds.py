"""What each kind of integer operation takes and gives: the table by which a file is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgemem.shapes import Record, Whole

Shape = tuple[int, ...]
ShapeRule = Callable[[Sequence[Shape], Mapping[str, int], Shape], "Shape | None"]
"""From the shapes of the inputs, the attributes and the shape that a file gives the output to the
shape that it has; None where the inputs do not fit."""

BIAS, MULTIPLIER, SHIFT, WEIGHT = "bias", "multiplier", "shift", "weight"

ROLES: Mapping[str, str] = {WEIGHT: "int8", BIAS: "int32", MULTIPLIER: "int32", SHIFT: "int8"}
"""Arrays of a product, and their integers."""

_MULTIPLIER = Whole(0, (1 << 31) - 1)
_SHIFT = Whole(-31, 31)
_RIGHT = Whole(0, 31)
_FLAG = Whole(0, 1)
_PLACE = Whole(0, 1 << 30)

_SCALED = {"multiplier": _MULTIPLIER, "shift": _SHIFT}
_RELU = {"relu": _FLAG}


@dataclass(frozen=True)
class Kind:
    """What an operation of one kind takes and gives.

    Parameters
    ----------
    arity : int
        Number of inputs.
    shape : callable
        See :data:`ShapeRule`.
    attrs : tuple of Record
        Forms in which its attributes may come.
    product : bool
        Whether it has the arrays of :data:`ROLES`.
    """

    arity: int
    shape: ShapeRule
    attrs: tuple[Record, ...] = (Record({}),)
    product: bool = False


def _same(inputs: Sequence[Shape], attrs: Mapping[str, int], output: Shape) -> Shape | None:
    return inputs[0]


def _broadcast(inputs: Sequence[Shape], attrs: Mapping[str, int], output: Shape) -> Shape | None:
    try:
        return tuple(np.broadcast_shapes(*inputs))
    except ValueError:
        return None


def _reshaped(inputs: Sequence[Shape], attrs: Mapping[str, int], output: Shape) -> Shape | None:
    return output if math.prod(inputs[0]) == math.prod(output) else None


def _joined(inputs: Sequence[Shape], attrs: Mapping[str, int], output: Shape) -> Shape | None:
    (*before, m), (*same, n) = inputs
    return (*before, m + n) if before == same else None


def _sliced(inputs: Sequence[Shape], attrs: Mapping[str, int], output: Shape) -> Shape | None:
    (*before, n), (start, stop) = inputs[0], (attrs["start"], attrs["stop"])
    return (*before, stop - start) if start < stop <= n else None


def _multiplied(inputs: Sequence[Shape], attrs: Mapping[str, int], output: Shape) -> Shape | None:
    # the rows of the weight, which is held against them, stand at the end
    return (*inputs[0][:-1], output[-1])


_SUM = (
    Record({"shift_a": Whole(0, 15), "shift_b": Whole(0, 15)}, _RELU),
    Record(
        {
            "left": Whole(0, 20),
            "multiplier_a": _MULTIPLIER,
            "shift_a": _SHIFT,
            "multiplier_b": _MULTIPLIER,
            "shift_b": _SHIFT,
            **_SCALED,
        },
        _RELU,
    ),
)
_CURVE = (Record({"multiplier": _MULTIPLIER, "shift": _RIGHT}),)

KINDS: Mapping[str, Kind] = {
    "product": Kind(1, _multiplied, (Record({}, _RELU),), product=True),
    "wide_product": Kind(1, _multiplied, (Record({}, _RELU),), product=True),
    "add": Kind(2, _broadcast, _SUM),
    "sub": Kind(2, _broadcast, _SUM),
    "mul": Kind(2, _broadcast, (Record(_SCALED, _RELU),)),
    "sigmoid": Kind(1, _same, _CURVE),
    "tanh": Kind(1, _same, _CURVE),
    "relu": Kind(1, _same, (Record(_SCALED, _RELU),)),
    "narrow": Kind(1, _same, (Record({"shift": _RIGHT}),)),
    "widen": Kind(1, _same),
    "rescale": Kind(1, _same, (Record(_SCALED),)),
    "concat": Kind(2, _joined),
    "reshape": Kind(1, _reshaped),
    "slice": Kind(1, _sliced, (Record({"start": _PLACE, "stop": _PLACE}),)),
}
"""What an :class:`~edgemem.quantize.program.Operation` may be."""
