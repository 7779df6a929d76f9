"""Rounding over tensors: the numbers of the formats, and the gradient of mere clipping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.frameworks import tf
from edgemem.ops import FloatOps
from edgemem.quantize import Format, affine, per_row, symmetric
from edgemem.train.ops_tf import TensorOps, round_rows

pytestmark = pytest.mark.training

FORMATS = {
    "affine": affine(-0.7, 2.9),
    "positive": affine(0.0, 6.1),
    "symmetric": symmetric(1.3, 8),
    "shift": symmetric(0.9, 8, power_of_two=True),
    "16 bits": symmetric(3.0, 16),
    "4 bits": symmetric(1.0, 4),
}


def args_of(form: Format) -> tuple[float, float, float, float]:
    return float(form.scale), float(form.zero_point), float(form.lowest), float(form.highest)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("ops", [FloatOps(), TensorOps()], ids=["floats", "tensors"])
@given(seed=st.integers(0, 2**31), reach=st.floats(0.1, 4.0))
@settings(max_examples=20)
def test_values_are_those_of_the_format(form: Format, ops, seed: int, reach: float) -> None:
    x = np.random.default_rng(seed).normal(0.0, reach, 200)
    # halves lie between two steps: they go to the even one
    x[:20] = (np.arange(20) - 9.5) * float(form.scale)
    value = x if isinstance(ops, FloatOps) else tf.constant(x)
    found = np.asarray(ops.quantize(value, *args_of(form)))
    np.testing.assert_array_equal(found, form.dequantize(form.quantize(x)))


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_the_gradient_is_that_of_clipping(form: Format) -> None:
    scale, zero, lowest, highest = args_of(form)
    low, high = scale * (lowest - zero), scale * (highest - zero)
    rng = np.random.default_rng(0)
    x = rng.uniform(low - 0.5 * (high - low), high + 0.5 * (high - low), 300)
    seen = rng.normal(size=300)

    def clipped(x: np.ndarray) -> float:
        return float(np.sum(np.clip(x, low, high) * seen))

    e = 1e-6 * np.eye(300)
    expected = [(clipped(x + d) - clipped(x - d)) / 2e-6 for d in e]
    source = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(source)
        y = tf.reduce_sum(TensorOps().quantize(source, *args_of(form)) * seen)
    gradient = tape.gradient(y, source).numpy()
    inside = (x > low + 1e-3 * scale) & (x < high - 1e-3 * scale)
    outside = (x < low - 1e-3 * scale) | (x > high + 1e-3 * scale)
    assert inside.any() and outside.any()
    np.testing.assert_allclose(
        gradient[inside | outside], np.array(expected)[inside | outside], atol=1e-6
    )


def drawn(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(12, 40)) * rng.uniform(0.01, 30.0, (12, 1))
    weight[3, 5] *= 10.0
    weight[7] = 0.0
    return weight.astype(np.float32)


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("compiled", [False, True])
def test_rounded_rows_lie_on_the_grid_that_is_found_in_them(bits: int, compiled: bool) -> None:
    weight = drawn()
    run = tf.function(round_rows, jit_compile=True) if compiled else round_rows
    held = run(tf.constant(weight), bits).numpy().astype(np.float64)
    form = per_row(held, bits)
    integers = form.quantize(held)
    np.testing.assert_allclose(form.dequantize(integers), held, rtol=1e-6)
    # the outermost level is reached in every row that is not zero
    outermost = np.abs(integers).max(axis=1)
    assert (np.delete(outermost, 7) == form.highest).all()
    assert outermost[7] == 0


@pytest.mark.parametrize("bits", [8, 4])
def test_many_levels_are_the_rows_of_the_conversion(bits: int) -> None:
    weight = drawn()
    form = per_row(weight, bits)
    held = round_rows(tf.constant(weight), bits).numpy()
    np.testing.assert_allclose(held, form.dequantize(form.quantize(weight)), rtol=1e-6)


def test_three_levels_are_laid_where_they_serve_best() -> None:
    weight = drawn()
    form = per_row(weight, 2)

    def error(held: np.ndarray) -> np.ndarray:
        return np.square(held - weight).sum(axis=1)

    ours = error(round_rows(tf.constant(weight), 2).numpy())
    full = error(form.dequantize(form.quantize(weight)))
    assert (ours <= full * (1 + 1e-5)).all()
    # the row of one outlier keeps the outlier, or all the rest
    assert ours.sum() < 0.6 * full.sum()
    # within the searched clips there is no better one
    highest = float(form.highest)
    for share in np.linspace(0.3, 1.0, 141):
        scale = share * np.abs(weight).max(axis=1, keepdims=True) / highest + 1e-30
        other = error(np.clip(np.rint(weight / scale), -highest, highest) * scale)
        assert (ours <= 1.1 * other + 1e-9).all()


def test_the_gradient_reaches_every_weight() -> None:
    weight = tf.constant(drawn())
    seen = np.random.default_rng(1).normal(size=weight.shape).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(weight)
        y = tf.reduce_sum(round_rows(weight, 2) * seen)
    np.testing.assert_array_equal(tape.gradient(y, weight).numpy(), seen)
