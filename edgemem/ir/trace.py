"""A cell's step, written down as a :class:`~edgemem.ir.graph.Graph`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgemem.cells.base import Cell, Shape
from edgemem.errors import ShapeError, UnknownNameError
from edgemem.ir.graph import INPUT, Graph, Node
from edgemem.ops import Array


@dataclass(frozen=True)
class Traced:
    """What flows through a step while it is written down: a name and a shape."""

    name: str
    shape: Shape


class Tracer:
    """The meaning of the ops that writes each one down as a node."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._labelled: set[str] = set()

    def _emit(self, op: str, shape: Shape, *inputs: Traced, args: tuple[float, ...] = ()) -> Traced:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(Node(name, op, tuple(i.name for i in inputs), shape, args))
        return Traced(name, shape)

    def matvec(self, weight: Traced, x: Traced) -> Traced:
        if len(weight.shape) != 2 or weight.shape[1:] != x.shape[-1:]:
            raise ShapeError(f"matvec: {weight.name} {weight.shape} against {x.name} {x.shape}")
        return self._emit("matvec", x.shape[:-1] + weight.shape[:1], weight, x)

    def _elementwise(self, op: str, a: Traced, b: Traced) -> Traced:
        shorter, longer = sorted((a.shape, b.shape), key=len)
        if longer[len(longer) - len(shorter) :] != shorter:
            raise ShapeError(f"{op}: {a.name} {a.shape} against {b.name} {b.shape}")
        return self._emit(op, longer, a, b)

    def add(self, a: Traced, b: Traced) -> Traced:
        return self._elementwise("add", a, b)

    def sub(self, a: Traced, b: Traced) -> Traced:
        return self._elementwise("sub", a, b)

    def mul(self, a: Traced, b: Traced) -> Traced:
        return self._elementwise("mul", a, b)

    def scale(self, a: Traced, factor: float) -> Traced:
        return self._emit("scale", a.shape, a, args=(factor,))

    def sigmoid(self, a: Traced) -> Traced:
        return self._emit("sigmoid", a.shape, a)

    def tanh(self, a: Traced) -> Traced:
        return self._emit("tanh", a.shape, a)

    def relu(self, a: Traced) -> Traced:
        return self._emit("relu", a.shape, a)

    def split(self, a: Traced, rows: int) -> Traced:
        if a.shape[-1] % rows:
            raise ShapeError(f"split: {a.name} {a.shape} into {rows} rows")
        return self._emit("split", (*a.shape[:-1], rows, a.shape[-1] // rows), a, args=(rows,))

    def merge(self, a: Traced) -> Traced:
        if len(a.shape) < 2:
            raise ShapeError(f"merge: {a.name} {a.shape} has fewer than two axes")
        return self._emit("merge", (*a.shape[:-2], a.shape[-2] * a.shape[-1]), a)

    def slice(self, a: Traced, start: int, stop: int) -> Traced:
        if not 0 <= start < stop <= a.shape[-1]:
            raise ShapeError(f"slice: {start} to {stop} of {a.name} {a.shape}")
        return self._emit("slice", (*a.shape[:-1], stop - start), a, args=(start, stop))

    def label(self, a: Traced, name: str) -> Traced:
        last = self.nodes[-1] if self.nodes else None
        if last is None or last.name != a.name or a.name in self._labelled:
            return a  # not a fresh node: it keeps the name it has
        self.nodes[-1] = replace(last, name=name)
        self._labelled.add(name)
        return Traced(name, a.shape)


def trace(cell: Cell, params: Mapping[str, Array], whole: bool = False) -> Graph:
    """The graph of one step of ``cell`` over ``params``.

    Parameters
    ----------
    cell : Cell
    params : mapping
        Trained arrays by name, as ``cell.params`` lists them. The cell's constants may be among
        them, as a model stores them; otherwise they are computed.
    whole : bool
        Whether the constants must be there: those of a file's cell may take any time to compute.

    Raises
    ------
    ShapeError
        If an array is missing, or has another shape than the cell says.
    UnknownNameError
        If the cell has no use for an array.
    """
    missing = [name for name in cell.params if name not in params]
    if missing:
        raise ShapeError(f"cell {cell.name!r}: parameter {missing[0]!r} is missing")
    for name, shape in cell.params.items():
        if tuple(np.shape(params[name])) != shape:
            raise ShapeError(
                f"cell {cell.name!r}: parameter {name!r} has shape {np.shape(params[name])}, "
                f"expected {shape}"
            )
    fixed = set(params) - set(cell.params)
    arrays = {**({} if fixed or whole else cell.constants), **params}
    tracer = Tracer()
    try:
        after, y = cell.step(
            tracer,
            {name: Traced(name, tuple(np.shape(array))) for name, array in arrays.items()},
            {name: Traced(name, shape) for name, shape in cell.states.items()},
            Traced(INPUT, (cell.n_in,)),
        )
    except UnknownNameError:
        raise
    except KeyError as error:
        raise ShapeError(
            f"cell {cell.name!r}: array {error} is missing; "
            f"beside the parameters there are: {', '.join(sorted(fixed))}"
        ) from error
    unread = fixed - {name for node in tracer.nodes for name in node.inputs}
    if unread:
        raise UnknownNameError(f"array of cell {cell.name!r}", min(unread), cell.params)
    return Graph(
        n_in=cell.n_in,
        params={name: np.asarray(array) for name, array in arrays.items()},
        constants=frozenset(arrays) - frozenset(cell.params),
        states=dict(cell.states),
        nodes=tuple(tracer.nodes),
        next_states={state: value.name for state, value in after.items()},
        output=y.name,
    )
