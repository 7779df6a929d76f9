"""Host half: the step of a network as NIR nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError
from edgemem.ir import INPUT, Graph
from edgemem.ir import Node as Op
from edgemem.ir.passes import fold, residual
from edgemem.ops import Array
from edgemem.quantize.calibration import observe
from edgemem.target import Features

from .comparators import COUNTED, staircase
from .network import Network, Node
from .refusal import refuse

Value = tuple[str, ...]
"""Nodes that add up to a value."""

CONVENTION = (
    "forward Euler at dt; a node gives its value after the step; a node on a cycle is computed as "
    "soon as one of its sources is, first by name first, and reads the others' last values"
)


def lower(
    graph: Graph, dt: float, calibration: Features | None = None, levels: int = 64
) -> Network:
    """``graph`` as nodes that forward Euler at ``dt`` turns into the very same steps.

    A state with a fixed matrix of its own becomes an integrator,

    .. math::

        \\dot m = \\tfrac{1}{dt} \\bigl((\\bar A - I) m + \\bar B u\\bigr),

    of which one Euler step is :math:`m \\leftarrow \\bar A m + \\bar B u`. Any other state becomes
    a leaky integrator with ``tau = dt``, of which one step is the sum that leads to it. Products
    become Linear or Affine nodes, gains Scale nodes, sums edges into one node; relu and tanh become
    comparators (:mod:`edgemem_nir.comparators`), the one part that rounds. Arrays are float32; what
    has two axes is laid out row by row.

    Parameters
    ----------
    graph : Graph
    dt : float
        Seconds from step to step.
    calibration : (n, t, n_in) float32 array, optional
        Along these sequences it is measured how high each relu goes; needed where there is one.
    levels : int
        Comparators of each unit.

    Raises
    ------
    UnsupportedOpError
        If an op has no node in NIR; it says which.
    ConfigError
        If there is a relu, and no calibration from which its range shows.
    """
    reduced = residual(fold(graph))
    refuse(reduced)
    peaks: dict[str, Array] = {}
    if calibration is not None and any(op.op in COUNTED for op in reduced.nodes):
        observed = observe(reduced, calibration)
        peaks = {name: seen.peaks for name, seen in observed.items()}
    return _Lowering(reduced, dt, peaks, levels).network()


@dataclass
class _Draft:
    """A node without its final name, and what leads to it."""

    label: str
    kind: str
    values: dict[str, NDArray[Any]]
    sources: Value


class _Lowering:
    """Writes a graph's ops down as nodes, in the order in which they are computed.

    Names start with the number of the node, so that readers who go by names, as
    :func:`~edgemem_nir.order.evaluation_order` and NIRTorch do, come to the same order.
    """

    def __init__(self, graph: Graph, dt: float, peaks: Mapping[str, Array], levels: int) -> None:
        self._graph, self._dt, self._peaks, self._levels = graph, dt, peaks, levels
        self._shapes = graph.shapes()
        self._drafts: dict[str, _Draft] = {}
        self._values: dict[str, Value] = {s: (_held(s),) for s in graph.states}
        self._values[INPUT] = self._emit(INPUT, "Input", (), shape=[graph.n_in])

    def network(self) -> Network:
        self._hold(INPUT)
        for op in self._graph.nodes:
            self._values[op.name] = self._lowered(op)
            self._hold(op.name)
        for state in self._graph.states:
            self._hold(state)
        y = self._one(self._values[self._graph.output])
        self._emit("y", "Output", y, shape=[self._graph.n_out])
        return self._named()

    def _lowered(self, op: Op) -> Value:
        a = self._values.get(op.inputs[0], ())
        if op.op in ("split", "merge"):
            return a
        if op.op in COUNTED:
            return self._counted(op, a)
        if op.op == "matvec":
            weight = self._blocks(self._graph.params[op.inputs[0]], op.inputs[1])
            return self._linear(op.inputs[0], weight, self._values[op.inputs[1]])
        if op.op == "slice":
            start, stop = (int(arg) for arg in op.args)
            rows = np.eye(self._shapes[op.inputs[0]][-1])[start:stop]
            return self._linear(op.name, self._blocks(rows, op.inputs[0]), a)
        if op.op == "scale":
            return self._scaled(op, float(op.args[0]), a)
        if op.op == "mul":
            gain, x = sorted(op.inputs, key=lambda name: name not in self._graph.params)
            return self._scaled(op, self._graph.params[gain], self._values[x])
        b = self._values.get(op.inputs[1], ())
        if op.op == "sub" and b:
            b = self._scaled(op, -1.0, b)
        return self._sum(op, a, b)

    def _sum(self, op: Op, a: Value, b: Value) -> Value:
        fixed = [name for name in op.inputs if name in self._graph.params]
        if fixed:
            constant = self._flat(self._graph.params[fixed[0]], op)
            if op.op == "sub" and fixed[0] == op.inputs[1]:
                constant = -constant
            elif op.op == "sub":
                a = b
            return self._offset(op, a or b, constant)
        # an edge exists once: what is added twice goes by a node of its own
        twice = tuple(self._scaled(op, 1.0, (source,))[0] for source in b if source in a)
        return (*a, *(source for source in b if source not in a), *twice)

    def _offset(self, op: Op, value: Value, constant: Array) -> Value:
        """``value + constant``, in the bias of the node that gives the value if it gives it all."""
        draft = self._drafts.get(value[0]) if len(value) == 1 else None
        if draft is not None and self._is_read_once(op) and draft.kind in ("Linear", "Scale"):
            scale = draft.values.get("scale")
            weight = draft.values["weight"] if scale is None else np.diag(scale)
            draft.kind, draft.values = "Affine", {"weight": weight, "bias": constant}
            return value
        return self._emit(op.name, "Affine", value, weight=np.eye(len(constant)), bias=constant)

    def _is_read_once(self, op: Op) -> bool:
        graph = self._graph
        leaving = {graph.output, *graph.next_states.values()}
        readers = graph.consumers()
        return all(
            name in graph.params or (len(readers[name]) == 1 and name not in leaving)
            for name in op.inputs
        )

    def _scaled(self, op: Op, gain: float | Array, value: Value) -> Value:
        return self._emit(op.name, "Scale", value, scale=self._flat(gain, op))

    def _linear(self, label: str, weight: Array, value: Value) -> Value:
        return self._emit(label, "Linear", value, weight=weight)

    def _counted(self, op: Op, value: Value) -> Value:
        """One comparator a level for each element, and their count as a value."""
        if op.op == "relu" and op.name not in self._peaks:
            raise ConfigError("relu: how high it goes must be measured; give calibration sequences")
        size = self._size(op.name)
        peaks = self._peaks.get(op.name, np.ones(size)).reshape(-1)
        steps = staircase(op.op, peaks, self._levels)
        each = np.asarray(np.kron(np.eye(size), np.ones((self._levels, 1))), np.float64)
        spread = self._linear(f"{op.name}_spread", each, value)
        ones = np.ones(size * self._levels)
        neurons = {"tau": self._dt * ones, "r": ones, "v_leak": 0 * ones}
        spikes = self._emit(
            op.name, "LIF", spread, **neurons, v_threshold=steps.thresholds.reshape(-1)
        )
        weight, lowest = (steps.height * each).T, np.full(size, steps.lowest)
        if not lowest.any():
            return self._linear(f"{op.name}_count", weight, spikes)
        return self._emit(f"{op.name}_count", "Affine", spikes, weight=weight, bias=lowest)

    def _one(self, value: Value) -> Value:
        """``value`` as a single node, since an Output takes one."""
        if len(value) == 1:
            return value
        return self._emit("sum", "Scale", value, scale=np.ones(self._graph.n_out))

    def _hold(self, name: str) -> None:
        """The states whose value after the step is ``name``, and that value from here on."""
        for state, after in self._graph.next_states.items():
            if after != name or _held(state) in self._drafts:
                continue
            value, size = self._values[name], self._size(state)
            own = _held(state)
            if own in value and name != state:
                rest = tuple(source for source in value if source != own)
                held = {"r": np.full(size, 1 / self._dt)}
                self._drafts[own] = _Draft(name, "I", held, rest)
            else:
                ones = np.ones(size)
                held = {"tau": self._dt * ones, "r": ones, "v_leak": 0 * ones}
                self._drafts[own] = _Draft(name, "LI", held, value)
            self._values[name] = (own,)

    def _emit(self, label: str, kind: str, sources: Value, **values: Any) -> Value:
        key = f"{len(self._drafts)} {label}"
        self._drafts[key] = _Draft(label, kind, dict(values), sources)
        return (key,)

    def _blocks(self, weight: Array, x: str) -> Array:
        """``weight`` acting on each row of ``x``, as one matrix."""
        rows = int(np.prod(self._shapes[x][:-1], dtype=int))
        return np.asarray(np.kron(np.eye(rows), weight), np.float64) if rows > 1 else weight

    def _flat(self, array: float | Array, op: Op) -> Array:
        return np.array(np.broadcast_to(array, op.shape)).reshape(-1)

    def _size(self, name: str) -> int:
        return int(np.prod(self._shapes[name]))

    def _named(self) -> Network:
        width = len(str(len(self._drafts)))
        names = {
            key: f"n{number:0{width}d}_{_plain(draft.label)}"
            for number, (key, draft) in enumerate(self._drafts.items())
        }
        nodes = {
            names[key]: Node(draft.kind, _stored(draft.values))
            for key, draft in self._drafts.items()
        }
        edges = [
            (names[source], names[key])
            for key, draft in self._drafts.items()
            for source in draft.sources
        ]
        return Network(nodes, tuple(edges), {"dt": self._dt, "convention": CONVENTION})


def _held(state: str) -> str:
    return f"state {state}"


def _plain(label: str) -> str:
    """``label`` with nothing that HDF5 or a PyTorch module stumbles over."""
    return "".join(c if c.isalnum() else "_" for c in label)


def _stored(values: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {
        key: np.asarray(value, np.int64 if key == "shape" else np.float32)
        for key, value in values.items()
    }
