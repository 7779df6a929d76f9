"""A graph that rounds where its integer program will, in floats that training can differentiate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgemem.cells import Cell
from edgemem.errors import ConfigError, UnknownNameError, UnsupportedOpError
from edgemem.ir import INPUT, Graph, Node, trace
from edgemem.ops import QUANTIZE, Array
from edgemem.quantize.build import prepared
from edgemem.quantize.calibration import observe
from edgemem.quantize.formats import Format, per_row
from edgemem.quantize.plan import Plan, plan
from edgemem.quantize.scheme import Scheme
from edgemem.quantize.stability import check_memories
from edgemem.quantize.steps import LAYOUT, Step, steps


def settle(
    cell: Cell,
    params: Mapping[str, Array],
    weights: int,
    layers: Mapping[str, int],
    sequences: NDArray[np.float32],
) -> Scheme:
    """Widths, and the formats in which a prepared network is to be trained on.

    Parameters
    ----------
    cell : Cell
    params : mapping
        Trained arrays and constants.
    weights : int
        Bits of the trained matrices.
    layers : mapping of int
        Bits of single ones, by name.
    sequences : (n, t, n_in) float32 array
        Along which ranges are measured.

    Raises
    ------
    UnknownNameError
        If a name is not that of a trained matrix.
    ToleranceError
        If a memory grows when it is rounded.
    """
    graph = prepared(trace(cell, params))
    listed = steps(graph)
    matrices = {step.source for step in listed if step.weight is not None and not step.fixed}
    for name in layers:
        if name not in matrices:
            raise UnknownNameError("trained matrix", name, matrices)
    check_memories(graph, listed)
    formats = plan(graph, listed, observe(graph, sequences), "int8")
    return Scheme("int8", weights, dict(layers), formats)


def rounded_network(cell: Cell, params: Mapping[str, Array], scheme: Scheme) -> Graph:
    """One step of a network as :func:`rounded` has it, in the formats of a scheme."""
    if scheme.plan is None:
        raise ConfigError("a scheme without formats cannot be trained in; settle them first")
    graph = prepared(trace(cell, params))
    return rounded(graph, steps(graph), scheme.plan)


def matrix_bits(cell: Cell, params: Mapping[str, Array], scheme: Scheme) -> dict[str, int]:
    """Bits of every trained matrix that a product reads, by name."""
    listed = steps(prepared(trace(cell, params)))
    matrices = [step.source for step in listed if step.weight is not None and not step.fixed]
    return {name: scheme.bits_of(name) for name in matrices}


def rounded(graph: Graph, listed: Sequence[Step], formats: Plan, wide: bool = False) -> Graph:
    """``graph`` with a ``quantize`` behind every value that is held in 8 bits.

    The fixed matrices of memories are rounded at once; the trained ones are left to whoever
    trains them.

    Parameters
    ----------
    graph : Graph
        What the integer program will be made from, after every pass.
    listed : sequence of Step
        Its steps.
    formats : Plan
    wide : bool
        Round 16-bit values too. Without it states stay as exact as floats are: the steps of 16
        bits are finer by 256 than those of 8 beside them, and a memory that is not rounded at
        every step is still linear, so that training need not go through it step by step.
    """
    return _Rounder(graph, listed, formats, wide).graph()


class _Rounder:
    def __init__(self, graph: Graph, listed: Sequence[Step], formats: Plan, wide: bool) -> None:
        self._graph = graph
        self._steps = {step.name: step for step in listed}
        self._plan = formats
        self._wide = wide
        self._shapes = graph.shapes()
        self._owners = _owners(graph, listed)
        self._narrowed = self._names_narrowed()
        self._versions: dict[tuple[str, int], str] = {}
        self._nodes: list[Node] = []

    def graph(self) -> Graph:
        for name in (INPUT, *self._graph.states):
            self._held(name)
        for node in self._graph.nodes:
            step = self._owners[node.name]
            inputs = tuple(self._read(name, step) for name in node.inputs)
            self._nodes.append(replace(node, inputs=inputs))
            if node.name == step.name:
                self._held(node.name)
        return replace(
            self._graph,
            params=self._params(),
            nodes=tuple(self._nodes),
            next_states={s: self._home(n) for s, n in self._graph.next_states.items()},
            output=self._home(self._graph.output),
        )

    def _home(self, name: str) -> str:
        return self._versions[name, self._plan.home[name].bits]

    def _wanted(self, step: Step) -> int:
        """The width in which a step reads."""
        if step.op in ("join", "sigmoid", "tanh"):
            return 16
        return self._plan.home[step.name].bits

    def _names_narrowed(self) -> set[str]:
        return {
            name
            for step in self._steps.values()
            for name in step.inputs
            if self._wanted(step) == 8 and name in self._plan.home
            if self._plan.home[name].bits == 16
        }

    def _read(self, name: str, step: Step) -> str:
        if name not in step.inputs or name in self._graph.params:
            return name  # within the step
        # 8 bits are widened without loss
        wanted = min(self._wanted(step), self._plan.home[name].bits)
        return self._versions[name, wanted]

    def _held(self, name: str) -> None:
        """The value in the widths in which it is held and read."""
        form = self._plan.home[name]
        step = self._steps.get(name)
        # cut and joined values are rounded already, and so is a state that a step left
        as_it_is = name in self._graph.states or (step is not None and step.op in LAYOUT)
        home = name
        if not as_it_is and (form.bits == 8 or self._wide):
            home = self._quantize(name, name, form)
        self._versions[name, form.bits] = home
        if name in self._narrowed:
            self._versions[name, 8] = self._quantize(name, home, self._plan.narrow[name])

    def _quantize(self, name: str, value: str, form: Format) -> str:
        args = (float(form.scale), float(form.zero_point), float(form.lowest), float(form.highest))
        node = Node(f"{name}:{form.bits}", QUANTIZE, (value,), self._shapes[name], args)
        self._nodes.append(node)
        return node.name

    def _params(self) -> dict[str, Array]:
        params = dict(self._graph.params)
        for step in self._steps.values():
            if step.fixed and step.weight is not None:
                form = per_row(step.weight)
                matrix = form.dequantize(form.quantize(step.weight))
                for name in self._weights_of(step):
                    size = params[name].shape[1]
                    params[name], matrix = matrix[:, :size], matrix[:, size:]
        return params

    def _weights_of(self, step: Step) -> list[str]:
        """The arrays that the matrix of a step is made of, in its order of columns."""
        of_input = {
            node.inputs[1]: node.inputs[0]
            for node in self._graph.nodes
            if node.op == "matvec" and self._owners[node.name] is step
        }
        return [of_input[name] for name in step.inputs]


def _owners(graph: Graph, listed: Sequence[Step]) -> dict[str, Step]:
    """The step that each node is part of."""
    owners = {step.name: step for step in listed}
    for node in reversed(graph.nodes):
        for name in node.inputs:
            # whatever is not the result of a step of its own is part of its one reader's
            if name not in owners and node.name in owners:
                owners[name] = owners[node.name]
    return owners


def sources(cell: Cell) -> dict[str, tuple[str, ...]]:
    """The trained arrays whose sum each trained array of the prepared graph is.

    Passes give arrays new names and add biases up; which ones, follows from a graph of numbers
    that no two arrays share.

    Raises
    ------
    UnsupportedOpError
        If an array of the graph is something else, as where a gain was folded into it.
    """
    rng = np.random.default_rng(0)
    drawn = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    graph = prepared(trace(cell, drawn))
    return {
        name: _made_of(name, array, drawn)
        for name, array in graph.params.items()
        if name not in graph.constants
    }


def _made_of(name: str, array: Array, drawn: dict[str, Array]) -> tuple[str, ...]:
    alike = {n: a for n, a in drawn.items() if a.shape == array.shape}
    for first, a in alike.items():
        if np.array_equal(a, array):
            return (first,)
        for second, b in alike.items():
            if np.allclose(a + b, array, rtol=0.0, atol=1e-12):
                return (first, second)
    raise UnsupportedOpError(
        f"the array {name!r} of the graph is no trained array of the network, nor a sum of two: "
        "it cannot be trained in rounded form; where a norm stands before a product that has no "
        "bias, give it one, or leave the norm out"
    )
