"""What one step of a TFLite network takes, from the operators in its file."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from edgemem.energy import Counts

from .interpreter import operators

_MOVES = frozenset({"CONCATENATION", "RESHAPE", "SLICE"})
_PRODUCTS = frozenset({"CONV_2D", "FULLY_CONNECTED"})


def step_counts(interpreter: Any, given: Collection[int], kept: Collection[int]) -> Counts:
    """One step, as :mod:`edgemem.energy.dense` counts: weights, biases and states are traffic.

    Parameters
    ----------
    interpreter
    given : collection of int
        Tensors that come from outside: the input and the states.
    kept : collection of int
        States before the step.
    """
    details = {d["index"]: d for d in interpreter.get_tensor_details()}
    steps = list(operators(interpreter))
    computed = {op.output for op in steps} | set(given)
    states = sum(_bytes(details[tensor]) for tensor in kept)
    macs = updates = 0
    read = states
    for op in steps:
        size = _size(details[op.output])
        if op.name in _PRODUCTS:
            macs += size * int(details[op.inputs[1]]["shape"][-1])
        elif op.name not in _MOVES:
            updates += size
        if op.name not in _MOVES:
            constants = [i for i in op.inputs if i >= 0 and i not in computed]
            read += sum(_bytes(details[i]) for i in constants)
    return Counts(
        frames=1, macs=macs, active_updates=updates, bytes_read=read, bytes_written=states
    )


def _size(tensor: Any) -> int:
    return math.prod(int(n) for n in tensor["shape"])


def _bytes(tensor: Any) -> int:
    return _size(tensor) * int(tensor["dtype"]().itemsize)
