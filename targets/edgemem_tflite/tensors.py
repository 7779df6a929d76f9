"""Tensors and operators while a program is put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from edgemem.quantize import Format

from .flatbuffer import Op, Program, Tensor

Shape = tuple[int, ...]


def natural(shape: Shape) -> Shape:
    """A vector as a row; batch size 1."""
    return shape if len(shape) > 1 else (1, *shape)


def image(shape: Shape) -> Shape:
    """Four axes with the last one last, as convolutions want it."""
    return (1,) * (4 - len(shape)) + shape


def activation(relu: bool) -> int:
    """TFLite's number of the function that an operator applies to its result."""
    kinds = tflite.ActivationFunctionType
    return int(kinds.RELU if relu else kinds.NONE)


class Drawing:
    """A growing program."""

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []
        self._ops: list[Op] = []
        self._shapes: dict[Shape, int] = {}
        self._unshaped: dict[int, int] = {}

    def tensor(
        self,
        name: str,
        shape: Shape,
        form: Format | None = None,
        data: NDArray[Any] | None = None,
    ) -> int:
        """A tensor; float32 without a format."""
        dtype = "float32" if form is None else form.dtype
        if data is not None and form is None:
            dtype = str(data.dtype)
        self._tensors.append(Tensor(name, shape, dtype, form, data))
        return len(self._tensors) - 1

    def shape_of(self, tensor: int) -> Shape:
        return self._tensors[tensor].shape

    def format_of(self, tensor: int) -> Format:
        form = self._tensors[tensor].format
        if form is None:
            raise TypeError(f"tensor {self._tensors[tensor].name!r} holds floats")
        return form

    def integers(self, values: tuple[int, ...]) -> int:
        """A constant list of int32, such as a shape."""
        if values not in self._shapes:
            data = np.array(values, np.int32)
            self._shapes[values] = self.tensor("", (len(values),), None, data)
        return self._shapes[values]

    def op(
        self,
        code: str,
        version: int,
        inputs: tuple[int, ...],
        output: int,
        fields: Mapping[str, int] | None = None,
    ) -> int:
        """An operator that computes ``output``."""
        self._ops.append(Op(code, version, inputs, (output,), fields or {}))
        return output

    def reshape(self, tensor: int, shape: Shape) -> int:
        """``tensor`` in another shape; itself where it has it already."""
        # straight from what was computed, not by way of a shape that nothing else may want
        source = self._unshaped.get(tensor, tensor)
        if self.shape_of(source) == shape:
            return source
        result = self.tensor("", shape, self._tensors[source].format)
        self._unshaped[result] = source
        return self.op("RESHAPE", 1, (source, self.integers(shape)), result)

    def program(self, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> Program:
        """What was drawn, without what no output depends on."""
        needed = set(outputs.values())
        ops = []
        for op in reversed(self._ops):
            if needed.intersection(op.outputs):
                needed.update(op.inputs)
                ops.append(op)
        kept = sorted(needed | set(inputs.values()))
        place = {old: new for new, old in enumerate(kept)}
        return Program(
            tensors=tuple(self._tensors[old] for old in kept),
            ops=tuple(
                replace(
                    op,
                    inputs=tuple(place[i] for i in op.inputs),
                    outputs=tuple(place[i] for i in op.outputs),
                )
                for op in reversed(ops)
            ),
            inputs={name: place[tensor] for name, tensor in inputs.items()},
            outputs={name: place[tensor] for name, tensor in outputs.items()},
        )
