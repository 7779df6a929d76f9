"""Steps and formats to a TFLite program in integers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tflite

from edgemem.errors import UnsupportedOpError
from edgemem.ir import Graph
from edgemem.ops import Array
from edgemem.quantize import Format, affine, per_row, symmetric

from .flatbuffer import Program
from .names import INPUT, NEXT, OUTPUT
from .plan import Plan
from .steps import Step
from .tensors import Drawing, Shape, activation, image, natural

BIAS_LIMIT = 2.0**30
"""Weights get scales that keep biases below this, so that accumulators cannot overflow."""

WEIGHT_LIMIT = 127.0
"""The largest 8-bit weight."""


def lower(graph: Graph, steps: Sequence[Step], plan: Plan) -> Program:
    """The program of one time step.

    Its input ``x`` and output ``y`` are float32, (1, n); the states are integers that come back
    in the format in which they went in.
    """
    return _Lowering(graph, plan).program(steps)


def _joint_peaks(steps: Sequence[Step]) -> dict[tuple[tuple[str, ...], int], Array]:
    """Largest weight of each row over all products of the same input and size, as gates are."""
    peaks: dict[tuple[tuple[str, ...], int], Array] = {}
    for step in steps:
        if step.weight is not None:
            rows = np.abs(step.weight).max(axis=1)
            key = (step.inputs, len(rows))
            peaks[key] = np.maximum(peaks.get(key, rows), rows)
    return peaks


class _Lowering:
    """8-bit values have four axes, as convolutions want them; 16-bit ones their natural shape."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self._graph = graph
        self._plan = plan
        self._shapes = graph.shapes()
        self._draw = Drawing()
        self._values: dict[tuple[str, int], int] = {}
        self._peaks: dict[tuple[tuple[str, ...], int], Array] = {}

    def program(self, steps: Sequence[Step]) -> Program:
        draw, states = self._draw, self._graph.states
        inputs = {INPUT: draw.tensor(INPUT, (1, self._graph.n_in))}
        for state, shape in states.items():
            inputs[state] = draw.tensor(state, natural(shape), self._plan.home[state])
            self._values[state, 16] = inputs[state]
        self._read_input(inputs[INPUT])
        self._peaks = _joint_peaks(steps)
        for step in steps:
            self._lower(step)
        outputs = {OUTPUT: self._write_output()}
        for state, after in self._graph.next_states.items():
            outputs[state + NEXT] = self._wide(after)
        return draw.program(inputs, outputs)

    def _read_input(self, x: int) -> None:
        form = self._plan.home[INPUT]
        q = self._draw.tensor("", self._draw.shape_of(x), form)
        self._keep(INPUT, self._draw.op("QUANTIZE", 2, (x,), q))

    def _write_output(self) -> int:
        name = self._graph.output
        q = self._value(name, self._plan.home[name].bits)
        version = 3 if self._plan.home[name].bits == 16 else 2
        y = self._draw.tensor("", self._draw.shape_of(q))
        self._draw.op("DEQUANTIZE", version, (q,), y)
        shape = natural(self._shapes[name])
        if self._draw.shape_of(y) != shape:
            return self._draw.op(
                "RESHAPE", 1, (y, self._draw.integers(shape)), self._draw.tensor(OUTPUT, shape)
            )
        return y

    def _keep(self, name: str, tensor: int) -> None:
        bits = self._draw.format_of(tensor).bits
        shape = natural(self._shapes[name])
        self._values[name, bits] = self._draw.reshape(tensor, image(shape) if bits == 8 else shape)

    # values in the width in which a step wants them

    def _value(self, name: str, bits: int) -> int:
        return self._wide(name) if bits == 16 else self._narrow(name)

    def _narrow(self, name: str) -> int:
        if (name, 8) not in self._values:
            wide = self._values[name, 16]
            shape = self._draw.shape_of(wide)
            # by way of floats, which compilers and XNNPACK turn into vector instructions: ten times
            # as fast as TFLite's QUANTIZE from int16, which multiplies value by value in 64 bits
            real = self._draw.op("DEQUANTIZE", 3, (wide,), self._draw.tensor("", shape))
            q = self._draw.tensor("", shape, self._plan.narrow[name])
            self._keep(name, self._draw.op("QUANTIZE", 2, (real,), q))
        return self._values[name, 8]

    def _wide(self, name: str) -> int:
        if (name, 16) not in self._values:
            flat = self._draw.reshape(self._values[name, 8], natural(self._shapes[name]))
            form = self._draw.format_of(flat)
            if form.zero_point:
                raise UnsupportedOpError(f"{name!r} cannot be widened: its zero point is not 0")
            # the integers stay, so that the scale does
            q = self._draw.tensor("", self._draw.shape_of(flat), Format(16, form.scale))
            types = {"InDataType": tflite.TensorType.INT8, "OutDataType": tflite.TensorType.INT16}
            self._keep(name, self._draw.op("CAST", 1, (flat,), q, "CastOptions", types))
        return self._values[name, 16]

    def _result(self, step: Step, shape: Shape | None = None) -> int:
        form = self._plan.home[step.name]
        usual = natural(step.shape) if form.bits == 16 else image(natural(step.shape))
        return self._draw.tensor(step.name, shape or usual, form)

    # steps

    def _lower(self, step: Step) -> None:
        lowerings = {
            "matvec": self._product,
            "join": self._join,
            "add": self._elementwise,
            "sub": self._elementwise,
            "mul": self._elementwise,
            "scale": self._scale,
            "sigmoid": self._curve,
            "tanh": self._curve,
            "relu": self._curve,
            "split": self._reshape,
            "merge": self._reshape,
            "slice": self._slice,
        }
        if step.op not in lowerings:
            raise UnsupportedOpError(
                f"{step.name!r}: TFLite target cannot lower {step.op!r}; "
                f"known: {', '.join(sorted(lowerings))}"
            )
        lowerings[step.op](step)

    def _product(self, step: Step) -> None:
        if self._plan.home[step.name].bits == 16:
            self._wide_product(step, self._wide(step.inputs[0]))
            return
        x = self._narrow(step.inputs[0])
        weights = self._weights(step, x, 32, (1, 1))
        fields = {
            "Padding": tflite.Padding.VALID,
            "StrideW": 1,
            "StrideH": 1,
            "FusedActivationFunction": activation(step.relu),
        }
        # a 1x1 convolution: XNNPACK took scales per row for these before it did for
        # FULLY_CONNECTED
        inputs = (x, *weights)
        result = self._result(step)
        self._keep(step.name, self._draw.op("CONV_2D", 3, inputs, result, "Conv2DOptions", fields))

    def _wide_product(self, step: Step, x: int) -> None:
        weights = self._weights(step, x, 64, ())
        fields = {"FusedActivationFunction": activation(step.relu), "KeepNumDims": 1}
        result = self._result(step)
        self._keep(
            step.name,
            self._draw.op(
                "FULLY_CONNECTED", 7, (x, *weights), result, "FullyConnectedOptions", fields
            ),
        )

    def _weights(self, step: Step, x: int, bias_bits: int, between: Shape) -> tuple[int, ...]:
        """Weight and bias tensors of a product; a bias counts in steps of input times weight."""
        draw, matrix = self._draw, np.asarray(step.weight)
        x_scale = float(draw.format_of(x).scale)
        bias = np.zeros(len(matrix)) if step.bias is None else step.bias
        floor = np.abs(bias) / (x_scale * BIAS_LIMIT)
        # one list of scales for all gates is written once: 7 kB of 216 in a LEM of 185,000 weights
        peaks = self._peaks[step.inputs, len(matrix)]
        form = per_row(matrix, floor=np.maximum(floor, peaks / WEIGHT_LIMIT))
        integers = form.quantize(matrix)
        rows, columns = integers.shape
        shape = (rows, *between, columns)
        weight = draw.tensor("", shape, form, integers.reshape(shape))
        if step.bias is None and bias_bits == 64:
            return (weight,)
        if step.bias is None:
            # int8 CONV_2D insists on a bias; zeros in the weight's own scales take no more room
            zeros = np.zeros(rows, np.int32)
            return weight, draw.tensor("", (rows,), Format(32, form.scale), zeros)
        bias_form = Format(bias_bits, x_scale * np.asarray(form.scale))
        return weight, draw.tensor("", (rows,), bias_form, bias_form.quantize(bias))

    def _join(self, step: Step) -> None:
        draw = self._draw
        first, second = (self._wide(name) for name in step.inputs)
        form = draw.format_of(first)
        if draw.format_of(second).scale != form.scale:
            q = draw.tensor("", draw.shape_of(second), form)
            second = draw.op("QUANTIZE", 2, (second,), q)
        shape = draw.shape_of(first)
        joined = draw.tensor("", (*shape[:-1], shape[-1] + draw.shape_of(second)[-1]), form)
        axis = {"Axis": len(shape) - 1}
        draw.op("CONCATENATION", 3, (first, second), joined, "ConcatenationOptions", axis)
        self._wide_product(step, joined)

    def _elementwise(self, step: Step) -> None:
        bits = self._plan.home[step.name].bits
        inputs = tuple(self._operand(name, bits) for name in step.inputs)
        code = step.op.upper()
        fields = {"FusedActivationFunction": activation(step.relu)}
        result = self._result(step)
        version = {"ADD": 2, "SUB": 2, "MUL": 2}[code]
        if bits == 16:
            version = {"ADD": 3, "SUB": 5, "MUL": 4}[code]
            if code != "MUL":
                shifts = self._only_shifts(*inputs, result) and not step.relu
                fields["PotScaleInt16"] = int(shifts)
                version = 1 if shifts else version
        options = f"{code.capitalize()}Options"
        self._keep(step.name, self._draw.op(code, version, inputs, result, options, fields))

    def _operand(self, name: str, bits: int) -> int:
        if name not in self._graph.params:
            return self._value(name, bits)
        if (name, bits) not in self._values:
            array = self._graph.params[name]
            shape = natural(array.shape)
            form = symmetric(float(np.abs(array).max()), 16)
            if bits == 8:
                form, shape = affine(float(array.min()), float(array.max())), image(shape)
            data = form.quantize(array).reshape(shape)
            self._values[name, bits] = self._draw.tensor("", shape, form, data)
        return self._values[name, bits]

    def _only_shifts(self, *tensors: int) -> bool:
        """Whether TFLite's shifting form of int16 addition applies to operands and result.

        Powers of two, one operand on the scale of the result, the other on that or a finer one.
        """
        scales = [float(self._draw.format_of(tensor).scale) for tensor in tensors]
        if any(math.frexp(scale)[0] != 0.5 for scale in scales):
            return False
        return max(scales[:2]) == scales[2]

    def _scale(self, step: Step) -> None:
        bits = self._plan.home[step.name].bits
        x = self._value(step.inputs[0], bits)
        factor = np.array([step.args[0]])
        form = symmetric(abs(float(step.args[0])), bits)
        constant = self._draw.tensor("", (1,), form, form.quantize(factor))
        version = 4 if bits == 16 else 2
        result = self._result(step)
        self._keep(step.name, self._draw.op("MUL", version, (x, constant), result, "MulOptions"))

    def _curve(self, step: Step) -> None:
        bits = self._plan.home[step.name].bits
        code = {"sigmoid": "LOGISTIC", "tanh": "TANH", "relu": "RELU"}[step.op]
        x = self._value(step.inputs[0], bits)
        version = 3 if bits == 16 else 2
        self._keep(step.name, self._draw.op(code, version, (x,), self._result(step)))

    def _reshape(self, step: Step) -> None:
        bits = self._plan.home[step.name].bits
        shape = natural(step.shape)
        x = self._value(step.inputs[0], bits)
        self._values[step.name, bits] = self._draw.reshape(x, image(shape) if bits == 8 else shape)

    def _slice(self, step: Step) -> None:
        bits = self._plan.home[step.name].bits
        x = self._value(step.inputs[0], bits)
        shape = self._draw.shape_of(x)
        start, stop = (int(arg) for arg in step.args)
        begin = self._draw.integers((0,) * (len(shape) - 1) + (start,))
        size = self._draw.integers((*shape[:-1], stop - start))
        version = 4 if bits == 16 else 2
        result = self._result(step)
        self._keep(
            step.name, self._draw.op("SLICE", version, (x, begin, size), result, "SliceOptions")
        )
