"""The step of a program as C text: a call for each operation, and the constants of these calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import UnsupportedOpError
from edgemem.quantize.formats import Format
from edgemem.quantize.program import Operation, Program, Tensor

from .checks import check_program, is_low
from .elementwise import elementwise_name
from .identifiers import comment
from .packing import PACKED, pack
from .products import BLOCK, LOW
from .storage import OUTPUT, Place, Storage, elements, n_bytes, plan_storage
from .sums import LANES
from .tables import Tables, up_to


@dataclass(frozen=True)
class Step:
    """The step of a program in C.

    Parameters
    ----------
    body : tuple of str
        Statements of the step, in order.
    tables : str
        Definitions of constant arrays.
    layers : str
        Definitions of the constants of each call.
    calls : frozenset of str
        Kernels that are called.
    widest : mapping
        Inputs and sums of each product in whole blocks, by bits of the input.
    states : mapping
        Name in the struct to state.
    traced : tuple of str
        Tensors that the step computes, in order; views are left out.
    storage : Storage
    flash : int
        Bytes of constants.
    """

    body: tuple[str, ...]
    tables: str
    layers: str
    calls: frozenset[str]
    widest: Mapping[int, Sequence[tuple[int, int]]]
    states: Mapping[str, str]
    traced: tuple[str, ...]
    storage: Storage
    flash: int


def step_c(program: Program) -> Step:
    """The step of ``program``.

    Raises
    ------
    ToleranceError
        If an accumulator could overflow.
    UnsupportedOpError
        If the program has something for which there is no kernel.
    """
    check_program(program)
    return _Emitter(program).step()


class _Emitter:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._storage = plan_storage(program)
        self._tables = Tables()
        self._layers: list[str] = []
        self._layer_bytes = 0
        self._calls: set[str] = set()
        self._widest: dict[int, list[tuple[int, int]]] = {}
        self._body: list[str] = []
        self._traced: list[str] = []
        self._members = {state: f"s{i}" for i, state in enumerate(program.states)}
        self._constants = {
            name: self._tables.add("constant", self._type(name), values.astype(np.int64))
            for name, values in program.constants.items()
        }

    def step(self) -> Step:
        emit = {
            "product": self._product,
            "wide_product": self._product,
            "add": self._sum,
            "sub": self._sum,
            "mul": self._mul,
            "sigmoid": self._unary,
            "tanh": self._unary,
            "relu": self._unary,
            "rescale": self._unary,
            "narrow": self._unary,
            "widen": self._widen,
            "concat": self._concat,
            "slice": self._slice,
        }
        for op in self._program.operations:
            if self._storage.places[op.output] != self._view_of(op):
                self._note(op)
                emit[op.kind](op)
                self._trace(op)
        self._body += self._farewell()
        return Step(
            body=tuple(self._body),
            tables=self._tables.text(),
            layers="".join(self._layers),
            calls=frozenset(self._calls),
            widest=self._widest,
            states={member: state for state, member in self._members.items()},
            traced=tuple(self._traced),
            storage=self._storage,
            flash=self._tables.size + self._layer_bytes,
        )

    def _view_of(self, op: Operation) -> Place | None:
        """The place of a view, or None where something has to be done."""
        place = self._storage.places[op.output]
        roots = {self._storage.places[name].root for name in op.inputs}
        if op.kind not in ("reshape", "widen", "slice") or place.root not in roots:
            return None
        return None if op.output in self._storage.in_place else place

    def _note(self, op: Operation) -> None:
        shape = " x ".join(str(size) for size in self._tensor(op.output).shape)
        self._body.append(f"/* {comment(op.output)}: {op.kind}, {shape} */")

    def _trace(self, op: Operation) -> None:
        size = elements(self._tensor(op.output).shape) * self._width(op.output) // 8
        self._body.append(f"TRACE({len(self._traced)}, {self._at(op.output)}, {size});")
        self._traced.append(op.output)

    # where values are

    def _tensor(self, name: str) -> Tensor:
        return self._program.tensors[name]

    def _width(self, name: str) -> int:
        """Bits in which a value is stored: those of its root."""
        root = self._storage.places[name].root
        return self._tensor(self._program.output if root == OUTPUT else root).form.bits

    def _type(self, name: str) -> str:
        return f"int{self._tensor(name).form.bits}_t"

    def _at(self, name: str, offset: int = 0) -> str:
        """A pointer to an element of a value."""
        place = self._storage.places[name]
        start = place.start + offset
        base = self._base(place.root)
        return f"&{base}[{start}]" if start else base

    def _base(self, root: str) -> str:
        program = self._program
        if root == OUTPUT:
            return "logits"
        if root == program.input:
            return "input"
        if root in self._members:
            return f"state->{self._members[root]}"
        if root in self._constants:
            return self._constants[root]
        return _arena(self._storage, root, self._tensor(root).form.bits)

    # statements

    def _call(self, kernel: str, *arguments: str) -> None:
        self._calls.add(kernel)
        self._body.append(f"{kernel}({', '.join(arguments)});")

    def _copy(self, target: str, source: str, size: int) -> None:
        self._body.append(f"(void)memcpy({target}, {source}, {size});")

    def _layer(self, kind: str, values: Mapping[str, int | str]) -> str:
        name = f"layer_{len(self._layers)}"
        # an expression of ours, or a number and nothing else
        fields = ", ".join(v if isinstance(v, str) else str(int(v)) for v in values.values())
        self._layers.append(f"static const {kind} {name} = {{{fields}}};\n")
        self._layer_bytes += 4 * len(values)
        return f"&{name}"

    # products

    def _product(self, op: Operation) -> None:
        program, form = self._program, self._tensor(op.output).form
        before = self._tensor(op.inputs[0]).form
        weight = program.arrays[op.arrays["weight"]]
        rows, columns = weight.shape
        bits = program.weights[op.arrays["weight"]].bits
        vectors = elements(self._tensor(op.inputs[0]).shape[:-1])
        parts = 8 // bits if bits in PACKED else 1
        row = parts * up_to(-(-columns // parts), LANES)
        self._widest.setdefault(before.bits, []).append(
            (vectors * row, vectors * up_to(rows, BLOCK))
        )
        low, high = self._limits(op)
        layer = self._layer(
            "product_t",
            {
                "weight": self._weight(weight, bits),
                "bias": self._bias(op, before, bits),
                "multiplier": self._per_row("multiplier", "int32_t", op, rows),
                "shift": self._per_row("shift", "shift_t", op, rows),
                "rows": rows,
                "columns": columns,
                "zero": form.zero_point,
                "low": low,
                "high": high,
            },
        )
        held = bits if bits in PACKED else 8
        kernel = f"product{before.bits}_w{held}{LOW if is_low(program, op) else ''}"
        self._call(kernel, layer, str(vectors), self._at(op.inputs[0]), self._at(op.output))

    def _bias(self, op: Operation, before: Format, bits: int) -> str:
        """Biases with what the zero point of the input adds: ``b - z sum w + sum w x``."""
        sums = self._program.arrays[op.arrays["weight"]].astype(np.int64).sum(axis=1)
        bias = -before.zero_point * sums
        if "bias" in op.arrays:
            bias = bias + self._program.arrays[op.arrays["bias"]].astype(np.int64)
        if before.bits == 8 and bits not in PACKED:
            texts = [f"BIAS({b}, {s})" for b, s in zip(bias, sums)]
            return self._tables.add("bias", "int32_t", texts, "BEHIND")
        return self._tables.add("bias", "int32_t", bias, "BEHIND")

    def _weight(self, weight: NDArray[np.int8], bits: int) -> str:
        held = pack(weight, bits) if bits in PACKED else weight
        behind = f"BEHIND_ROWS({held.shape[1]})"
        return self._tables.add("weight", "int8_t", held.astype(np.int64), behind)

    def _per_row(self, role: str, ctype: str, op: Operation, rows: int) -> str:
        values = self._program.arrays[op.arrays[role]].astype(np.int64)
        return self._tables.add(role, ctype, np.broadcast_to(values, (rows,)), "BEHIND")

    def _limits(self, op: Operation) -> tuple[int, int]:
        """Limits of a result before its zero point is added."""
        form = self._tensor(op.output).form
        floors = op.kind == "relu" or op.attrs.get("relu")
        low = form.zero_point if floors else form.lowest
        return low - form.zero_point, form.highest - form.zero_point

    # element by element

    def _sum(self, op: Operation) -> None:
        what = op.kind
        if "left" not in op.attrs:
            shifts = op.attrs["shift_a"] or op.attrs["shift_b"]
            what += "_shifted" if shifts else "_plain"
        self._binary(op, what, op.inputs)

    def _mul(self, op: Operation) -> None:
        self._binary(op, "mul", op.inputs)

    def _binary(self, op: Operation, what: str, inputs: tuple[str, ...]) -> None:
        a, b = inputs
        sizes = [elements(self._tensor(name).shape) for name in inputs]
        whole = elements(self._tensor(op.output).shape)
        swap = sizes[0] < whole
        if swap and op.kind == "sub":
            raise UnsupportedOpError(f"{op.output!r}: a shorter operand minus a longer one")
        layer = self._sum_layer(op, swap)
        if swap:
            a, b, sizes = b, a, sizes[::-1]
        scalar = sizes[1] == 1 and whole > 1
        widths = (self._width(a), self._width(b), self._width(op.output))
        kernel = elementwise_name(what, widths, scalar)
        step = whole if scalar else sizes[1]
        for start in range(0, whole, step):
            self._call(
                kernel,
                layer,
                self._at(a, start),
                self._at(b),
                self._at(op.output, start),
                str(step),
            )

    def _sum_layer(self, op: Operation, swap: bool = False) -> str:
        attrs, form = op.attrs, self._tensor(op.output).form
        zeros = [self._tensor(name).form.zero_point for name in op.inputs]
        if op.kind == "narrow":
            zeros = [0]
        sides = [
            (zero, attrs.get(f"multiplier_{side}", 0), attrs.get(f"shift_{side}", 0))
            for side, zero in zip("ab", [*zeros, 0])
        ]
        if swap:
            sides.reverse()
        low, high = self._limits(op)
        (zero_a, multiplier_a, shift_a), (zero_b, multiplier_b, shift_b) = sides
        return self._layer(
            "sum_t",
            {
                "left": attrs.get("left", 0),
                "zero_a": zero_a,
                "multiplier_a": multiplier_a,
                "shift_a": shift_a,
                "zero_b": zero_b,
                "multiplier_b": multiplier_b,
                "shift_b": shift_b,
                "multiplier": attrs.get("multiplier", 0),
                "shift": attrs.get("shift", 0),
                "zero": form.zero_point,
                "low": low,
                "high": high,
            },
        )

    def _unary(self, op: Operation) -> None:
        source, what = op.inputs[0], "rescale" if op.kind == "relu" else op.kind
        kernel = elementwise_name(what, (self._width(source), self._width(op.output)))
        size = str(elements(self._tensor(op.output).shape))
        layer = self._sum_layer(op)
        self._call(kernel, layer, self._at(source), self._at(op.output), size)

    # copies

    def _widen(self, op: Operation) -> None:
        source = op.inputs[0]
        kernel = elementwise_name("widen", (self._width(source), self._width(op.output)))
        size = str(elements(self._tensor(op.output).shape))
        self._call(kernel, self._at(source), self._at(op.output), size)

    def _concat(self, op: Operation) -> None:
        width = self._tensor(op.output).shape[-1]
        start = 0
        for name in op.inputs:
            size = self._tensor(name).shape[-1]
            self._rows(op.output, start, width, name, 0, size, size)
            start += size

    def _slice(self, op: Operation) -> None:
        source = op.inputs[0]
        start, size = op.attrs["start"], self._tensor(op.output).shape[-1]
        self._rows(op.output, 0, size, source, start, self._tensor(source).shape[-1], size)

    def _rows(
        self, to: str, to_start: int, to_step: int, of: str, start: int, step: int, size: int
    ) -> None:
        """Copy ``size`` elements of each row of ``of`` into the rows of ``to``."""
        if self._width(to) != self._width(of):
            raise UnsupportedOpError(f"{to!r}: joins values of other widths than its own")
        rows = elements(self._tensor(to).shape[:-1])
        count = size * self._width(to) // 8
        target, source = self._at(to, to_start), self._at(of, start)
        if rows == 1:
            self._copy(target, source, count)
            return
        self._body.append(f"for (int32_t i = 0; i < {rows}; i++) {{")
        self._copy(f"{target} + i * {to_step}", f"{source} + i * {step}", count)
        self._body[-1] = f"    {self._body[-1]}"
        self._body.append("}")

    # the end of a step

    def _farewell(self) -> list[str]:
        """Copies of what is kept: the output first, while old states are still there."""
        program, storage = self._program, self._storage
        before = len(self._body)
        for state, stretch in storage.saved.items():
            tensor = self._tensor(state)
            self._copy(
                _arena(storage, stretch, tensor.form.bits),
                self._at(storage.kept[state]),
                n_bytes(tensor),
            )
        if not storage.output_in_place:
            self._copy("logits", self._at(program.output), n_bytes(self._tensor(program.output)))
        for state, after in storage.kept.items():
            tensor = self._tensor(state)
            source = self._at(after)
            if state in storage.saved:
                source = _arena(storage, storage.saved[state], tensor.form.bits)
            self._copy(f"state->{self._members[state]}", source, n_bytes(tensor))
        copies = self._body[before:]
        del self._body[before:]
        return ["/* what the next step finds */", *copies] if copies else []


def _arena(storage: Storage, name: str, bits: int) -> str:
    """A pointer to a stretch of the arena, as integers of so many bits."""
    offset = storage.stretches[name].offset
    return f"A{bits}({offset})"
