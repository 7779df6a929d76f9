"""A network's step as a straight line of integer operations: what every integer target runs.

The operations are those of ``docs/integer-semantics.md``, and
:class:`~edgemem.quantize.integer.IntegerOps` is their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import GraphError
from edgemem.ir.values import Values
from edgemem.quantize.formats import Format
from edgemem.quantize.kinds import KINDS

Shape = tuple[int, ...]
Integers = NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """One value of a step: its shape, without batch axes, and its format."""

    shape: Shape
    form: Format


@dataclass(frozen=True)
class Operation:
    """One operation: single assignment to ``output``.

    Parameters
    ----------
    kind : str
        One of :data:`~edgemem.quantize.kinds.KINDS`.
    output : str
        Name of the tensor that it computes.
    inputs : tuple of str
        Names of tensors: the input, states, constants, or outputs of earlier operations.
    attrs : mapping of int
        Multipliers, shifts and other numbers that the operation needs, by name.
    arrays : mapping of str
        For ``weight``, ``bias``, ``multiplier`` and ``shift`` of a product, the names of the
        program's arrays.
    """

    kind: str
    output: str
    inputs: tuple[str, ...]
    attrs: Mapping[str, int] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """One time step of a network in integers.

    Parameters
    ----------
    tensors : mapping of Tensor
        Everything that has a name and is no weight, in order of computation.
    operations : tuple of Operation
    arrays : mapping of integer array
        Weights, biases, multipliers and shifts, by name.
    constants : mapping of integer array
        Tensors whose values never change.
    weights : mapping of Format
        The formats of the weight arrays: 8, 4 or 2 bits, a scale for each row.
    states : mapping
        For each state, the tensor that holds it after the step, in the same format.
    input, output : str
        Tensors that come in and go out.
    """

    tensors: Mapping[str, Tensor]
    operations: tuple[Operation, ...]
    arrays: Mapping[str, Integers]
    constants: Mapping[str, Integers]
    weights: Mapping[str, Format]
    states: Mapping[str, str]
    input: str
    output: str

    def __post_init__(self) -> None:
        known = {self.input, *self.states, *self.constants}
        for op in self.operations:
            if op.kind not in KINDS:
                raise GraphError(f"operation {op.output!r}: unknown kind {op.kind!r}")
            missing = [name for name in op.inputs if name not in known]
            missing += [name for name in op.arrays.values() if name not in self.arrays]
            if missing:
                raise GraphError(
                    f"operation {op.output!r} reads {missing[0]!r}, which comes later or never"
                )
            if op.output in known:
                raise GraphError(f"operation {op.output!r} is assigned twice")
            known.add(op.output)
        dangling = ({self.output, *self.states.values()} - known) | (known - set(self.tensors))
        if dangling:
            raise GraphError(f"tensor {min(dangling)!r} is named, and never described or computed")

    @property
    def n_in(self) -> int:
        """Size of the input."""
        return self.tensors[self.input].shape[-1]

    @property
    def n_out(self) -> int:
        """Size of the output."""
        return self.tensors[self.output].shape[-1]

    def zero_state(self, batch: Shape = ()) -> dict[str, Integers]:
        """States before the first step: zeros in the dtype of each."""
        tensors = {state: self.tensors[state] for state in self.states}
        return {n: np.zeros(batch + t.shape, t.form.dtype) for n, t in tensors.items()}

    def shown(self, values: Mapping[str, Integers]) -> dict[str, Values]:
        """Input and results of all operations, as an inspectable runner gives them.

        Parameters
        ----------
        values : mapping of integer array
            By tensor, of one step; empty before the first.
        """
        if not values:
            return {}
        kinds = {self.input: "", **{op.output: op.kind for op in self.operations}}
        forms = {name: self.tensors[name].form for name in kinds}
        return {
            name: Values(values[name], kind, float(forms[name].scale), forms[name].zero_point)
            for name, kind in kinds.items()
        }

    def macs(self) -> int:
        """Multiply-accumulates of the products of one step; zeros of a weight are counted."""
        total = 0
        for op in self.operations:
            if "weight" in op.arrays:
                rows = int(np.prod(self.tensors[op.inputs[0]].shape[:-1]))
                total += rows * int(self.arrays[op.arrays["weight"]].size)
        return total

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON values."""
        return {
            "tensors": {
                name: [list(t.shape), t.form.bits, float(t.form.scale), t.form.zero_point]
                for name, t in self.tensors.items()
            },
            "operations": [
                [op.kind, op.output, list(op.inputs), dict(op.attrs), dict(op.arrays)]
                for op in self.operations
            ],
            "constants": list(self.constants),
            "weights": {name: form.bits for name, form in self.weights.items()},
            "states": dict(self.states),
            "input": self.input,
            "output": self.output,
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays, the constants and the scales of the weights, as
        :func:`edgemem.quantize.stored.program_of` wants them."""
        return {
            **{f"arrays/{name}": a for name, a in self.arrays.items()},
            **{f"constants/{name}": a for name, a in self.constants.items()},
            **{
                f"scales/{name}": np.asarray(form.scale, np.float32)
                for name, form in self.weights.items()
            },
        }
