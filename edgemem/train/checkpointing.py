"""A long sequence in chunks, so that training holds the values of one chunk at a time.

The forward pass keeps the states between chunks; the backward pass goes from the last chunk to the
first and computes each one again from the states before it (Chen, Xu, Zhang & Guestrin 2016,
"Training deep nets with sublinear memory cost", sec. 4.1). It costs one more forward pass over all
chunks but the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from edgemem.frameworks import tf
from edgemem.ir.graph import Graph

Tensor = Any
Values = Mapping[str, Tensor]

Run = Callable[[Values, Tensor, Values], "tuple[Tensor, Values]"]
"""Weights, (batch, n_steps, n_in) inputs and states before them to outputs and states after them:
:func:`~edgemem.train.sequence.unroll` or :func:`~edgemem.train.sequence.unroll_last` of a graph.
"""

BUDGET = 1 << 30
"""Bytes that the values of a sequence may take in training, unless told otherwise."""

SHARE = 4
"""Into how many parts a sequence's chunks divide the budget: short chunks stay nearer the caches,
and what they cost is computed again whatever their length."""

COPIES = 4
"""Times that a value of a step is held at the peak of a backward pass: itself, its adjoint, and
what is laid out anew for products over all steps."""


def checkpointed(
    run: Run, weights: Values, x: Tensor, start: Values, chunk: int
) -> tuple[Tensor, Values]:
    """``run`` over a sequence, a chunk at a time; differentiable once.

    Parameters
    ----------
    run : callable
        Gives (batch, n_steps, n_out) outputs and the states after the last step. It may hold no
        variables of its own.
    weights : mapping of tensor
    x : (batch, n_steps, n_in) tensor
    start : mapping of (batch, ...) tensor
        States before the first step.
    chunk : int
        Steps of a chunk; the last one may be shorter.

    Returns
    -------
    y : (batch, n_steps, n_out) tensor
    states : mapping
        After the last step.
    """
    cut = _before_last(x.shape[1], chunk)
    if not cut:
        return run(weights, x, start)
    outputs, states = _chunks(run, weights, x[:, :cut], start, chunk)
    # (chunks, batch, chunk, n_out) to (batch, steps, n_out)
    ordered = tf.transpose(outputs, [1, 0, 2, 3])
    y = tf.reshape(ordered, [x.shape[0], cut, outputs.shape[-1]])
    last, states = run(weights, x[:, cut:], states)
    return tf.concat([y, last], axis=1), states


def checkpointed_last(
    run: Run, weights: Values, x: Tensor, start: Values, chunk: int
) -> tuple[Tensor, Values]:
    """``run`` over a sequence of which the last output is read, a chunk at a time.

    Parameters
    ----------
    run : callable
        Gives the (batch, n_out) output of the last step that it is given, and the states after it.
    weights, x, start, chunk
        As :func:`checkpointed` takes them.

    Returns
    -------
    y : (batch, n_out) tensor
    states : mapping
        After the last step.
    """
    cut = _before_last(x.shape[1], chunk)
    if cut:
        _, start = _chunks(run, weights, x[:, :cut], start, chunk)
    return run(weights, x[:, cut:], start)


def steps_within(
    graph: Graph,
    batch: int,
    n_steps: int,
    budget: int = BUDGET,
    needed: Collection[str] | None = None,
) -> int:
    """Steps of a chunk whose training fits into a budget of memory.

    A sequence that fits is left whole; any other is cut into about equal chunks of a share of the
    budget.

    Parameters
    ----------
    graph : Graph
        One step.
    batch : int
        Sequences in a batch.
    n_steps : int
        Length of the sequences.
    budget : int
        Bytes, of float32 values.
    needed : collection of str, optional
        Names whose values are held at every step, such as
        :func:`~edgemem.ir.passes.last_step.needed_at_every_step` gives where the last output is
        all that is read; without, all names.

    Returns
    -------
    int
        ``n_steps`` if no chunks are needed.
    """
    sizes = [
        math.prod(shape)
        for name, shape in graph.shapes().items()
        if name not in graph.params and (needed is None or name in needed)
    ]
    a_step = 4 * COPIES * batch * sum(sizes)
    if n_steps * a_step <= budget:
        return n_steps
    longest = max(1, budget // SHARE // a_step)
    return math.ceil(n_steps / math.ceil(n_steps / longest))


def _before_last(n_steps: int, chunk: int) -> int:
    """Steps of the chunks before the last, whose values the backward pass needs first: it keeps
    them."""
    return (n_steps - 1) // chunk * chunk


def _chunks(
    run: Run, weights: Values, x: Tensor, start: Values, chunk: int
) -> tuple[Tensor, Values]:
    """Outputs of equal chunks, (chunks, batch, ...), and the states after the last."""
    count = x.shape[1] // chunk

    def part(j: Tensor, x: Tensor) -> Tensor:
        return tf.slice(x, [0, j * chunk, 0], [x.shape[0], chunk, x.shape[2]])

    def forward(w: Values, x: Tensor, start: Values) -> tuple[Tensor, Values, Values]:
        def body(j: Tensor, states: Values, before: Any, outputs: Any) -> Any:
            before = {name: rows.write(j, states[name]) for name, rows in before.items()}
            y, states = run(w, part(j, x), states)
            return j + 1, dict(states), before, outputs.write(j, y)

        before = {
            n: tf.TensorArray(s.dtype, count, element_shape=s.shape) for n, s in start.items()
        }
        _, states, before, outputs = _loop(
            count, body, [dict(start), before, tf.TensorArray(x.dtype, count)]
        )
        return outputs.stack(), states, {name: rows.stack() for name, rows in before.items()}

    def backward(w: Values, x: Tensor, before: Values, upstream: Tensor, after: Values) -> Any:
        def body(k: Tensor, after: Values, dw: Values, dx: Any) -> Any:
            j = count - 1 - k
            sources = (w, part(j, x), {name: rows[j] for name, rows in before.items()})
            with tf.GradientTape() as tape:
                tape.watch(sources)
                y, states = run(*sources)
            w_bar, x_bar, s_bar = tape.gradient(
                (y, states), sources, (upstream[j], after), unconnected_gradients="zero"
            )
            dw = {name: total + w_bar[name] for name, total in dw.items()}
            return k + 1, s_bar, dw, dx.write(j, x_bar)

        none = {name: tf.zeros_like(weight) for name, weight in w.items()}
        dx = tf.TensorArray(x.dtype, count, element_shape=part(0, x).shape)
        _, first, dw, dx = _loop(count, body, [after, none, dx])
        # (chunks, batch, chunk, n_in) to (batch, steps, n_in)
        return dw, tf.reshape(tf.transpose(dx.stack(), [1, 0, 2, 3]), x.shape), first

    sources = (dict(weights), x, dict(start))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def through(*flat: Tensor) -> tuple[Any, Callable[..., Any]]:
        w, x, start = tf.nest.pack_sequence_as(sources, flat)
        y, states, before = forward(w, x, start)

        def gradient(y_bar: Tensor, *flat_bar: Tensor) -> Any:
            after = tf.nest.pack_sequence_as(start, flat_bar)
            return tf.nest.flatten(backward(w, x, before, y_bar, after))

        return (y, *tf.nest.flatten(states)), gradient

    y, *states = through(*tf.nest.flatten(sources))
    return y, tf.nest.pack_sequence_as(sources[2], states)


def _loop(count: int, body: Callable[..., Any], start: list[Any]) -> Any:
    # one after the other: no chunk waits for the values of another, so all would be held at once
    return tf.while_loop(
        lambda k, *_: k < count,
        body,
        [tf.constant(0), *start],
        parallel_iterations=1,
        maximum_iterations=count,
    )
