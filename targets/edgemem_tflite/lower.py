"""An integer program to a TFLite program: one operator or two for each operation."""

from __future__ import annotations

import numpy as np
import tflite

from edgemem.quantize import Format, Operation
from edgemem.quantize import Program as IntegerProgram

from .flatbuffer import Program
from .names import INPUT, NEXT, OUTPUT
from .tensors import Drawing, Shape, activation, image, natural


def lower(program: IntegerProgram) -> Program:
    """The program of one time step.

    Its input ``x`` and output ``y`` are float32, (1, n); the states are integers that come back
    in the format in which they went in.
    """
    return _Lowering(program).program()


class _Lowering:
    """Every integer value has four axes, as convolutions want them: nothing is reshaped for one."""

    def __init__(self, program: IntegerProgram) -> None:
        self._program = program
        self._draw = Drawing()
        self._tensors: dict[str, int] = {}

    def program(self) -> Program:
        draw, program = self._draw, self._program
        inputs = {INPUT: draw.tensor(INPUT, (1, program.n_in))}
        for state in program.states:
            inputs[state] = draw.tensor(state, self._usual(state), self._form(state))
            self._tensors[state] = inputs[state]
        q = draw.tensor("", (1, program.n_in), program.tensors[program.input].form)
        self._keep(program.input, draw.op("QUANTIZE", 2, (inputs[INPUT],), q))
        for op in program.operations:
            self._keep(op.output, self._lower(op))
        outputs = {OUTPUT: self._write_output()}
        for state, after in program.states.items():
            outputs[state + NEXT] = self._tensor(after)
        return draw.program(inputs, outputs)

    def _keep(self, name: str, tensor: int) -> None:
        self._tensors[name] = self._draw.reshape(tensor, self._usual(name))

    def _usual(self, name: str) -> Shape:
        return image(natural(self._program.tensors[name].shape))

    def _form(self, name: str) -> Format:
        return self._program.tensors[name].form

    def _bits(self, name: str) -> int:
        return self._form(name).bits

    def _tensor(self, name: str) -> int:
        if name not in self._tensors:
            data = self._program.constants[name]
            shape = self._usual(name) if data.size > 1 else (1,)
            self._tensors[name] = self._draw.tensor(
                "", shape, self._form(name), data.reshape(shape)
            )
        return self._tensors[name]

    def _result(self, name: str, shape: Shape | None = None) -> int:
        return self._draw.tensor(name, shape or self._usual(name), self._form(name))

    def _write_output(self) -> int:
        name = self._program.output
        q = self._tensor(name)
        y = self._draw.tensor("", self._draw.shape_of(q))
        self._draw.op("DEQUANTIZE", 3 if self._bits(name) == 16 else 2, (q,), y)
        shape = natural(self._program.tensors[name].shape)
        if self._draw.shape_of(y) != shape:
            return self._draw.op(
                "RESHAPE", 1, (y, self._draw.integers(shape)), self._draw.tensor(OUTPUT, shape)
            )
        return y

    # operations

    def _lower(self, op: Operation) -> int:
        lowerings = {
            "product": self._product,
            "wide_product": self._product,
            "add": self._sum,
            "sub": self._sum,
            "mul": self._mul,
            "sigmoid": self._curve,
            "tanh": self._curve,
            "relu": self._curve,
            "narrow": self._narrow,
            "widen": self._widen,
            "rescale": self._rescale,
            "concat": self._concat,
            "reshape": self._reshape,
            "slice": self._slice,
        }
        return lowerings[op.kind](op)

    def _product(self, op: Operation) -> int:
        fields = {
            "Padding": tflite.Padding.VALID,
            "StrideW": 1,
            "StrideH": 1,
            "FusedActivationFunction": self._activation(op),
        }
        version = 3
        if self._bits(op.output) == 16:
            # ai-edge-litert reads a bias of 32 bits as one of 64 where this is not said
            fields["QuantizedBiasType"] = tflite.TensorType.INT32
            version = 4
        # a 1x1 convolution: XNNPACK took scales per row for these before it did for
        # FULLY_CONNECTED, whose reference kernels round otherwise in ai-edge-litert
        inputs = (self._tensor(op.inputs[0]), *self._weights(op))
        return self._draw.op("CONV_2D", version, inputs, self._result(op.output), fields)

    def _activation(self, op: Operation) -> int:
        return activation(bool(op.attrs.get("relu")))

    def _weights(self, op: Operation) -> tuple[int, int]:
        """Weight and bias tensors of a product; a bias counts in steps of input times weight."""
        arrays = self._program.arrays
        w_form = self._program.weights[op.arrays["weight"]]
        integers = arrays[op.arrays["weight"]]
        rows, columns = integers.shape
        shape = (rows, 1, 1, columns)
        # TFLite's kernels for both products read weights of 8 bits, and convolutions ask for a bias
        weight = self._draw.tensor("", shape, Format(8, w_form.scale), integers.reshape(shape))
        bias = arrays[op.arrays["bias"]] if "bias" in op.arrays else np.zeros(rows, np.int32)
        if not bias.any():
            # zeros in the weight's own scales take no more room
            bias_form = Format(bias.itemsize * 8, w_form.scale)
        else:
            steps_of = float(self._form(op.inputs[0]).scale) * np.asarray(w_form.scale)
            bias_form = Format(bias.itemsize * 8, steps_of)
        return weight, self._draw.tensor("", (rows,), bias_form, bias)

    def _sum(self, op: Operation) -> int:
        fields = {"FusedActivationFunction": self._activation(op)}
        version = 2
        if self._bits(op.output) == 16:
            shifts = "left" not in op.attrs
            fields["PotScaleInt16"] = int(shifts)
            version = 1 if shifts else {"add": 3, "sub": 5}[op.kind]
        return self._elementwise(op, version, fields)

    def _mul(self, op: Operation) -> int:
        version = 4 if self._bits(op.output) == 16 else 2
        return self._elementwise(op, version, {"FusedActivationFunction": self._activation(op)})

    def _elementwise(self, op: Operation, version: int, fields: dict[str, int]) -> int:
        inputs = tuple(self._tensor(name) for name in op.inputs)
        result = self._result(op.output)
        return self._draw.op(op.kind.upper(), version, inputs, result, fields)

    def _curve(self, op: Operation) -> int:
        code = {"sigmoid": "LOGISTIC", "tanh": "TANH", "relu": "RELU"}[op.kind]
        version = 3 if self._bits(op.output) == 16 else 2
        inputs = (self._tensor(op.inputs[0]),)
        return self._draw.op(code, version, inputs, self._result(op.output))

    def _narrow(self, op: Operation) -> int:
        # by way of floats, which compilers and XNNPACK turn into vector instructions: ten times
        # as fast as TFLite's QUANTIZE from int16, which multiplies value by value in 64 bits.
        # The scales are such that every kernel rounds alike
        wide = self._tensor(op.inputs[0])
        shape = self._draw.shape_of(wide)
        real = self._draw.op("DEQUANTIZE", 3, (wide,), self._draw.tensor("", shape))
        return self._draw.op("QUANTIZE", 2, (real,), self._result(op.output, shape))

    def _widen(self, op: Operation) -> int:
        shape = self._usual(op.output)
        flat = self._draw.reshape(self._tensor(op.inputs[0]), shape)
        types = {"InDataType": tflite.TensorType.INT8, "OutDataType": tflite.TensorType.INT16}
        return self._draw.op("CAST", 1, (flat,), self._result(op.output), types)

    def _rescale(self, op: Operation) -> int:
        x = self._tensor(op.inputs[0])
        return self._draw.op("QUANTIZE", 2, (x,), self._result(op.output, self._draw.shape_of(x)))

    def _concat(self, op: Operation) -> int:
        inputs = tuple(self._tensor(name) for name in op.inputs)
        axis = {"Axis": len(self._usual(op.output)) - 1}
        result = self._result(op.output)
        return self._draw.op("CONCATENATION", 3, inputs, result, axis)

    def _reshape(self, op: Operation) -> int:
        return self._draw.reshape(self._tensor(op.inputs[0]), self._usual(op.output))

    def _slice(self, op: Operation) -> int:
        x = self._tensor(op.inputs[0])
        shape = self._draw.shape_of(x)
        begin = self._draw.integers((0,) * (len(shape) - 1) + (op.attrs["start"],))
        size = self._draw.integers((*shape[:-1], op.attrs["stop"] - op.attrs["start"]))
        version = 4 if self._bits(op.output) == 16 else 2
        inputs = (x, begin, size)
        return self._draw.op("SLICE", version, inputs, self._result(op.output))
