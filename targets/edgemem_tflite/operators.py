"""The operators that edgemem writes: their numbers, and what each asks of its tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.reading import DamageError

from .schema import TYPES
from .structure import ask

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of a file.

    Parameters
    ----------
    shape : tuple of int
    dtype : str
    scale : (1,) or (n,) float array, optional
        None where it holds no quantised numbers.
    zero_point : int
    data : array of its shape, optional
        None where it is computed.
    """

    shape: Shape
    dtype: str
    scale: NDArray[Any] | None = None
    zero_point: int = 0
    data: NDArray[Any] | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def step(self) -> float:
        """Its one scale."""
        if self.scale is None or len(self.scale) != 1:
            raise DamageError(f"{self.dtype} {self.shape} has not one scale")
        return float(self.scale[0])

    def like(self, other: Value) -> bool:
        """Whether both hold the same numbers in the same steps, whatever their shapes."""
        if self.dtype != other.dtype or self.zero_point != other.zero_point:
            return False
        if self.scale is None or other.scale is None:
            return self.scale is other.scale
        return np.array_equal(self.scale, other.scale)


@dataclass(frozen=True)
class Call:
    """One operator of a file over its tensors."""

    inputs: tuple[Value, ...]
    output: Value
    options: Mapping[str, int]


Rule = Callable[[Call], None]

INTEGERS = ("int8", "int16")
NUMBERS = ("float32", *INTEGERS)


@dataclass(frozen=True)
class Operator:
    """What a file may say of one operator.

    Parameters
    ----------
    number : int
        Its number among the schema's built-in operators.
    versions : tuple of int
    types : set of str
        Types of its inputs and of its output, as ``"int8 int8 -> int8"``; one ``*`` behind an
        input stands for one or more of them.
    rule : callable
        Raises :class:`~.structure.DamageError` where shapes, scales and options do not fit.
    options : str
        The table of its options; empty where it has none.
    """

    number: int
    versions: tuple[int, ...]
    types: frozenset[str]
    rule: Rule
    options: str = ""

    def check(self, call: Call) -> None:
        """Refuse what no kernel should meet."""
        kinds = [value.dtype for value in call.inputs]
        if kinds and f"{kinds[0]}* -> {call.output.dtype}" in self.types:
            if len(set(kinds)) > 1:
                raise DamageError(f"joins {' and '.join(kinds)}")
        elif f"{' '.join(kinds)} -> {call.output.dtype}" not in self.types:
            raise DamageError(f"makes {call.output.dtype} of {' and '.join(kinds) or 'nothing'}")
        self.rule(call)


def _ask_shape(value: Value, shape: Shape, what: str) -> None:
    ask(value.shape == shape, f"{what} has shape {value.shape}, not {shape}")


def _ask_ratio(ratio: float, most: float = 2.0**30) -> None:
    """What integers are multiplied by; kernels end the process where it is out of their range."""
    ask(2.0**-126 <= ratio < most, f"multiplies by {ratio:.3g}")


def _elementwise(call: Call) -> None:
    x, y = call.inputs[0], call.output
    _ask_shape(y, x.shape, "the result")
    if x.scale is not None and y.scale is not None:
        _ask_ratio(x.step / y.step)


def _pair(call: Call) -> None:
    """One of the result's shape, and another, its last axes, or a single value.

    Kernels broadcast more, but not all of them, and not for all types.
    """
    shape = call.output.shape
    for value in call.inputs:
        row = plain(value.shape)
        fits = value.size == 1 or plain(shape)[-len(row) :] == row
        ask(fits, f"an operand of shape {value.shape} for a result of {shape}")
    whole = [value for value in call.inputs if value.shape == shape]
    ask(bool(whole), f"no operand has the shape {shape} of the result")


def plain(shape: Shape) -> Shape:
    """A shape without the ones in front."""
    kept = next((i for i, n in enumerate(shape) if n > 1), len(shape) - 1)
    return shape[kept:]


def _sum(call: Call) -> None:
    _pair(call)
    if call.output.scale is None:
        return
    if call.output.dtype == "int16" and call.options["pot_scale_int16"]:
        for value in call.inputs:
            _ask_shape(value, call.output.shape, "an operand")
    # kernels bring both to twice the coarser step, shifted left as far as their integers allow
    room = 2.0**19 if call.output.dtype == "int8" else 2.0**14
    _ask_ratio(max(value.step for value in call.inputs) / call.output.step, room)


def _mul(call: Call) -> None:
    _pair(call)
    if call.output.scale is not None:
        steps = [value.step for value in call.inputs]
        _ask_ratio(steps[0] * steps[1] / call.output.step)


def _product(call: Call) -> None:
    x, weight, *bias = call.inputs
    rows, columns = weight.shape[0], weight.shape[-1]
    ask(weight.data is not None, "the weight is no constant")
    _ask_shape(x, (*x.shape[:-1], columns), "the input")
    _ask_shape(call.output, (*x.shape[:-1], rows), "the result")
    for value in bias:
        _ask_shape(value, (rows,), "the bias")
    if weight.scale is None:
        return
    ask(weight.zero_point == 0, f"the weight has zero point {weight.zero_point}")
    steps = weight.scale.astype(float) * x.step / call.output.step
    _ask_ratio(float(steps.min()))
    _ask_ratio(float(steps.max()))


def _fully_connected(call: Call) -> None:
    for value, what in zip(call.inputs, ("an input", "a weight")):
        ask(len(value.shape) == 2, f"{what} of shape {value.shape}")
    _product(call)


def _convolution(call: Call) -> None:
    ask(len(call.inputs[0].shape) == 4, f"an input of shape {call.inputs[0].shape}")
    shape = call.inputs[1].shape
    ask(len(shape) == 4 and shape[1:3] == (1, 1), f"a weight of shape {shape}")
    # unless it is said, ai-edge-litert reads a bias of 32 bits as one of 64, beyond its end
    said = TYPES["int32"] if call.inputs[0].dtype == "int16" else 0
    kind = call.options["quantized_bias_type"]
    ask(kind == said, f"quantized_bias_type is {kind}, not {said}")
    _product(call)


def _reshape(call: Call) -> None:
    x, shape = call.inputs
    ask(_listed(shape) == call.output.shape, "the shape asked for is not that of the result")
    ask(x.size == call.output.size, f"{x.shape} becomes {call.output.shape}")
    ask(x.like(call.output), "the result counts in other steps")


def _slice(call: Call) -> None:
    x, begin, size = call.inputs
    start, shape = _listed(begin), _listed(size)
    _ask_shape(call.output, shape, "the result")
    fits = len(start) == len(shape) == len(x.shape)
    ask(
        fits and all(0 <= b <= n - s for b, s, n in zip(start, shape, x.shape)),
        f"{shape} from {start} out of {x.shape}",
    )
    ask(x.like(call.output), "the result counts in other steps")


def _concatenation(call: Call) -> None:
    axis = call.options["axis"]
    rank = len(call.output.shape)
    ask(axis == rank - 1, f"joins along axis {axis} of {rank}")
    for value in call.inputs:
        ask(len(value.shape) == rank and value.shape[:-1] == call.output.shape[:-1], "a part")
        ask(value.like(call.output), "a part counts in other steps")
    width = sum(value.shape[-1] for value in call.inputs)
    _ask_shape(call.output, (*call.output.shape[:-1], width), "the result")


def _listed(value: Value) -> Shape:
    """The numbers of a constant list."""
    ask(
        value.data is not None and value.scale is None,
        "a shape or place is no constant list",
    )
    return tuple(np.asarray(value.data).tolist())


def _types(*lines: str, over: tuple[str, ...] = ("",)) -> frozenset[str]:
    return frozenset(line.replace("T", kind) for line in lines for kind in over)


OPERATORS: Mapping[str, Operator] = {
    "ADD": Operator(0, (1, 2, 3), _types("T T -> T", over=NUMBERS), _sum, "AddOptions"),
    "SUB": Operator(41, (1, 2, 5), _types("T T -> T", over=NUMBERS), _sum, "SubOptions"),
    "MUL": Operator(18, (1, 2, 4), _types("T T -> T", over=NUMBERS), _mul, "MulOptions"),
    "CONV_2D": Operator(
        3,
        (3, 4),
        _types("int8 int8 -> int8", "int8 int8 int32 -> int8", "int16 int8 int32 -> int16"),
        _convolution,
        "Conv2DOptions",
    ),
    "FULLY_CONNECTED": Operator(
        9,
        (5, 7),
        _types(
            "float32 float32 -> float32",
            "float32 float32 float32 -> float32",
            "int16 int8 -> int16",
            "int16 int8 int32 -> int16",
            "int16 int8 int64 -> int16",
        ),
        _fully_connected,
        "FullyConnectedOptions",
    ),
    "LOGISTIC": Operator(14, (1, 2, 3), _types("T -> T", over=NUMBERS), _elementwise),
    "TANH": Operator(28, (1, 2, 3), _types("T -> T", over=NUMBERS), _elementwise),
    "RELU": Operator(19, (1, 2, 3), _types("T -> T", over=NUMBERS), _elementwise),
    "QUANTIZE": Operator(
        114, (2,), _types("float32 -> T", "T -> T", "int16 -> T", over=INTEGERS), _elementwise
    ),
    "DEQUANTIZE": Operator(6, (2, 3), _types("T -> float32", over=INTEGERS), _elementwise),
    "CAST": Operator(53, (1,), _types("int8 -> int16"), _elementwise, "CastOptions"),
    "RESHAPE": Operator(22, (1,), _types("T int32 -> T", over=NUMBERS), _reshape),
    "SLICE": Operator(
        65, (1, 2, 4), _types("T int32 int32 -> T", over=NUMBERS), _slice, "SliceOptions"
    ),
    "CONCATENATION": Operator(
        2, (1, 3), _types("T* -> T", over=NUMBERS), _concatenation, "ConcatenationOptions"
    ),
}
"""Everything that an edgemem file computes with; who writes one looks here as well."""

PRODUCTS = frozenset({"CONV_2D", "FULLY_CONNECTED"})
"""Those that multiply by a matrix of weights: their second input."""
