"""The part of TFLite's schema that edgemem writes, for who reads it without TFLite's packages.

Slots and numbers are those of the published ``schema.fbs``, version 3. What is not listed here is
refused: a field, a kind of option, a value outside its range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

VERSION = 3
IDENTIFIER = b"TFL3"

ALIGNMENT = 16
"""Of the contents of a buffer, in bytes."""

TYPES: Mapping[str, int] = {"float32": 0, "int32": 2, "int64": 4, "int16": 7, "int8": 9}

NAME = 1024
"""Bytes of the longest name."""

MANY = 4096
"""Tensors, operators or buffers of the largest network."""

RANK = 4


@dataclass(frozen=True)
class Scalar:
    """A number inside a table; a file leaves it out where it is ``default``."""

    dtype: str
    low: int
    high: int
    default: int = 0


@dataclass(frozen=True)
class Numbers:
    """A vector of numbers, ``least`` to ``most`` of them."""

    dtype: str
    most: int
    least: int = 0
    alignment: int = 0


@dataclass(frozen=True)
class Text:
    """A string of at most :data:`NAME` bytes."""


@dataclass(frozen=True)
class Child:
    """Another table."""

    of: str


@dataclass(frozen=True)
class Children:
    """A vector of tables, ``least`` to ``most`` of them."""

    of: str
    most: int
    least: int = 0


@dataclass(frozen=True)
class Choice:
    """One of several tables, by the number in the field ``by``: the schema's union."""

    by: str
    among: Mapping[int, str]


Kind = Union[Scalar, Numbers, Text, Child, Children, Choice]


@dataclass(frozen=True)
class Field:
    """One field of a table; one that is ``required`` is there in every file."""

    slot: int
    name: str
    kind: Kind
    required: bool = False


OPTIONS: Mapping[str, int] = {
    "Conv2DOptions": 1,
    "FullyConnectedOptions": 8,
    "ConcatenationOptions": 10,
    "AddOptions": 11,
    "MulOptions": 21,
    "SubOptions": 28,
    "CastOptions": 37,
    "SliceOptions": 48,
}
"""Numbers of the tables with an operator's options."""

_UNSIGNED = Scalar("uint32", 0, MANY - 1)
# none or RELU
_ACTIVATION = Scalar("int8", 0, 1)
_ONE = Scalar("int32", 1, 1)
# an axis may be as long as a file allows
_SCALES = 1 << 20

TABLES: Mapping[str, tuple[Field, ...]] = {
    "Model": (
        Field(0, "version", Scalar("uint32", VERSION, VERSION)),
        Field(1, "operator_codes", Children("OperatorCode", MANY), True),
        Field(2, "subgraphs", Children("SubGraph", 1, 1), True),
        Field(3, "description", Text()),
        Field(4, "buffers", Children("Buffer", MANY, 1), True),
        Field(6, "metadata", Children("Metadata", 16), True),
        Field(7, "signature_defs", Children("SignatureDef", 1, 1), True),
    ),
    "OperatorCode": (
        Field(0, "deprecated_builtin_code", Scalar("int8", 0, 127)),
        Field(2, "version", Scalar("int32", 1, 99, default=1)),
        Field(3, "builtin_code", Scalar("int32", 0, 127)),
    ),
    "SubGraph": (
        Field(0, "tensors", Children("Tensor", MANY, 1), True),
        Field(1, "inputs", Numbers("int32", MANY, 1), True),
        Field(2, "outputs", Numbers("int32", MANY, 1), True),
        Field(3, "operators", Children("Operator", MANY), True),
        Field(4, "name", Text()),
    ),
    "Tensor": (
        Field(0, "shape", Numbers("int32", RANK, 1), True),
        Field(1, "type", Scalar("int8", 0, 127)),
        Field(2, "buffer", _UNSIGNED),
        Field(3, "name", Text()),
        Field(4, "quantization", Child("QuantizationParameters")),
    ),
    "QuantizationParameters": (
        Field(2, "scale", Numbers("float32", _SCALES, 1), True),
        Field(3, "zero_point", Numbers("int64", _SCALES, 1), True),
    ),
    "Buffer": (Field(0, "data", Numbers("uint8", 1 << 31, 1, ALIGNMENT)),),
    "Operator": (
        Field(0, "opcode_index", _UNSIGNED),
        Field(1, "inputs", Numbers("int32", MANY, 1), True),
        Field(2, "outputs", Numbers("int32", 1, 1), True),
        Field(3, "builtin_options_type", Scalar("uint8", 0, 255)),
        Field(
            4,
            "builtin_options",
            Choice("builtin_options_type", {number: name for name, number in OPTIONS.items()}),
        ),
    ),
    "SignatureDef": (
        Field(0, "inputs", Children("TensorMap", MANY, 1), True),
        Field(1, "outputs", Children("TensorMap", MANY, 1), True),
        Field(2, "signature_key", Text(), True),
    ),
    "TensorMap": (
        Field(0, "name", Text(), True),
        Field(1, "tensor_index", _UNSIGNED),
    ),
    "Metadata": (
        Field(0, "name", Text(), True),
        Field(1, "buffer", _UNSIGNED),
    ),
    # a product of one pixel is all that is ever convolved: VALID, strides of one
    "Conv2DOptions": (
        Field(0, "padding", Scalar("int8", 1, 1)),
        Field(1, "stride_w", _ONE),
        Field(2, "stride_h", _ONE),
        Field(3, "fused_activation_function", _ACTIVATION),
        Field(6, "quantized_bias_type", Scalar("int8", 0, TYPES["int32"])),
    ),
    "FullyConnectedOptions": (
        Field(0, "fused_activation_function", _ACTIVATION),
        Field(2, "keep_num_dims", Scalar("uint8", 1, 1)),
    ),
    "ConcatenationOptions": (Field(0, "axis", Scalar("int32", 0, RANK - 1)),),
    "AddOptions": (
        Field(0, "fused_activation_function", _ACTIVATION),
        Field(1, "pot_scale_int16", Scalar("uint8", 0, 1, default=1)),
    ),
    "SubOptions": (
        Field(0, "fused_activation_function", _ACTIVATION),
        Field(1, "pot_scale_int16", Scalar("uint8", 0, 1, default=1)),
    ),
    "MulOptions": (Field(0, "fused_activation_function", _ACTIVATION),),
    "CastOptions": (
        Field(0, "in_data_type", Scalar("int8", TYPES["int8"], TYPES["int8"])),
        Field(1, "out_data_type", Scalar("int8", TYPES["int16"], TYPES["int16"])),
    ),
    "SliceOptions": (),
}
