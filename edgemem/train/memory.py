"""A linear time-invariant memory over a whole sequence, as products of large matrices.

``m_t = A m_{t-1} + v_t`` unrolls to ``m_t = A^t m_0 + sum_s A^(t-s) v_s``. The sequence is cut
into chunks of ``n`` steps: only the states between chunks go from chunk to chunk, and every step of
a chunk is one product of its inputs and the state before it with a block-triangular matrix
(Chilkuri & Eliasmith 2021, eq. 24, in chunks). All powers are formed once, in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgemem.frameworks import tf
from edgemem.ops import Array

Tensor = Any

LARGEST = 1 << 23
"""Numbers in the matrix of a chunk, at most: 32 MiB in float32."""

SHALLOW = 64
"""Depth up to which a product takes as long as writing down its result (measured)."""

HANDED_ON = 20
"""Price of a step from chunk to chunk, a small product that nothing else goes beside, in products
of its size within a large one (measured)."""

LOOP = 32
"""Steps that are written out one after the other; more are done in two levels."""


def chunk_length(n_steps: int, order: int, width: int) -> int:
    """The chunk that costs least.

    Parameters
    ----------
    n_steps : int
        Length of the sequence.
    order : int
        Size of the state.
    width : int
        Size of the drive of one step before its write vector is applied.
    """

    def cost(n: int) -> float:
        chunks = math.ceil(n_steps / n)
        depth = max(n * width + order, SHALLOW)
        # a sequence that no whole number of chunks fills is copied once more
        copied = SHALLOW if chunks * n > n_steps else 0
        return chunks * (n * order * (depth + copied) + HANDED_ON * order * order)

    fits = [n for n in range(1, n_steps + 1) if (n * width + order) * n * order <= LARGEST]
    return min(fits or [1], key=cost)


def impulse_response(A: Array, write: Array, n: int) -> Array:
    """``A^0 write ... A^(n-1) write``, shape (n, order, width)."""
    result = np.empty((n, *write.shape))
    result[0] = write
    for k in range(1, n):
        result[k] = A @ result[k - 1]
    return result


def powers(A: Array, n: int) -> Array:
    """``A^0 ... A^n``, shape (n + 1, order, order)."""
    return impulse_response(A, np.eye(len(A)), n + 1)


def scan_memory(A: Array, write: Array, u: Tensor, m0: Tensor) -> Tensor:
    """``m_t = A m_{t-1} + write @ u_t`` for every step of a sequence.

    Parameters
    ----------
    A : (order, order) array
    write : (order, width) array
    u : (batch, n_steps, channels, width) tensor
    m0 : (batch, channels, order) tensor

    Returns
    -------
    (batch, n_steps, channels, order) tensor
    """
    batch, n_steps, channels, width = u.shape
    order = len(A)
    n = chunk_length(n_steps, order, width)
    chunks = math.ceil(n_steps / n)
    response = impulse_response(A, write, n)
    u = _in_chunks(tf.pad(u, [[0, 0], [0, chunks * n - n_steps], [0, 0], [0, 0]]), n)
    rows = [batch * channels, chunks, n * width]
    ends = tf.reshape(_read(u, response), [batch * channels, chunks, order])
    m0 = tf.reshape(m0, [batch * channels, order])
    starts = _states(np.linalg.matrix_power(A, n), ends, m0)[:, :-1]

    # m_t = A^(t+1) m_start + sum_s A^(t-s) write u_s   (eq. 24, t and s within the chunk)
    kernel = np.zeros((order + n * width, n, order))
    kernel[:order] = np.transpose(powers(A, n)[1:], (2, 0, 1))
    for s in range(n):
        rows_of_s = slice(order + s * width, order + (s + 1) * width)
        kernel[rows_of_s, s:] = np.transpose(response[: n - s], (2, 0, 1))
    joint = tf.concat([starts, tf.reshape(u, rows)], axis=2)
    m = tf.matmul(
        tf.reshape(joint, [-1, len(kernel)]),
        tf.constant(kernel.reshape(len(kernel), n * order), u.dtype),
    )
    m = tf.transpose(tf.reshape(m, [batch, channels, chunks * n, order]), [0, 2, 1, 3])
    return m[:, :n_steps]


def last_memory(A: Array, write: Array, u: Tensor, m0: Tensor) -> Tensor:
    """``m_t = A m_{t-1} + write @ u_t`` after the last step of a sequence.

    One product with the impulse response (Chilkuri & Eliasmith 2021, eq. 25), unless it would be
    very large: then one for each chunk, and the states go from chunk to chunk.

    Parameters
    ----------
    A, write, u, m0
        As :func:`scan_memory` takes them.

    Returns
    -------
    (batch, channels, order) tensor
    """
    batch, n_steps, channels, width = u.shape
    order = len(A)
    n = min(n_steps, max(1, LARGEST // (order * width)))
    cut = (n_steps - 1) // n * n
    m = tf.reshape(m0, [batch * channels, order])
    if cut:
        ends = _read(_in_chunks(u[:, :cut], n), impulse_response(A, write, n))
        ends = tf.reshape(ends, [batch * channels, cut // n, order])
        m = _states(np.linalg.matrix_power(A, n), ends, m)[:, -1]
    # m_T = A^T m_0 + sum_k A^(T-1-k) write u_k   (eq. 25)
    left = n_steps - cut
    m = tf.matmul(m, tf.constant(np.linalg.matrix_power(A, left).T, u.dtype))
    m += _read(_in_chunks(u[:, cut:], left), impulse_response(A, write, left))
    return tf.reshape(m, [batch, channels, order])


def _in_chunks(u: Tensor, n: int) -> Tensor:
    """(batch, chunks * n, channels, width) as (batch * channels * chunks, n * width)."""
    batch, n_steps, channels, width = u.shape
    if channels > 1:
        u = tf.transpose(u, [0, 2, 1, 3])
    return tf.reshape(u, [batch * channels * (n_steps // n), n * width])


def _read(u: Tensor, response: Array) -> Tensor:
    """What chunks (rows, n * width) leave behind in a memory that starts empty: (rows, order)."""
    # sum_k A^(n-1-k) write u_k
    backwards = response[::-1].transpose(0, 2, 1).reshape(-1, response.shape[1])
    return tf.matmul(u, tf.constant(backwards, u.dtype))


def _states(A: Array, v: Tensor, m0: Tensor) -> Tensor:
    """``m_k = A m_{k-1} + v_k``, the first and the last too: (rows, count + 1, order).

    Long ones in two levels: within groups from an empty memory, from group to group, and what the
    state before a group adds to each of its steps. Otherwise a graph would grow with the sequence.
    """
    rows, count, order = v.shape
    if count <= LOOP:
        step = tf.constant(A.T, v.dtype)
        reached = [m0]
        for k in range(count):
            reached.append(tf.matmul(reached[-1], step) + v[:, k])
        return tf.stack(reached, axis=1)
    size = math.ceil(math.sqrt(count))
    groups = math.ceil(count / size)
    v = tf.pad(v, [[0, 0], [0, groups * size - count], [0, 0]])
    empty = tf.zeros([rows * groups, order], v.dtype)
    within = _states(A, tf.reshape(v, [rows * groups, size, order]), empty)
    power = powers(A, size)
    ends = tf.reshape(within[:, -1], [rows, groups, order])
    starts = _states(power[size], ends, m0)
    carry = np.transpose(power[:size], (2, 0, 1)).reshape(order, size * order)
    added = tf.matmul(
        tf.reshape(starts[:, :-1], [rows * groups, order]), tf.constant(carry, v.dtype)
    )
    m = within[:, :-1] + tf.reshape(added, [rows * groups, size, order])
    m = tf.concat([tf.reshape(m, [rows, groups * size, order]), starts[:, -1:]], axis=1)
    return m[:, : count + 1]
