"""Where the values of a kernel lie, and the C text of one direction's items over them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edgemem.ir.graph import Node
from edgemem.ir.passes.adjoint import Share
from edgemem.train.kernel.plan import Group, Item, Plan, Product
from edgemem.train.kernel.product import Registers, outer, pack, product
from edgemem.train.kernel.runtime import number

TILE = 16
"""Most sequences in a tile: a value of 64 units is then 4 KiB, a twelfth of the first cache."""

HELD = 4
"""Steps after which the gradients of the weights are added to: these do not fit the first cache."""

EXPRESSIONS = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "sigmoid": "sigmoid_({0})",
    "tanh": "tanh_({0})",
    "relu": "({0} < 0.0f ? 0.0f : {0})",  # a NaN stays one
    "sigmoid_adjoint": "{0} * {1} * (1.0f - {1})",
    "tanh_adjoint": "{0} * (1.0f - {1} * {1})",
    "relu_adjoint": "({1} > 0.0f ? {0} : 0.0f)",
}


@dataclass(frozen=True)
class Place:
    """Where a value lies: ``base + r * stride`` for the sequence ``r`` of a tile.

    Parameters
    ----------
    base, stride : str
        C expressions.
    buffer : tuple of int, optional
        Size and offset in the scratch, if it is to be used again.
    ahead : int
        How far it is to the value that the next step reads; 0 where that is not asked for.
    """

    base: str
    stride: str
    buffer: tuple[int, int] | None = None
    ahead: int = 0

    def row(self) -> str:
        return self.base if self.stride == "0" else f"{self.base} + r * {self.stride}"


@dataclass
class Text:
    """The C text of one direction while it is written.

    Parameters
    ----------
    plan : Plan
    registers : Registers
    direction : int
        1 where the steps go forwards, -1 where they go backwards.
    """

    plan: Plan
    registers: Registers
    direction: int
    functions: dict[str, str] = field(default_factory=dict)
    """C functions that the items call, by name."""
    places: dict[str, Place] = field(default_factory=dict)
    copies: dict[str, Place] = field(default_factory=dict)
    """Places to which a group writes a value as well."""
    held: dict[str, str] = field(default_factory=dict)
    """Where the first of several steps of a value lies."""
    grouped: set[str] = field(default_factory=set)
    """Values that groups write."""
    packed: dict[tuple[str, str], int] = field(default_factory=dict)
    packed_size: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    sums_size: int = 0
    free: dict[int, list[int]] = field(default_factory=dict)
    scratch_size: int = 0

    def __post_init__(self) -> None:
        for i, name in enumerate(self.plan.recurrence.weights):
            self.places[name] = Place(f"c->in[{i}]", "0")
            *rows, last = self.plan.shapes[name]
            self.sums[name] = self.sums_size
            self.sums_size += math.prod(rows) * self.registers.padded(last)

    # -- places

    def allocate(self, name: str) -> Place:
        """Scratch for a value of each sequence of a tile."""
        n = self.plan.size(name)
        size = self.registers.padded(n)
        spare = self.free.get(size)
        if spare:
            offset = spare.pop()
        else:
            offset, self.scratch_size = self.scratch_size, self.scratch_size + size
        self.places[name] = Place(f"(s + {offset * TILE})", str(n), (size, offset))
        return self.places[name]

    def hold(self, name: str) -> None:
        """Scratch for the values of several steps; the one at hand is number ``k``."""
        n = self.plan.size(name)
        offset, self.scratch_size = self.scratch_size, self.scratch_size + HELD * n
        self.scratch_size = self.registers.padded(self.scratch_size)
        self.held[name] = f"(s + {offset * TILE})"
        self.places[name] = Place(f"(s + {offset * TILE} + k * rows * {n})", str(n))

    def release(self, name: str) -> None:
        place = self.places.pop(name)
        if place.buffer is not None:
            size, offset = place.buffer
            self.free.setdefault(size, []).append(offset)

    def every_step(self, pointer: str, name: str) -> Place:
        """The step ``t`` of a (batch, n_steps, n) array."""
        n = self.plan.size(name)
        base = f"({pointer} + (row0 * steps + t) * {n})"
        return Place(base, f"steps * {n}", ahead=self.direction * n)

    def each_sequence(self, pointer: str, name: str) -> Place:
        """A (batch, n) array."""
        n = self.plan.size(name)
        return Place(f"({pointer} + row0 * {n})", str(n))

    def saved(self, pointer: str) -> list[str]:
        """Saved values lie tile by tile, step by step, each in one piece."""
        offset, total, text = 0, self.plan.saved_size, []
        for name in self.plan.saved:
            base = f"({pointer} + row0 * steps * {total} + rows * (t * {total} + {offset}))"
            place = Place(base, str(self.plan.size(name)))
            if name in self.held:
                text.append(self.copy(name, place, self.places[name]))
            self.places.setdefault(name, place)
            offset += self.plan.size(name)
        return text

    def scratch_floats(self) -> int:
        """Size of the scratch; vectors at the end of a buffer may reach beyond it."""
        return self.scratch_size * TILE + 2 * self.registers.lanes

    # -- statements

    def copy(self, name: str, source: Place, into: Place) -> str:
        n = self.plan.size(name)
        given = f"{source.base}, {source.stride}, {into.base}, {into.stride}, {source.ahead}"
        return f"copy(rows, {n}, {given});"

    def copy_or_zero(self, name: str, value: str | None, into: Place) -> str:
        if value is None:
            return f"zero(rows, {self.plan.size(name)}, {into.base}, {into.stride});"
        return self.copy(name, self.places[value], into)

    def load(self, items: Sequence[Item], name: str, place: Place) -> list[str]:
        """A value from outside; moved into the scratch if products read it."""
        if name in self.held:
            return [self.copy(name, place, self.places[name])]
        if all(isinstance(item, Group) for item in items if name in item.reads):
            self.places[name] = place
            return []
        return [self.copy(name, place, self.allocate(name))]

    def carried(
        self, items: Sequence[Item], before: Sequence[str], after: Sequence[str | None]
    ) -> list[str]:
        """Values that go from step to step, each in two buffers that change places.

        Parameters
        ----------
        items : sequence of item
        before, after : sequence of str
            Their names at the beginning and at the end of a step; None for a zero at the end.

        Returns
        -------
        list of str
            Text before the first step.
        """
        text = []
        self.grouped = {n for item in items if isinstance(item, Group) for n in item.writes}
        for i, (name, value) in enumerate(zip(before, after)):
            here, there = self.allocate(name), self.allocate(name)
            text.append(f"float *h{i} = {here.base}, *n{i} = {there.base};")
            self.places[name] = Place(f"h{i}", here.stride)
            if value is not None and value in self.grouped and value not in self.places:
                self.places[value] = Place(f"n{i}", there.stride)
        return text

    def carry(self, before: Sequence[str], after: Sequence[str | None]) -> list[str]:
        """The end of a step: what was carried into it gives way to what it made of it."""
        copies, exchanges = [], []
        for i, (name, value) in enumerate(zip(before, after)):
            following = Place(f"n{i}", str(self.plan.size(name)))
            if value is None or self.places[value] != following:
                copies.append(self.copy_or_zero(name, value, following))
            exchanges.append(f"exchange(&h{i}, &n{i});")
        return copies + exchanges

    # -- items

    def items(self, items: Sequence[Item], kept: Iterable[str]) -> list[str]:
        """The text of items in their order; scratch is free again after the last reader."""
        kept = {*kept, *self.places}
        last = {name: i for i, item in enumerate(items) for name in item.reads}
        text: list[str] = []
        for i, item in enumerate(items):
            wanted = [n for n in item.writes if n in kept or n in last]
            for name in wanted:
                if name not in self.places:
                    self.allocate(name)
            text += self.item(item, wanted)
            for name in {*item.reads, *wanted} - kept:
                if last.get(name, i) == i:
                    self.release(name)
        return text

    def item(self, item: Item, wanted: Sequence[str]) -> list[str]:
        return [self.product(item)] if isinstance(item, Product) else self.group(item, wanted)

    def product(self, item: Product) -> str:
        transposed = item.op == "matvec_adjoint"
        shapes = [self.matrix(weight) for weight in item.weights]
        ks = [rows if transposed else columns for rows, columns in shapes]
        n = shapes[0][1 if transposed else 0]
        name = "_".join(["product", *map(str, ks), "to", str(n)])
        self.functions.setdefault(name, product(name, ks, n, self.registers))
        given = []
        for k, weight, source in zip(ks, item.weights, item.sources):
            key = (weight, item.op)
            if key not in self.packed:
                self.packed[key] = self.packed_size
                self.packed_size += self.registers.padded(n) * k
            given.append(f"{self.places[source].base}, packed + {self.packed[key]}")
        channels = self.plan.size(item.sources[0]) // ks[0]
        out = self.places[item.out].base
        return f"{name}(rows * {channels}, {', '.join(given)}, {out});"

    def sum(self, share: Share) -> str:
        """A share of a weight's gradient over the ``k`` steps that are held."""
        bar, into = self.held[share.bar], f"sums + {self.sums[share.weight]}"
        n, *columns = self.plan.shapes[share.weight]
        rows = f"k * rows * {self.plan.size(share.bar) // n}"
        if share.source is None:
            return f"add_rows({rows}, {n}, {bar}, {into});"
        name = f"outer_{n}_{columns[0]}"
        self.functions.setdefault(name, outer(name, n, columns[0], self.registers))
        return f"{name}({rows}, {bar}, {self.held[share.source]}, {into});"

    def group(self, item: Group, wanted: Sequence[str]) -> list[str]:
        values, body = {}, []
        for i, name in enumerate(item.reads):
            n = self.plan.size(name)
            body.append(f"float x{i} = a{i}[{'i' if n == item.size else f'i % {n}'}];")
            values[name] = f"x{i}"
        for i, node in enumerate(item.nodes):
            body.append(f"float y{i} = {_expression(node, values)};")
            values[node.name] = f"y{i}"
        read = [self.places[name] for name in item.reads]
        written = [(name, self.places[name]) for name in wanted]
        written += [(name, self.copies[name]) for name in wanted if name in self.copies]
        body += [f"o{i}[i] = {values[name]};" for i, (name, _) in enumerate(written)]
        places = [*read, *(place for _, place in written)]
        whole = all(place.stride == str(item.size) for place in places)
        first = "{ const long r = 0;" if whole else "for (long r = 0; r < rows; r++) {"
        count = f"rows * {item.size}" if whole else str(item.size)
        return [
            first,
            *(f"const float *restrict a{i} = {p.row()};" for i, p in enumerate(read)),
            *(f"float *restrict o{i} = {p.row()};" for i, (_, p) in enumerate(written)),
            *(f"ahead(a{i} + {p.ahead}, {item.size});" for i, p in enumerate(read) if p.ahead),
            f"EACH for (long i = 0; i < {count}; i++) {{",
            *body,
            "} }",
        ]

    # -- before and after the steps

    def matrix(self, weight: str) -> tuple[int, int]:
        rows, columns = self.plan.shapes[weight]
        return rows, columns

    def packing(self) -> str:
        """Weights in the layout of the products."""
        weights = self.plan.recurrence.weights
        return "\n".join(
            pack(
                f"in[{weights.index(weight)}]",
                f"packed + {offset}",
                self.matrix(weight),
                op == "matvec_adjoint",
                self.registers,
            )
            for (weight, op), offset in self.packed.items()
        )

    def reduction(self) -> str:
        """The gradients of the weights from those of the threads."""
        lines = []
        for i, name in enumerate(self.plan.recurrence.weights):
            *rows, last = self.plan.shapes[name]
            lines.append(
                f"    reduce(out[{i}], sums + {self.sums[name]}, {self.sums_size}, workers, "
                f"{math.prod(rows)}, {last}, {self.registers.padded(last)});"
            )
        return "\n".join(lines)


def _expression(node: Node, values: dict[str, str]) -> str:
    args = [values[name] for name in node.inputs]
    if node.op == "scale":
        return f"{args[0]} * {number(node.args[0])}"
    return EXPRESSIONS[node.op].format(*args)
