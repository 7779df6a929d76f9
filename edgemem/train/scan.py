"""A recurrence over a whole sequence, with its adjoint.

Where there is a C compiler and no GPU, a kernel generated from the recurrence computes it
(:mod:`edgemem.train.kernel`). Else two loops that TensorFlow compiles do: the forward loop keeps
the states alone; the backward pass recomputes every intermediate value for all steps at once,
runs the adjoint (:mod:`edgemem.ir.passes.adjoint`) in a loop, and forms each weight's gradient as
one product over all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgemem.frameworks import tf
from edgemem.ir.graph import Node, Shape, apply
from edgemem.ir.passes.adjoint import Recurrence, Share, adjoint
from edgemem.train.kernel import Kernel, kernel_of
from edgemem.train.kernel.tensors import run
from edgemem.train.ops_tf import TensorAdjointOps, TensorOps

Tensor = Any
Values = dict[str, Any]


def stack_products(
    nodes: Sequence[Node], weights: Mapping[str, Tensor]
) -> tuple[tuple[Node, ...], Values]:
    """Products with the same input as one product with stacked weights, and slices of it."""
    groups: dict[str, list[Node]] = {}
    for node in nodes:
        if node.op == "matvec" and node.inputs[0] in weights:
            groups.setdefault(node.inputs[1], []).append(node)
    shared = {v: g for v, g in groups.items() if len(g) > 1 and len(g[0].shape) == 1}
    stacked: Values = dict(weights)
    result: list[Node] = []
    for node in nodes:
        group = shared.get(node.inputs[1]) if node.op == "matvec" else None
        if group is None or node not in group:
            result.append(node)
            continue
        joint = f"stacked:{node.inputs[1]}"
        if node is group[0]:
            stacked[joint + ":W"] = tf.concat([weights[n.inputs[0]] for n in group], axis=0)
            size = sum(n.shape[0] for n in group)
            result.append(Node(joint, "matvec", (joint + ":W", node.inputs[1]), (size,)))
        start = sum(n.shape[0] for n in group[: group.index(node)])
        cut = (start, start + node.shape[0])
        result.append(Node(node.name, "slice", (joint,), node.shape, cut))
    used = {name for node in result for name in node.inputs}
    return tuple(result), {name: w for name, w in stacked.items() if name in used}


def scan(recurrence: Recurrence, weights: Values, drives: Values, start: Values) -> Values:
    """Every state after every step.

    Parameters
    ----------
    recurrence : Recurrence
    weights : dict of tensor
    drives : dict of (batch, n_steps, ...) tensor
    start : dict of (batch, ...) tensor
        States before the first step.

    Returns
    -------
    dict of (batch, n_steps, ...) tensor
        By state name.
    """
    shapes = {
        **{name: tuple(weights[name].shape) for name in recurrence.weights},
        **{name: tuple(drives[name].shape[2:]) for name in recurrence.drives},
        **{name: tuple(start[name].shape[1:]) for name in recurrence.states},
    }
    given = [
        [weights[n] for n in recurrence.weights],
        [drives[n] for n in recurrence.drives],
        [start[n] for n in recurrence.states],
    ]
    kernel = _kernel(recurrence, shapes, [tensor for tensors in given for tensor in tensors])
    if kernel is None:
        return _scan_tensors(recurrence, weights, drives, start)
    return dict(zip(recurrence.states, run(kernel, *given)))


def _kernel(
    recurrence: Recurrence, shapes: Mapping[str, Shape], tensors: Sequence[Tensor]
) -> Kernel | None:
    """The compiled form, where there is one: for float32 on a machine without a GPU."""
    if tf.config.list_logical_devices("GPU") or any(t.dtype != tf.float32 for t in tensors):
        return None
    batch, steps = tensors[len(recurrence.weights)].shape[:2]
    return kernel_of(recurrence, shapes, (batch or 1) * (steps or 1))


def _scan_tensors(recurrence: Recurrence, weights: Values, drives: Values, start: Values) -> Values:
    """:func:`scan` in TensorFlow alone."""
    recurrence, drives = _products_first(recurrence, weights, drives)
    nodes, weights = stack_products(recurrence.nodes, weights)
    names = tuple(weights)
    stacked = replace(recurrence, nodes=nodes, weights=names)
    shapes = {
        **{name: tuple(weight.shape) for name, weight in weights.items()},
        **{name: tuple(drives[name].shape[2:]) for name in stacked.drives},
        **{name: tuple(start[name].shape[1:]) for name in stacked.states},
    }
    trajectory = _Loop(stacked, shapes)(
        [weights[n] for n in names],
        [_time_major(drives[n]) for n in stacked.drives],
        [start[n] for n in stacked.states],
    )
    return {s: _time_major(t) for s, t in zip(stacked.states, trajectory)}


def _products_first(
    recurrence: Recurrence, weights: Values, drives: Values
) -> tuple[Recurrence, Values]:
    """What needs no state computed for all steps at once, and the recurrence that is left."""
    ops, values, left = TensorOps(), {**weights, **drives}, []
    for node in recurrence.nodes:
        if all(name in values for name in node.inputs):
            values[node.name] = apply(ops, node, values)
        else:
            left.append(node)
    read = {name for node in left for name in node.inputs}
    outside = [name for name in values if name in read and name not in weights]
    rest = replace(
        recurrence,
        nodes=tuple(left),
        weights=tuple(name for name in recurrence.weights if name in read),
        drives=tuple(outside),
    )
    return rest, {name: values[name] for name in outside}


def _time_major(x: Tensor) -> Tensor:
    return tf.transpose(x, [1, 0, *range(2, len(x.shape))])


class _Loop:
    """Forward and adjoint of one recurrence over tensors whose first axis is time."""

    def __init__(self, recurrence: Recurrence, shapes: Mapping[str, Shape]) -> None:
        self.r = recurrence
        self.adjoint = adjoint(recurrence, shapes)
        self.ops = TensorAdjointOps()
        self._forward = tf.function(self._forward_loop, jit_compile=True, autograph=False)
        self._backward = tf.function(self._backward_loop, jit_compile=True, autograph=False)

    def __call__(self, weights: list[Tensor], drives: list[Tensor], start: list[Tensor]) -> Any:
        n_weights, n_drives = len(weights), len(drives)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(*flat: Tensor) -> tuple[Any, Callable[..., Any]]:
            w = list(flat[:n_weights])
            d = list(flat[n_weights : n_weights + n_drives])
            s = list(flat[n_weights + n_drives :])
            trajectory = self._forward(w, d, s)

            def gradient(*upstream: Tensor) -> Any:
                dw, dd, ds = self._backward(w, d, s, list(trajectory), list(upstream))
                return (*dw, *dd, *ds)

            return tuple(trajectory), gradient

        return run(*weights, *drives, *start)

    def _values(self, weights: list[Tensor], drives: list[Tensor], states: list[Tensor]) -> Values:
        values: Values = dict(zip(self.r.weights, weights))
        values.update(zip(self.r.drives, drives))
        values.update(zip(self.r.states, states))
        for node in self.r.nodes:
            values[node.name] = apply(self.ops, node, values)
        return values

    def _forward_loop(
        self, weights: list[Tensor], drives: list[Tensor], start: list[Tensor]
    ) -> list[Tensor]:
        n_steps = drives[0].shape[0]
        rows = [tf.TensorArray(s.dtype, n_steps, element_shape=s.shape) for s in start]

        def body(t: Tensor, states: list[Tensor], rows: list[Any]) -> Any:
            values = self._values(weights, [d[t] for d in drives], states)
            states = [values[name] for name in self.r.after]
            return t + 1, states, [row.write(t, s) for row, s in zip(rows, states)]

        _, _, rows = tf.while_loop(
            lambda t, *_: t < n_steps, body, [0, start, rows], maximum_iterations=n_steps
        )
        return [row.stack() for row in rows]

    def _backward_loop(
        self,
        weights: list[Tensor],
        drives: list[Tensor],
        start: list[Tensor],
        trajectory: list[Tensor],
        upstream: list[Tensor],
    ) -> Any:
        n_steps = drives[0].shape[0]
        before = [tf.concat([s[None], tr[:-1]], 0) for s, tr in zip(start, trajectory)]
        values = self._values(weights, drives, before)
        fixed = dict(zip(self.r.weights, weights))
        varying = {n: values[n] for n in self.adjoint.values_read if n not in fixed}
        recorded = self.adjoint.recorded
        one_step = [(s.dtype, s.shape) for s in self._adjoint_shapes(fixed, varying, start)]
        rows = [tf.TensorArray(dtype, n_steps, element_shape=shape) for dtype, shape in one_step]

        def body(k: Tensor, after: list[Tensor], rows: list[Any]) -> Any:
            t = n_steps - 1 - k
            seeds = [a + outside[t] for a, outside in zip(after, upstream)]
            bars = self._bars({**fixed, **{n: v[t] for n, v in varying.items()}}, seeds)
            rows = [row.write(t, bars[name]) for row, name in zip(rows, recorded)]
            return k + 1, self._or_zero(self.adjoint.states, bars, start), rows

        zero = [tf.zeros_like(s) for s in start]
        _, first, rows = tf.while_loop(
            lambda k, *_: k < n_steps, body, [0, zero, rows], maximum_iterations=n_steps
        )
        bars = {name: row.stack() for name, row in zip(recorded, rows)}
        dw = [self._weight_gradient(name, w, values, bars) for name, w in fixed.items()]
        return dw, self._or_zero(self.adjoint.drives, bars, drives), first

    def _bars(self, values: Values, seeds: list[Tensor]) -> Values:
        """Every adjoint of one step, from those of the states after it."""
        bars: Values = {**values, **dict(zip(self.adjoint.seeds, seeds))}
        for node in self.adjoint.nodes:
            bars[node.name] = apply(self.ops, node, bars)
        return bars

    def _adjoint_shapes(self, fixed: Values, varying: Values, start: list[Tensor]) -> list[Tensor]:
        """The recorded adjoints of some step; nothing is ever computed of them but their shapes."""
        bars = self._bars({**fixed, **{n: v[0] for n, v in varying.items()}}, start)
        return [bars[name] for name in self.adjoint.recorded]

    @staticmethod
    def _or_zero(names: Sequence[str | None], bars: Values, like: list[Tensor]) -> list[Tensor]:
        return [tf.zeros_like(x) if n is None else bars[n] for n, x in zip(names, like)]

    def _weight_gradient(self, name: str, weight: Tensor, values: Values, bars: Values) -> Tensor:
        total = tf.zeros_like(weight)
        for share in self.adjoint.shares:
            if share.weight == name:
                total += _summed(share, values, bars, weight)
        return total


def _summed(share: Share, values: Values, bars: Values, weight: Tensor) -> Tensor:
    """A share of a weight's gradient, over all sequences and steps."""
    bar = bars[share.bar]
    if share.source is None:
        return tf.reduce_sum(bar, axis=list(range(len(bar.shape) - len(weight.shape))))
    x = values[share.source]
    return tf.matmul(
        tf.reshape(bar, [-1, bar.shape[-1]]), tf.reshape(x, [-1, x.shape[-1]]), transpose_a=True
    )
