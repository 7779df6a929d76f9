"""A recurrence over a whole sequence, with its adjoint, as two compiled loops.

The step is a straight line of ops, so its adjoint is one too: it is walked backwards node by
node, with the chain rule of each op. The forward loop keeps the states alone; the backward pass
recomputes every intermediate value for all steps at once, runs the adjoint loop, and forms each
weight's gradient as one product over all steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from edgemem.ir.graph import Graph, Node, apply
from edgemem.ir.passes.partition import Loop
from edgemem.ops import QUANTIZE
from edgemem.train.ops_tf import TensorOps, passed

Tensor = Any
Values = dict[str, Any]


@dataclass(frozen=True)
class Recurrence:
    """The part of a step that runs in a loop.

    Parameters
    ----------
    nodes : tuple of Node
        In order of computation.
    weights : tuple of str
        Parameters that the nodes read.
    drives : tuple of str
        Values, given for every step beforehand, that the nodes read.
    states : tuple of str
        Names of the states before a step.
    after : tuple of str
        Names of the states after a step, in the same order.
    """

    nodes: tuple[Node, ...]
    weights: tuple[str, ...]
    drives: tuple[str, ...]
    states: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def of(cls, graph: Graph, loop: Loop) -> Recurrence:
        """One of the recurrences of a graph."""
        inside = {*loop.states, *(node.name for node in loop.nodes)}
        read = dict.fromkeys(name for node in loop.nodes for name in node.inputs)
        outside = [name for name in read if name not in inside]
        return cls(
            nodes=loop.nodes,
            weights=tuple(n for n in outside if n in graph.params),
            drives=tuple(n for n in outside if n not in graph.params),
            states=loop.states,
            after=tuple(graph.next_states[state] for state in loop.states),
        )


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
    nodes, weights = stack_products(recurrence.nodes, weights)
    names = tuple(weights)
    loop = _Loop(Recurrence(nodes, names, recurrence.drives, recurrence.states, recurrence.after))
    trajectory = loop(
        [weights[n] for n in names],
        [_time_major(drives[n]) for n in recurrence.drives],
        [start[n] for n in recurrence.states],
    )
    return {s: _time_major(t) for s, t in zip(recurrence.states, trajectory)}


def _time_major(x: Tensor) -> Tensor:
    return tf.transpose(x, [1, 0, *range(2, len(x.shape))])


class _Loop:
    """Forward and adjoint of one recurrence over tensors whose first axis is time."""

    def __init__(self, recurrence: Recurrence) -> None:
        self.r = recurrence
        self.ops = TensorOps()
        self._forward = tf.function(self._forward_loop, jit_compile=True)
        self._backward = tf.function(self._backward_loop, jit_compile=True)

    def __call__(self, weights: list[Tensor], drives: list[Tensor], start: list[Tensor]) -> Any:
        n_weights, n_drives = len(weights), len(drives)

        @tf.custom_gradient  # type: ignore[misc]
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
        recorded = self._recorded()
        kept = {name: values[name] for node in self.r.nodes for name in (*node.inputs, node.name)}
        fixed = dict(zip(self.r.weights, weights))
        varying = {name: v for name, v in kept.items() if name not in fixed}
        rows = [
            tf.TensorArray(values[name].dtype, n_steps, element_shape=values[name].shape[1:])
            for name in recorded
        ]

        def body(k: Tensor, adjoint: list[Tensor], rows: list[Any]) -> Any:
            t = n_steps - 1 - k
            now = {**fixed, **{name: v[t] for name, v in varying.items()}}
            bar: Values = {}
            for name, from_next, from_outside in zip(self.r.after, adjoint, upstream):
                _accumulate(bar, name, from_next + from_outside[t])
            for node in reversed(self.r.nodes):
                if node.name in bar:
                    _pull_back(node, bar[node.name], now, bar, fixed)
            adjoint = [bar.get(s, tf.zeros_like(a)) for s, a in zip(self.r.states, adjoint)]
            rows = [
                row.write(t, bar.get(name, tf.zeros_like(now[name])))
                for row, name in zip(rows, recorded)
            ]
            return k + 1, adjoint, rows

        zero = [tf.zeros_like(s) for s in start]
        _, adjoint, rows = tf.while_loop(
            lambda k, *_: k < n_steps, body, [0, zero, rows], maximum_iterations=n_steps
        )
        bars = {name: row.stack() for name, row in zip(recorded, rows)}
        dw = [self._weight_gradient(name, w, values, bars) for name, w in fixed.items()]
        return dw, [bars[name] for name in self.r.drives], adjoint

    def _recorded(self) -> list[str]:
        """Values whose adjoint every step must leave behind: drives, and readers of weights."""
        readers = [n.name for n in self.r.nodes if set(n.inputs) & set(self.r.weights)]
        return list(dict.fromkeys([*self.r.drives, *readers]))

    def _weight_gradient(self, name: str, weight: Tensor, values: Values, bars: Values) -> Tensor:
        total = tf.zeros_like(weight)
        for node in self.r.nodes:
            if name not in node.inputs:
                continue
            bar = bars[node.name]
            if node.op == "matvec":
                x = values[node.inputs[1]]
                total += tf.matmul(
                    tf.reshape(bar, [-1, bar.shape[-1]]),
                    tf.reshape(x, [-1, x.shape[-1]]),
                    transpose_a=True,
                )
                continue
            local: Values = {}
            _pull_back(node, bar, values, local, {})
            total += _sum_to(local[name], weight)
        return total


def _sum_to(x: Tensor, like: Tensor) -> Tensor:
    """``x`` summed over the leading axes that ``like`` lacks."""
    extra = len(x.shape) - len(like.shape)
    return tf.reduce_sum(x, axis=list(range(extra))) if extra else x


def _accumulate(bar: Values, name: str, value: Tensor) -> None:
    bar[name] = bar[name] + value if name in bar else value


def _pull_back(node: Node, bar: Tensor, values: Values, into: Values, skip: Values) -> None:
    """Add to ``into`` what ``node`` hands down to its inputs: the chain rule of its op.

    Parameters
    ----------
    node : Node
    bar : tensor
        Adjoint of the node's value.
    values : dict of tensor
        Value of the node and of its inputs.
    into : dict of tensor
        Adjoints so far, added to.
    skip : dict
        Names whose adjoint is formed elsewhere.
    """
    for name, value in zip(node.inputs, _adjoints(node, bar, values)):
        if name not in skip:
            _accumulate(into, name, _sum_to(value, values[name]))


def _adjoints(node: Node, bar: Tensor, values: Values) -> list[Tensor]:
    ops = TensorOps()
    args = [values[name] for name in node.inputs]
    y = values[node.name]
    if node.op == "matvec":  # d(W x): W^T bar; the weight's own share is one product at the end
        return [tf.zeros_like(args[0]), ops.matvec(tf.transpose(args[0]), bar)]
    if node.op == "add":
        return [bar, bar]
    if node.op == "sub":
        return [bar, -bar]
    if node.op == "mul":
        return [bar * args[1], bar * args[0]]
    if node.op == "scale":
        return [ops.scale(bar, node.args[0])]
    if node.op == "sigmoid":  # y (1 - y)
        return [bar * y * (1.0 - y)]
    if node.op == "tanh":  # 1 - y^2
        return [bar * (1.0 - y * y)]
    if node.op == QUANTIZE:
        return [passed(bar, args[0], *node.args)]
    if node.op == "relu":
        return [tf.where(y > 0, bar, tf.zeros_like(bar))]
    if node.op == "split":
        return [ops.merge(bar)]
    if node.op == "merge":
        return [ops.split(bar, args[0].shape[-2])]
    # slice: back into its place among zeros
    start, stop = (int(a) for a in node.args)
    pad = [[0, 0]] * (len(bar.shape) - 1) + [[start, args[0].shape[-1] - stop]]
    return [tf.pad(bar, pad)]
