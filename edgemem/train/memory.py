"""A linear time-invariant memory over a whole sequence, as products of large matrices.

``m_t = A m_{t-1} + v_t`` unrolls to ``m_t = A^t m_0 + sum_s A^(t-s) v_s``. The sequence is cut
into chunks of ``n`` steps: inside a chunk the sum is one product with a block-triangular matrix,
and only the chunks' last states go from chunk to chunk (Chilkuri & Eliasmith 2021, eq. 24, in
chunks).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from edgemem.ops import Array

Tensor = Any


def chunk_length(n_steps: int, order: int, width: int) -> int:
    """The chunk whose multiply-accumulates are fewest.

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
        # inside the chunks, into the chunks, and a fixed price for each step from chunk to chunk
        return chunks * (n * width * n * order + order * n * order + 20.0 * order * order)

    return min(range(1, n_steps + 1), key=cost)


def powers(A: Array, n: int) -> Array:
    """``A^0 ... A^n``, shape (n + 1, order, order)."""
    result = np.empty((n + 1, *A.shape))
    result[0] = np.eye(len(A))
    for k in range(1, n + 1):
        result[k] = A @ result[k - 1]
    return result


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
    power = powers(A, n)
    dtype = u.dtype

    # inside a chunk: kernel[s, t] = (A^(t-s) write)^T for s <= t
    kernel = np.zeros((n, width, n, order))
    for s in range(n):
        kernel[s, :, s:] = np.einsum("kij,jw->wki", power[: n - s], write)
    u = tf.pad(u, [[0, 0], [0, chunks * n - n_steps], [0, 0], [0, 0]])
    u = tf.transpose(tf.reshape(u, [batch, chunks, n, channels, width]), [1, 0, 3, 2, 4])
    local = tf.matmul(
        tf.reshape(u, [chunks * batch * channels, n * width]),
        tf.constant(kernel.reshape(n * width, n * order), dtype),
    )
    local = tf.reshape(local, [chunks, batch * channels, n * order])

    # from chunk to chunk: start_{k+1} = A^n start_k + the last local state of chunk k
    last = local[:, :, (n - 1) * order :]
    step = tf.constant(power[n].T, dtype)
    starts = [tf.reshape(m0, [batch * channels, order])]
    for k in range(chunks - 1):
        starts.append(tf.matmul(starts[-1], step) + last[k])

    # into a chunk: A^(t+1) start
    carry = np.transpose(power[1:], (2, 0, 1)).reshape(order, n * order)
    carried = tf.matmul(
        tf.reshape(tf.stack(starts), [chunks * batch * channels, order]),
        tf.constant(carry, dtype),
    )
    m = tf.reshape(local, [chunks, batch, channels, n, order]) + tf.reshape(
        carried, [chunks, batch, channels, n, order]
    )
    m = tf.reshape(tf.transpose(m, [1, 0, 3, 2, 4]), [batch, chunks * n, channels, order])
    return m[:, :n_steps]


def impulse_response(A: Array, write: Array, n: int) -> Array:
    """``A^0 write ... A^(n-1) write``, shape (n, order, width)."""
    result = np.empty((n, *write.shape))
    result[0] = write
    for k in range(1, n):
        result[k] = A @ result[k - 1]
    return result


def last_memory(A: Array, write: Array, u: Tensor, m0: Tensor) -> Tensor:
    """``m_t = A m_{t-1} + write @ u_t`` after the last step of a sequence.

    One product with the impulse response (Chilkuri & Eliasmith 2021, eq. 25), which is formed once
    in float64.

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
    # m_T = A^T m_0 + sum_k A^(T-1-k) write u_k   (eq. 25)
    response = impulse_response(A, write, n_steps)[::-1]
    response = response.transpose(0, 2, 1).reshape(n_steps * width, order)
    u = tf.reshape(tf.transpose(u, [0, 2, 1, 3]), [batch * channels, n_steps * width])
    m0 = tf.reshape(m0, [batch * channels, order])
    started = np.linalg.matrix_power(A, n_steps).T
    m = tf.matmul(u, tf.constant(response, u.dtype))
    m += tf.matmul(m0, tf.constant(started, u.dtype))
    return tf.reshape(m, [batch, channels, order])
