"""C text of matrix products, blocked for the registers.

Sizes are constants of the text. A block of a few rows and a few vectors of columns is summed up in
registers; columns that do not fill the last vector are padded with zeros in the packed weights and
dropped where the result is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Registers:
    """What a processor's vector registers hold.

    Parameters
    ----------
    lanes : int
        Floats in a vector.
    rows, vectors : int
        Largest block: ``rows * vectors`` sums stay in registers beside ``vectors`` of weights.
    """

    lanes: int
    rows: int
    vectors: int

    def padded(self, n: int) -> int:
        """``n`` rounded up to whole vectors."""
        return math.ceil(n / self.lanes) * self.lanes

    def panels(self, n: int) -> Iterator[tuple[int, int]]:
        """First vector and number of vectors of each panel of ``n`` columns."""
        total = math.ceil(n / self.lanes)
        count = math.ceil(total / self.vectors)
        bounds = [total * i // count for i in range(count + 1)]
        for first, stop in zip(bounds, bounds[1:]):
            yield first, stop - first

    def blocks(self) -> Iterator[int]:
        """Heights of blocks, the tallest first."""
        rows = self.rows
        while rows:
            yield rows
            rows //= 2


HEAD = """
typedef float v __attribute__((vector_size({bytes}), may_alias));
typedef float u __attribute__((vector_size({bytes}), aligned(4), may_alias));
"""


def head(registers: Registers) -> str:
    """The vector types."""
    return HEAD.format(bytes=4 * registers.lanes)


def product(name: str, ks: Sequence[int], n: int, registers: Registers) -> str:
    """A C function: ``y[r] = sum of x[r] @ W``, for rows of ``ks`` and ``n`` numbers.

    Parameters
    ----------
    name : str
    ks : sequence of int
        Row lengths of the ``x`` of each term.
    n : int
        Row length of ``y``.
    registers : Registers
    """
    terms = range(len(ks))
    given = ", ".join(f"const float *restrict x{t}, const float *restrict p{t}" for t in terms)
    lines = [f"static void {name}(long rows, {given}, float *restrict y) {{"]
    for first, vectors in registers.panels(n):
        width = vectors * registers.lanes
        lines.append("  { long r = 0;")
        for rows in registers.blocks():
            sums = _sums(rows, vectors)
            lines.append(f"    for (; r + {rows} <= rows; r += {rows}) {{")
            lines += [f"      v {s} = {{0}};" for row in sums for s in row]
            for t, k in enumerate(ks):
                lines += [
                    f"      {{ const float *a = x{t} + r * {k};",
                    f"      const float *q = p{t} + {first * registers.lanes * k};",
                    f"      for (long i = 0; i < {k}; i++) {{",
                ]
                lines += [
                    f"        v w{j} = *(const v *)(q + i * {width} + {j * registers.lanes});"
                    for j in range(vectors)
                ]
                lines += [
                    f"        {s} += w{j} * a[{i * k} + i];"
                    for i, row in enumerate(sums)
                    for j, s in enumerate(row)
                ]
                lines.append("      } }")
            lines += [
                _store(f"y + (r + {i}) * {n}", (first + j) * registers.lanes, n, s, registers)
                for i, row in enumerate(sums)
                for j, s in enumerate(row)
            ]
            lines.append("    }")
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def outer(name: str, n: int, m: int, registers: Registers) -> str:
    """A C function: ``g += b^T x`` over rows of ``n`` and ``m`` numbers, rows of ``g`` padded."""
    stride = registers.padded(m)
    lines = [
        f"static void {name}(long rows, const float *restrict b,",
        "                 const float *restrict x, float *restrict g) {",
    ]
    for first, vectors in registers.panels(m):
        lines.append("  { long i = 0;")
        for rows in registers.blocks():
            sums = _sums(rows, vectors)
            places = [
                (f"g + (i + {i}) * {stride} + {(first + j) * registers.lanes}", s)
                for i, row in enumerate(sums)
                for j, s in enumerate(row)
            ]
            lines.append(f"    for (; i + {rows} <= {n}; i += {rows}) {{")
            lines += [f"      v {s} = *(const v *)({place});" for place, s in places]
            lines.append("      for (long r = 0; r < rows; r++) {")
            lines.append(f"        const float *a = b + r * {n} + i;")
            lines += [
                f"        v w{j} = *(const u *)(x + r * {m} + {(first + j) * registers.lanes});"
                for j in range(vectors)
            ]
            lines += [
                f"        {s} += w{j} * a[{i}];"
                for i, row in enumerate(sums)
                for j, s in enumerate(row)
            ]
            lines.append("      }")
            lines += [f"      *(v *)({place}) = {s};" for place, s in places]
            lines.append("    }")
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def pack(source: str, into: str, shape: tuple[int, int], transposed: bool, r: Registers) -> str:
    """C statements that pack a matrix for :func:`product`.

    Parameters
    ----------
    source, into : str
        Pointers.
    shape : tuple of int
        Rows and columns of the matrix.
    transposed : bool
        Whether the product is with the transposed matrix: results are then its columns.
    r : Registers
    """
    rows, columns = shape
    k, n = (rows, columns) if transposed else (columns, rows)
    element = f"{source}[i * {columns} + j]" if transposed else f"{source}[j * {columns} + i]"
    lines = []
    for first, vectors in r.panels(n):
        start, width = first * r.lanes, vectors * r.lanes
        stop = min(n, start + width)
        lines += [
            f"  for (long i = 0; i < {k}; i++) {{",
            f"    for (long j = {start}; j < {stop}; j++)",
            f"      ({into})[{start * k} + i * {width} + j - {start}] = {element};",
            f"    for (long j = {stop}; j < {start + width}; j++)",
            f"      ({into})[{start * k} + i * {width} + j - {start}] = 0.0f;",
            "  }",
        ]
    return "\n".join(lines)


def _sums(rows: int, vectors: int) -> list[list[str]]:
    return [[f"s{i}_{j}" for j in range(vectors)] for i in range(rows)]


def _store(row: str, column: int, n: int, value: str, registers: Registers) -> str:
    place = f"{row} + {column}"
    if column + registers.lanes <= n:
        return f"      *(u *)({place}) = {value};"
    return f"      __builtin_memcpy({place}, &{value}, {4 * (n - column)});"
