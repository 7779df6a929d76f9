"""Weights of fewer than 8 bits, several to a byte."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKED = (2, 4)
"""Widths that share a byte."""


def pack(weight: NDArray[Any], bits: int) -> NDArray[np.int8]:
    """The bytes of a matrix, each row from a byte of its own.

    A row of n columns is cut into ``8 / bits`` parts of ``stride`` columns, the last padded. Byte k
    holds one column of each part, ``k, k + stride, ...``, the first in its lowest bits, so that
    neighbours in a part are neighbours in memory. Each weight is kept plus ``2^(bits - 1)``, which
    needs no sign.

    Parameters
    ----------
    weight : (rows, n) int8 array
        In ``[-2^(bits - 1), 2^(bits - 1))``.
    bits : int
        2 or 4.

    Returns
    -------
    (rows, stride) int8 array
    """
    parts = 8 // bits
    rows, columns = weight.shape
    stride = -(-columns // parts)
    fields = np.zeros((rows, parts * stride), np.uint8)
    fields[:, :columns] = weight.astype(np.int16) + (1 << (bits - 1))
    fields = fields.reshape(rows, parts, stride)
    packed = np.zeros((rows, stride), np.uint8)
    for part in range(parts):
        packed |= fields[:, part] << np.uint8(part * bits)
    return packed.view(np.int8)


def unpack(packed: NDArray[np.int8], bits: int, columns: int) -> NDArray[np.int8]:
    """The matrix that :func:`pack` packed: (rows, columns)."""
    parts = 8 // bits
    bytes_ = packed.view(np.uint8)
    fields = [(bytes_ >> np.uint8(part * bits)) & ((1 << bits) - 1) for part in range(parts)]
    whole = np.concatenate(fields, axis=1)[:, :columns]
    return np.asarray(whole.astype(np.int16) - (1 << (bits - 1)), np.int8)
