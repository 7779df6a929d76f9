"""Device half: one step of a TFLite network, its states carried over as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ShapeError
from edgemem.ir.values import Values

from .counts import step_counts
from .interpreter import (
    Operator,
    address,
    check_reference,
    engine,
    memory,
    open_interpreter,
    operators,
    signature,
)
from .names import INPUT, NEXT, OUTPUT
from .verifier import verify

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.energy import Counts
    from edgemem.target import Features

Copy = tuple[NDArray[Any], NDArray[Any]]
"""Where to, and where from."""


class TFLiteRunner:
    """See :class:`edgemem.target.Runner` and :class:`edgemem.target.Inspectable`.

    Tensors are found by their names in the signature, never by position. A state comes back in
    the format in which it went in, so that carrying it over copies bytes.

    Parameters
    ----------
    artefact : Artefact
    reference_kernels : bool
        Whether to run TFLite's plain kernels instead of the fast ones.

    Attributes
    ----------
    interpreter
        The interpreter beneath; to be looked at only.
    """

    def __init__(self, artefact: Artefact, reference_kernels: bool = False) -> None:
        origin = artefact.origin
        verify(artefact.payload, origin)
        self.interpreter = open_interpreter(artefact.payload, origin, reference_kernels)
        if reference_kernels:
            check_reference(self.interpreter, origin)
        self._inputs, self._outputs = signature(self.interpreter, origin)
        self._states = [name for name in self._inputs if name != INPUT]
        self._invoke = self.interpreter.invoke
        self.engine = engine(self.interpreter, reference_kernels)
        # with fast kernels inner tensors do not exist, or share their memory with others
        self._shown = self._named(None if reference_kernels else set(self._outputs.values()))
        self._invoke()  # kernels settle where their memory is
        self.reset()

    @property
    def n_in(self) -> int:
        return int(self._x.shape[0])

    @property
    def n_out(self) -> int:
        return int(self._y.shape[0])

    def reset(self) -> None:
        self._x = memory(self.interpreter, self._inputs[INPUT]).reshape(-1)
        self._y = memory(self.interpreter, self._outputs[OUTPUT]).reshape(-1)
        self._shape = self._x.shape
        pairs = []
        for state in self._states:
            before = memory(self.interpreter, self._inputs[state])
            after = memory(self.interpreter, self._outputs[state + NEXT])
            pairs.append((before, after))
            before.fill(0)
        self._carry = _copies(pairs)

    def step(self, x: Features) -> Features:
        if x.shape != self._shape:
            raise ShapeError(f"step: got an input of shape {x.shape}, expected {self._shape}")
        np.copyto(self._x, x)
        self._invoke()
        for before, after in self._carry:
            np.copyto(before, after)
        return self._y.copy()

    @property
    def output_scale(self) -> float | None:
        """See :class:`edgemem.target.Inspectable`."""
        makers = {op.output: op for op in operators(self.interpreter)}
        tensor = self._outputs[OUTPUT]
        # the output is float32, perhaps made of integers
        while tensor in makers and makers[tensor].name in ("DEQUANTIZE", "RESHAPE"):
            tensor = makers[tensor].inputs[0]
        details = {d["index"]: d for d in self.interpreter.get_tensor_details()}
        return float(details[tensor]["quantization"][0]) or None

    @property
    def step_counts(self) -> Counts:
        """See :class:`edgemem.energy.Counted`."""
        kept = [self._inputs[state] for state in self._states]
        return step_counts(self.interpreter, self._inputs.values(), kept)

    def tensors(self) -> dict[str, Values]:
        """Tensors of the last step that have names: all with reference kernels, else the states."""
        get = self.interpreter.get_tensor
        return {
            name: Values(get(tensor), op, scale or None, zero_point)
            for name, (tensor, op, scale, zero_point) in self._shown.items()
        }

    def _named(self, only: set[int] | None) -> dict[str, tuple[int, str, float, int]]:
        """Number, operator, scale and zero point of the tensors that can be looked at."""
        details = {d["index"]: d for d in self.interpreter.get_tensor_details()}
        found = {}
        written: set[int] = set()
        for op in reversed(list(operators(self.interpreter))):
            if only is not None and op.output not in only:
                continue
            place = address(self.interpreter, op.output)
            name = self._name(op, details[op.output]["name"])
            # an operator may write over its input, as sums do; a reshape leaves what is there
            if name and place not in written:
                scale, zero_point = details[op.output]["quantization"]
                found[name] = (op.output, op.name, float(scale), int(zero_point))
            if op.name != "RESHAPE":
                written.add(place)
        return dict(reversed(found.items()))

    def _name(self, op: Operator, name: str) -> str:
        """What the integer program calls the result of ``op``; empty if it has no such value."""
        if op.name == "QUANTIZE" and op.inputs[0] == self._inputs[INPUT]:
            return INPUT
        return "" if name == OUTPUT else name


def _copies(pairs: list[Copy]) -> list[Copy]:
    """Copies ``(to, from)`` that carry states over, in order.

    What a state becomes may be what another state was: it is put aside before that changes.
    """
    befores = [before for before, _ in pairs]
    first: list[Copy] = []
    then: list[Copy] = []
    last: list[Copy] = []
    for before, after in pairs:
        if any(np.shares_memory(after, other) for other in befores):
            aside = np.empty_like(after)
            first.append((aside, after))
            last.append((before, aside))
        else:
            then.append((before, after))
    return [*first, *then, *last]
