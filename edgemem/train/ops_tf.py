"""The ops over TensorFlow tensors: what training differentiates."""

from __future__ import annotations

from typing import Any

from edgemem.frameworks import tf

Tensor = Any  # tf.Tensor carries no usable type


class TensorOps:
    """See :class:`edgemem.ops.Ops`; leading axes are batch and time."""

    def matvec(self, weight: Tensor, x: Tensor) -> Tensor:
        if len(x.shape) == 2:
            return tf.matmul(x, weight, transpose_b=True)
        flat = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), weight, transpose_b=True)
        return tf.reshape(flat, [*_leading(x, 1), weight.shape[0]])

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def scale(self, a: Tensor, factor: float) -> Tensor:
        return a * tf.constant(factor, a.dtype)

    def sigmoid(self, a: Tensor) -> Tensor:
        return tf.sigmoid(a)

    def tanh(self, a: Tensor) -> Tensor:
        return tf.tanh(a)

    def relu(self, a: Tensor) -> Tensor:
        return tf.nn.relu(a)

    def split(self, a: Tensor, rows: int) -> Tensor:
        return tf.reshape(a, [*_leading(a, 1), int(rows), a.shape[-1] // int(rows)])

    def merge(self, a: Tensor) -> Tensor:
        return tf.reshape(a, [*_leading(a, 2), a.shape[-2] * a.shape[-1]])

    def slice(self, a: Tensor, start: int, stop: int) -> Tensor:
        return a[..., int(start) : int(stop)]

    def quantize(
        self, a: Tensor, scale: float, zero_point: float, lowest: float, highest: float
    ) -> Tensor:
        return round_through(a, scale, zero_point, lowest, highest)

    def label(self, a: Tensor, name: str) -> Tensor:
        return a


class TensorAdjointOps(TensorOps):
    """See :class:`edgemem.ir.passes.adjoint.AdjointOps`."""

    def matvec_adjoint(self, weight: Tensor, bar: Tensor) -> Tensor:
        return self.matvec(tf.transpose(weight), bar)

    def sigmoid_adjoint(self, bar: Tensor, y: Tensor) -> Tensor:
        return bar * y * (1.0 - y)

    def tanh_adjoint(self, bar: Tensor, y: Tensor) -> Tensor:
        return bar * (1.0 - y * y)

    def relu_adjoint(self, bar: Tensor, y: Tensor) -> Tensor:
        return tf.where(y > 0, bar, tf.zeros_like(bar))

    def quantize_adjoint(
        self,
        bar: Tensor,
        a: Tensor,
        scale: float,
        zero_point: float,
        lowest: float,
        highest: float,
    ) -> Tensor:
        return passed(bar, a, scale, zero_point, lowest, highest)

    def pad(self, bar: Tensor, start: int, size: int) -> Tensor:
        before, after = int(start), int(size) - int(start) - bar.shape[-1]
        return tf.pad(bar, [[0, 0]] * (len(bar.shape) - 1) + [[before, after]])


def round_through(
    a: Tensor, scale: float, zero_point: float, lowest: float, highest: float
) -> Tensor:
    """The nearest of the reals that a format holds, with the gradient of mere clipping.

    The straight-through estimator (Bengio, Leonard & Courville 2013, sec. 4) within the range;
    beyond it the gradient is 0, as the value no longer moves.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def rounded(x: Tensor) -> tuple[Tensor, Any]:
        step = tf.constant(scale, x.dtype)
        zero = tf.constant(zero_point, x.dtype)
        levels = tf.clip_by_value(tf.round(x / step) + zero, lowest, highest)
        return (levels - zero) * step, lambda bar: passed(
            bar, x, scale, zero_point, lowest, highest
        )

    return rounded(a)


def passed(
    bar: Tensor, a: Tensor, scale: float, zero_point: float, lowest: float, highest: float
) -> Tensor:
    """``bar`` where ``a`` lies within a format's range, 0 elsewhere."""
    low, high = scale * (lowest - zero_point), scale * (highest - zero_point)
    inside = tf.logical_and(a >= tf.constant(low, a.dtype), a <= tf.constant(high, a.dtype))
    return tf.where(inside, bar, tf.zeros_like(bar))


def _leading(a: Tensor, trailing: int) -> list[Any]:
    """The axes before the last ``trailing`` ones, static where they are known."""
    static = a.shape.as_list()[: len(a.shape) - trailing]
    if all(size is not None for size in static):
        return list(static)
    dynamic = tf.shape(a)
    return [size if size is not None else dynamic[i] for i, size in enumerate(static)]


CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3)
"""Where a row of three levels may be clipped, in shares of its largest weight."""


def round_rows(weight: Tensor, bits: int) -> Tensor:
    """A matrix on the grid of :func:`edgemem.quantize.per_row`, with the gradient passed through.

    With 8 and 4 bits each row's largest weight lies on the outermost level. With 2, most of a row
    would be zero that way: it is clipped where its squared error is least. Its largest weight
    still comes to lie on the outermost level, so that ``per_row`` of the result finds the same
    grid again. The gradient reaches clipped weights too: their row's grid follows them.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def rounded(w: Tensor) -> tuple[Tensor, Any]:
        return _nearest(w, bits), lambda bar: bar

    return rounded(weight)


def _nearest(w: Tensor, bits: int) -> Tensor:
    highest = float((1 << (bits - 1)) - 1)
    peak = tf.reduce_max(tf.abs(w), axis=1)
    shares = tf.constant(CLIPS if bits == 2 else (1.0,), w.dtype)
    # (candidates, rows, 1)
    scales = tf.maximum(shares[:, None] * peak / highest, 2.0**-40)[:, :, None]
    held = tf.clip_by_value(tf.round(w / scales), -highest, highest) * scales
    best = tf.argmin(tf.reduce_sum((held - w) ** 2, axis=2), axis=0)
    return tf.gather(tf.transpose(held, [1, 0, 2]), best, axis=1, batch_dims=1)
