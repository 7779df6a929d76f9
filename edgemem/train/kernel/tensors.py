"""A compiled kernel as a differentiable function of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgemem.frameworks import tf
from edgemem.train.kernel.call import Kernel

Tensor = Any


def run(
    kernel: Kernel, weights: Sequence[Tensor], drives: Sequence[Tensor], start: Sequence[Tensor]
) -> list[Tensor]:
    """The states after every step, (batch, n_steps, ...) each; differentiable.

    Parameters
    ----------
    kernel : Kernel
    weights : sequence of tensor
    drives : sequence of (batch, n_steps, ...) tensor
    start : sequence of (batch, ...) tensor
        Each in the order of the recurrence; all float32.
    """
    batch, steps = drives[0].shape[:2]
    n_states = len(start)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def differentiable(*given: Tensor) -> tuple[Any, Callable[..., Any]]:
        made = tf.numpy_function(kernel.forward, given, [tf.float32] * (n_states + 1))
        for trajectory, first in zip(made, given[-n_states:]):
            trajectory.set_shape([batch, steps, *first.shape[1:]])

        def gradient(*upstream: Tensor) -> Any:
            bars = tf.numpy_function(
                kernel.backward, [*given, *made, *upstream], [tf.float32] * len(given)
            )
            for bar, tensor in zip(bars, given):
                bar.set_shape(tensor.shape)
            return bars

        return tuple(made[:n_states]), gradient

    return list(differentiable(*weights, *drives, *start))
