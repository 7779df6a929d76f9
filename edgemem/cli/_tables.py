"""Rows of text as a table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence


def aligned(rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> Iterator[str]:
    """Lines in which the columns of ``rows`` stand below each other.

    Parameters
    ----------
    rows : sequence of sequence of str
        All of one length.
    left : collection of int
        Columns of words; those of figures stand at the right.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        cells = [
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ]
        yield "  ".join(cells).rstrip()
