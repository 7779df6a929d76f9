"""Steps to a TFLite program in 32-bit floats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgemem.errors import UnsupportedOpError
from edgemem.ir import Graph
from edgemem.quantize.steps import Step

from .flatbuffer import Program
from .names import INPUT, NEXT, OUTPUT
from .tensors import Drawing, Shape, activation, natural


def lower_float(graph: Graph, steps: Sequence[Step]) -> Program:
    """The program of one time step; all tensors float32, rows (1, n) or matrices."""
    draw = Drawing()
    inputs = {INPUT: draw.tensor(INPUT, (1, graph.n_in))}
    for state, shape in graph.states.items():
        inputs[state] = draw.tensor(state, natural(shape))
    lowering = _FloatLowering(graph, draw, dict(inputs))
    for step in steps:
        lowering.lower(step)
    values = lowering.values
    # a tensor of its own, also where the output is a state
    outputs = {
        OUTPUT: lowering.reshaped(values[graph.output], natural(graph.shapes()[graph.output]))
    }
    outputs.update({state + NEXT: values[after] for state, after in graph.next_states.items()})
    return draw.program(inputs, outputs)


class _FloatLowering:
    def __init__(self, graph: Graph, draw: Drawing, values: dict[str, int]) -> None:
        self._params = graph.params
        self._draw = draw
        self.values = values

    def lower(self, step: Step) -> None:
        self.values[step.name] = self._lower(step)

    def _lower(self, step: Step) -> int:
        inputs = tuple(self._value(name) for name in step.inputs)
        if step.op == "matvec":
            return self._product(step, inputs[0])
        if step.op == "join":
            return self._product(step, self._joined(*inputs))
        if step.op in ("add", "sub", "mul"):
            fields = {"FusedActivationFunction": activation(step.relu)}
            return self._op(step, step.op.upper(), inputs, fields)
        if step.op == "scale":
            factor = self._constant(np.array([step.args[0]]))
            return self._op(step, "MUL", (*inputs, factor))
        if step.op in ("sigmoid", "tanh", "relu"):
            return self._op(step, {"sigmoid": "LOGISTIC"}.get(step.op, step.op.upper()), inputs)
        if step.op in ("split", "merge"):
            return self.reshaped(inputs[0], natural(step.shape))
        if step.op == "slice":
            return self._slice(step, inputs[0])
        raise UnsupportedOpError(f"{step.name!r}: the TFLite target cannot lower {step.op!r}")

    def reshaped(self, tensor: int, shape: Shape) -> int:
        inputs = (tensor, self._draw.integers(shape))
        return self._draw.op("RESHAPE", 1, inputs, self._draw.tensor("", shape))

    def _op(
        self,
        step: Step,
        code: str,
        inputs: tuple[int, ...],
        fields: dict[str, int] | None = None,
        version: int = 1,
    ) -> int:
        result = self._draw.tensor(step.name, natural(step.shape))
        return self._draw.op(code, version, inputs, result, fields)

    def _product(self, step: Step, x: int) -> int:
        inputs = [x, self._constant(np.asarray(step.weight))]
        if step.bias is not None:
            inputs.append(self._constant(step.bias))
        fields = {"FusedActivationFunction": activation(step.relu), "KeepNumDims": 1}
        return self._op(step, "FULLY_CONNECTED", tuple(inputs), fields, version=5)

    def _joined(self, first: int, second: int) -> int:
        shape = self._draw.shape_of(first)
        width = shape[-1] + self._draw.shape_of(second)[-1]
        joined = self._draw.tensor("", (*shape[:-1], width))
        axis = {"Axis": len(shape) - 1}
        return self._draw.op("CONCATENATION", 1, (first, second), joined, axis)

    def _slice(self, step: Step, x: int) -> int:
        shape = self._draw.shape_of(x)
        start, stop = (int(arg) for arg in step.args)
        begin = self._draw.integers((0,) * (len(shape) - 1) + (start,))
        size = self._draw.integers((*shape[:-1], stop - start))
        return self._op(step, "SLICE", (x, begin, size))

    def _value(self, name: str) -> int:
        if name not in self.values:
            self.values[name] = self._constant(self._params[name])
        return self.values[name]

    def _constant(self, array: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int:
        return self._draw.tensor("", array.shape, None, array.astype(np.float32))
