"""The values that travel as messages, each sent once however many products read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgemem.quantize.program import Operation, Program

from .elements import PRODUCTS, ROUTING


@dataclass(frozen=True)
class Origin:
    """Where the products that read a value get it from.

    Parameters
    ----------
    channel : str
        The tensor that its unit sends.
    earlier : bool
        Whether they read what was sent in the frame before: the state of now is the next state
        of then, and is not sent twice.
    """

    channel: str
    earlier: bool = False


def origins(program: Program) -> dict[str, Origin]:
    """For each value that a product reads, and each that it was routed from, what is sent for it.

    Routed values are left out: they are put together from their parts.
    """
    makers = {op.output: op for op in program.operations}
    same = _Twins(program)
    found: dict[str, Origin] = {}
    pending = [op.inputs[0] for op in program.operations if op.kind in PRODUCTS]
    while pending:
        name = pending.pop()
        maker = makers.get(name)
        if maker is not None and maker.kind in ROUTING:
            pending += maker.inputs
        elif name not in program.constants:
            found[name] = same.origin(name)
    return {name: found[name] for name in program.tensors if name in found}


def seen_by_products(program: Program) -> frozenset[str]:
    """Tensors that a product reads, and those that they are routed from."""
    makers = {op.output: op for op in program.operations}
    found: set[str] = set()
    pending = [op.inputs[0] for op in program.operations if op.kind in PRODUCTS]
    while pending:
        name = pending.pop()
        found.add(name)
        maker = makers.get(name)
        if maker is not None and maker.kind in ROUTING:
            pending += maker.inputs
    return frozenset(found)


class _Twins:
    """Operations that compute what another one computes, now or in the frame before."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._makers = {op.output: op for op in program.operations}
        self._first: dict[Any, str] = {}
        for op in program.operations:
            if op.kind not in PRODUCTS:
                self._first.setdefault(self._meaning(op, op.inputs), op.output)

    def origin(self, name: str) -> Origin:
        states: Mapping[str, str] = self._program.states
        if name in states:
            after = states[name]
            computed = after in self._makers and self._makers[after].kind not in ROUTING
            return Origin(after, earlier=True) if computed else Origin(name)
        op = self._makers.get(name)
        if op is None or op.kind in PRODUCTS:
            return Origin(name)
        if len(op.inputs) == 1 and op.inputs[0] in states:
            later = self._first.get(self._meaning(op, (states[op.inputs[0]],)))
            if later is not None:
                return Origin(later, earlier=True)
        return Origin(self._first[self._meaning(op, op.inputs)])

    def _meaning(self, op: Operation, inputs: tuple[str, ...]) -> tuple[Any, ...]:
        form = self._program.tensors[op.output].form
        held = (form.bits, form.scale, form.zero_point)
        return (op.kind, inputs, tuple(sorted(op.attrs.items())), held)
