"""The integer semantics as NumPy code: ``docs/integer-semantics.md``, executable.

Every operation gives the bits that TFLite's reference kernels give for the operator in its place
(tests hold them side by side), so that one program means the same integers everywhere. Leading
axes are batch axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.quantize.curves import SIGMOID_TABLE
from edgemem.quantize.program import Integers, Operation, Program, Tensor

Int = NDArray[np.int64]


def rounding_shift(x: Int, bits: int | Int) -> Int:
    """``x / 2^bits`` to the nearest integer, halves away from zero (gemmlowp's
    ``RoundingDivideByPOT``)."""
    half = (np.int64(1) << bits) >> 1
    return np.asarray((x + half - ((x < 0) & (half > 0))) >> bits, np.int64)


def doubling_high_mul(x: Int, multiplier: int | Int) -> Int:
    """``x multiplier / 2^31`` to the nearest integer, halves up (gemmlowp's
    ``SaturatingRoundingDoublingHighMul``), for 32-bit operands that are not both the lowest."""
    return np.asarray((np.asarray(x, np.int64) * multiplier + (1 << 30)) >> 31, np.int64)


def rescaled(x: Int, multiplier: int | Int, shift: int | Int) -> Int:
    """``x multiplier 2^(shift - 31)``, rounded twice (TFLite's ``MultiplyByQuantizedMultiplier``).

    Parameters
    ----------
    x : int64 array
        Values of 32 bits.
    multiplier : int or array
        In [2^30, 2^31), or 0.
    shift : int or array
        Positive to the left.
    """
    left, right = np.maximum(shift, 0), np.maximum(np.negative(shift), 0)
    return rounding_shift(doubling_high_mul(x << left, multiplier), right)


class IntegerOps:
    """The meaning of each :class:`~edgemem.quantize.program.Operation` over integer arrays."""

    def __init__(self, program: Program) -> None:
        self._program = program
        # as the products want them, once and not at every step
        self._weights = {
            name: np.ascontiguousarray(program.arrays[name].T.astype(np.float64))
            for name in program.weights
        }
        self._arrays = {
            name: array.astype(np.int64)
            for name, array in program.arrays.items()
            if name not in program.weights
        }
        self._run: dict[str, Callable[..., Int]] = {
            "product": self._product,
            "wide_product": self._product,
            "add": self._add,
            "sub": self._add,
            "mul": self._mul,
            "sigmoid": self._sigmoid,
            "tanh": self._tanh,
            "relu": self._rescale,
            "narrow": self._narrow,
            "widen": self._same,
            "rescale": self._rescale,
            "concat": self._concat,
            "reshape": self._reshape,
            "slice": self._slice,
        }

    def quantize(self, x: NDArray[np.float32]) -> Integers:
        """The input as integers: ``clamp(round(x / scale) + zero_point)``, halves away from zero.

        In 32-bit floats, as TFLite's QUANTIZE computes it.
        """
        tensor = self._program.tensors[self._program.input]
        ratio = np.asarray(x, np.float32) / np.float32(tensor.form.scale)
        # rint would round halves to even
        whole = np.trunc(ratio)
        away = np.abs(ratio - whole) >= np.float32(0.5)
        nearest = whole + np.where(away, np.sign(ratio), np.float32(0.0))
        return _clamped(nearest.astype(np.float64) + tensor.form.zero_point, tensor)

    def dequantize(self, y: Integers) -> NDArray[np.float32]:
        """The reals of the output."""
        form = self._program.tensors[self._program.output].form
        return np.asarray(form.dequantize(y), np.float32)

    def step(
        self, states: Mapping[str, Integers], x: Integers
    ) -> tuple[dict[str, Integers], dict[str, Integers]]:
        """States after one step, and the value of every tensor.

        Parameters
        ----------
        states : mapping of (..., ...) integer array
        x : (..., n_in) integer array
            In the input's format.
        """
        program = self._program
        values: dict[str, Integers] = {**program.constants, **states, program.input: x}
        for op in program.operations:
            values[op.output] = self.apply(op, values)
        return {state: values[after] for state, after in program.states.items()}, values

    def apply(self, op: Operation, values: Mapping[str, Integers]) -> Integers:
        """The value of one operation, in the dtype of its tensor."""
        tensor = self._program.tensors[op.output]
        result = self._run[op.kind](op, *(values[name] for name in op.inputs))
        return result.astype(tensor.form.dtype, copy=False)

    def of_sum(self, op: Operation, total: Int) -> Integers:
        """The value of a product, in the dtype of its tensor, for who adds up by other means.

        Parameters
        ----------
        op : Operation
        total : (..., n) int64 array
            ``sum_j w_ij (x_j - zp_x)``.
        """
        form = self._program.tensors[op.output].form
        return self._of_sum(op, total).astype(form.dtype, copy=False)

    # products

    def _product(self, op: Operation, x: Integers) -> Int:
        return self._of_sum(
            op, self._sum(op, x.astype(np.float64) - self._zero_point(op.inputs[0]))
        )

    def _of_sum(self, op: Operation, total: Int) -> Int:
        # clamp(zp_y + rescaled(b_i + sum_j w_ij (x_j - zp_x)))
        if "bias" in op.arrays:
            total = total + self._array(op, "bias")
        scaled = rescaled(total, self._array(op, "multiplier"), self._array(op, "shift"))
        return self._finished(op, scaled)

    def _sum(self, op: Operation, x: NDArray[np.float64]) -> Int:
        """Sums of products in float64, exact since a build keeps them below 2^31."""
        return np.asarray(x @ self._weights[op.arrays["weight"]]).astype(np.int64)

    def _zero_point(self, name: str) -> int:
        return self._program.tensors[name].form.zero_point

    def _array(self, op: Operation, role: str) -> Int:
        return self._arrays[op.arrays[role]]

    def _finished(self, op: Operation, x: Int) -> Int:
        tensor = self._program.tensors[op.output]
        floors = op.kind == "relu" or op.attrs.get("relu")
        floor = tensor.form.zero_point if floors else tensor.form.lowest
        y = np.maximum(x + tensor.form.zero_point, floor)
        return np.asarray(np.minimum(y, tensor.form.highest), np.int64)

    # element by element

    def _add(self, op: Operation, a: Integers, b: Integers) -> Int:
        sign = 1 if op.kind == "add" else -1
        x, y = (self._centred(name, v) for name, v in zip(op.inputs, (a, b)))
        attrs = op.attrs
        if "left" not in attrs:  # scales are powers of two: the finer operand is shifted
            total = rounding_shift(x, attrs["shift_a"]) + sign * rounding_shift(y, attrs["shift_b"])
            return self._finished(op, total)
        # both brought to half of the larger scale with `left` more bits, added, and brought back
        x = rescaled(x << attrs["left"], attrs["multiplier_a"], attrs["shift_a"])
        y = rescaled(y << attrs["left"], attrs["multiplier_b"], attrs["shift_b"])
        return self._finished(op, rescaled(x + sign * y, attrs["multiplier"], attrs["shift"]))

    def _mul(self, op: Operation, a: Integers, b: Integers) -> Int:
        x, y = (self._centred(name, v) for name, v in zip(op.inputs, (a, b)))
        return self._finished(op, rescaled(x * y, op.attrs["multiplier"], op.attrs["shift"]))

    def _centred(self, name: str, x: Integers) -> Int:
        return x.astype(np.int64) - self._zero_point(name)

    # the table of the logistic function, 24 entries for each unit of its argument

    def _argument(self, op: Operation, x: Integers) -> Int:
        shift = op.attrs["shift"]
        half = 1 << (shift - 1) if shift > 0 else 0
        return np.asarray((x.astype(np.int64) * op.attrs["multiplier"] + half) >> shift, np.int64)

    def _sigmoid(self, op: Operation, x: Integers) -> Int:
        argument = self._argument(op, x)
        magnitude = np.abs(argument)
        value = _interpolated(magnitude, 9, 0x7FFF << 10)
        mirrored = np.where(argument >= 0, value + (1 << 9), (1 << 25) - value + (1 << 9) - 1)
        return np.asarray(mirrored >> 10, np.int64)

    def _tanh(self, op: Operation, x: Integers) -> Int:
        # tanh(x) = 2 sigmoid(2 x) - 1
        argument = self._argument(op, x)
        value = _interpolated(np.abs(argument), 8, 0xFFFF << 8) - (1 << 23)
        mirrored = np.where(argument >= 0, value + (1 << 7), -value + (1 << 7) - 1)
        return np.asarray(mirrored >> 8, np.int64)

    # formats and shapes

    def _narrow(self, op: Operation, x: Integers) -> Int:
        # x / 2^shift to the nearest integer, halves towards zero: see formats.shifted
        half = (1 << op.attrs["shift"]) >> 1
        magnitude = (np.abs(x.astype(np.int64)) + half - (half > 0)) >> op.attrs["shift"]
        return self._finished(op, np.sign(x) * magnitude)

    def _rescale(self, op: Operation, x: Integers) -> Int:
        attrs = op.attrs
        centred = self._centred(op.inputs[0], x)
        return self._finished(op, rescaled(centred, attrs["multiplier"], attrs["shift"]))

    def _same(self, op: Operation, x: Integers) -> Int:
        return x.astype(np.int64)

    def _concat(self, op: Operation, a: Integers, b: Integers) -> Int:
        return np.asarray(np.concatenate([a, b], axis=-1), np.int64)

    def _reshape(self, op: Operation, x: Integers) -> Int:
        before = self._program.tensors[op.inputs[0]].shape
        after = self._program.tensors[op.output].shape
        return x.reshape(*x.shape[: x.ndim - len(before)], *after).astype(np.int64)

    def _slice(self, op: Operation, x: Integers) -> Int:
        return x[..., op.attrs["start"] : op.attrs["stop"]].astype(np.int64)


def _interpolated(magnitude: Int, bits: int, saturated: int) -> Int:
    """Between the entries of the table that ``magnitude / 2^bits`` lies between."""
    place = magnitude >> bits
    entry = np.minimum(place, 254)
    low, high = SIGMOID_TABLE[entry], SIGMOID_TABLE[entry + 1]
    value = (low << bits) + (magnitude & ((1 << bits) - 1)) * (high - low)
    return np.asarray(np.where(place >= 255, saturated, value), np.int64)


def _clamped(x: NDArray[Any], tensor: Tensor) -> Integers:
    held: Integers = np.clip(x, tensor.form.lowest, tensor.form.highest)
    return held.astype(tensor.form.dtype)
