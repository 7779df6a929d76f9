"""A memory in large products against stepping."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.cells.lmu import legendre_delay
from edgemem.frameworks import tf
from edgemem.train import memory

pytestmark = pytest.mark.training


def stepped(A, write, u, m):
    """``m_t = A m_{t-1} + write @ u_t``, one step after the other."""
    steps = []
    for t in range(u.shape[1]):
        m = m @ A.T + u[:, t] @ write.T
        steps.append(m)
    return np.stack(steps, axis=1)


def drawn(seed, n_steps, order, channels, width, batch=2):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(order, order)) / np.sqrt(order)
    write = rng.normal(size=(order, width))
    u = rng.normal(size=(batch, n_steps, channels, width))
    return A, write, u, rng.normal(size=(batch, channels, order))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_steps=st.integers(1, 23),
    order=st.integers(1, 5),
    channels=st.integers(1, 3),
    width=st.integers(1, 3),
    chunk=st.integers(1, 23),
)
def test_chunks_of_any_length_are_the_recurrence(seed, n_steps, order, channels, width, chunk):
    A, write, u, m0 = drawn(seed, n_steps, order, channels, width)
    with mock.patch.object(memory, "chunk_length", return_value=min(chunk, n_steps)):
        ours = memory.scan_memory(A, write, tf.constant(u), tf.constant(m0)).numpy()
    expected = stepped(A, write, u, m0)
    np.testing.assert_allclose(ours, expected, atol=1e-11 * max(1.0, np.abs(expected).max()))


def test_a_legendre_memory_over_a_long_sequence():
    A, B = legendre_delay(12, 24.0)
    _, _, u, m0 = drawn(0, 98, 12, 2, 1)
    ours = memory.scan_memory(A, B, tf.constant(u), tf.constant(m0)).numpy()
    np.testing.assert_allclose(ours, stepped(A, B, u, m0), atol=1e-11)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_steps=st.integers(1, 23),
    order=st.integers(1, 5),
    channels=st.integers(1, 3),
    width=st.integers(1, 3),
    largest=st.integers(1, 400),
)
def test_the_last_state_is_that_of_the_recurrence(seed, n_steps, order, channels, width, largest):
    A, write, u, m0 = drawn(seed, n_steps, order, channels, width)
    with mock.patch.object(memory, "LARGEST", largest):  # a small one cuts the impulse response
        ours = memory.last_memory(A, write, tf.constant(u), tf.constant(m0)).numpy()
    expected = stepped(A, write, u, m0)[:, -1]
    np.testing.assert_allclose(ours, expected, atol=1e-11 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("n_steps", [10_000, 3_001])
def test_ten_thousand_steps_are_exact_and_make_a_small_graph(n_steps):
    order, batch = 16, 2
    A, B = legendre_delay(order, 1000.0)
    rng = np.random.default_rng(0)
    u, m0 = rng.normal(size=(batch, n_steps, 1, 1)), rng.normal(size=(batch, 1, order))
    run = tf.function(lambda u, m0: memory.scan_memory(A, B, u, m0))
    single = [tf.constant(a, tf.float32) for a in (u, m0)]
    operations = run.get_concrete_function(*single).graph.get_operations()
    assert len(operations) < 400
    sizes = [op.outputs[0].shape.num_elements() for op in operations if op.type == "Const"]
    assert sum(sizes) < memory.LARGEST
    expected = stepped(A, B, u, m0)
    bound = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(run(*single), expected, rtol=0, atol=bound)
    last = memory.last_memory(A, B, *single)
    np.testing.assert_allclose(last, expected[:, -1], rtol=0, atol=bound)


@pytest.mark.parametrize("form", [memory.scan_memory, memory.last_memory])
def test_gradients_are_the_numeric_ones(form):
    A, write, u, m0 = drawn(1, 7, 3, 2, 2)
    weight = np.random.default_rng(2).normal(size=form(A, write, u, m0).shape)
    with mock.patch.multiple(memory, chunk_length=mock.Mock(return_value=3), LARGEST=12):
        theory, numeric = tf.test.compute_gradient(
            lambda u, m: tf.reduce_sum(weight * form(A, write, u, m)),
            [tf.constant(u), tf.constant(m0)],
        )
    for ours, expected in zip(theory, numeric):
        np.testing.assert_allclose(ours, expected, atol=1e-8)


@given(n_steps=st.integers(1, 2000), order=st.integers(1, 512), width=st.integers(1, 64))
def test_a_chunk_lies_within_the_sequence_and_its_matrix_within_bounds(n_steps, order, width):
    n = memory.chunk_length(n_steps, order, width)
    assert 1 <= n <= n_steps
    assert n == 1 or (n * width + order) * n * order <= memory.LARGEST


def test_long_sequences_are_cut_and_short_ones_are_not():
    assert memory.chunk_length(1, 8, 1) == 1
    assert memory.chunk_length(3, 8, 1) == 3
    # a product of whole length would cost the square of it
    assert 4 < memory.chunk_length(1000, 8, 1) < 100
    # dearer writing makes for shorter chunks
    assert memory.chunk_length(100, 8, 8) < memory.chunk_length(100, 8, 1)


def test_powers():
    A = np.array([[1.0, 1.0], [0.0, 1.0]])
    np.testing.assert_array_equal(
        memory.powers(A, 3), [np.eye(2), A, [[1.0, 2.0], [0.0, 1.0]], [[1.0, 3.0], [0.0, 1.0]]]
    )
