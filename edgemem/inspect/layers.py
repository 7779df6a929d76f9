"""The layers of a model, each of which can be run on its own along sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgemem.cells import Bidirectional, Cell, Stack
from edgemem.cells.bidirectional import DIRECTIONS
from edgemem.cells.stack import scope
from edgemem.ir import Graph, trace
from edgemem.model import Model
from edgemem.ops import Array, FloatOps

Watch = Callable[[int, Mapping[str, Array]], None]
"""Called after each step with its number and the value of everything that has a name."""


@dataclass(frozen=True)
class Pass:
    """A cell that goes along a sequence once.

    Parameters
    ----------
    name : str
        Of its layer, and the direction where that layer has two.
    cell : Cell
    params : mapping
        Its arrays by name.
    backward : bool
        Whether it begins with the last step.
    """

    name: str
    cell: Cell
    params: Mapping[str, Array]
    backward: bool = False

    @property
    def graph(self) -> Graph:
        """One step of it."""
        return trace(self.cell, self.params)

    def along(self, x: Array) -> Array:
        """``x`` (n, n_steps, n_in), the first step that it meets first."""
        return x[:, ::-1] if self.backward else x


@dataclass(frozen=True)
class Layer:
    """A cell of the stack with its arrays.

    Parameters
    ----------
    name : str
        Place and kind, such as ``1.lem``.
    cell : Cell
    params : mapping
        Its arrays, constants among them, without the prefix of the stack.
    """

    name: str
    cell: Cell
    params: Mapping[str, Array]

    @property
    def passes(self) -> tuple[Pass, ...]:
        """The cell itself; of a bidirectional layer the cell of each direction."""
        if not isinstance(self.cell, Bidirectional):
            return (Pass(self.name, self.cell, self.params),)
        inner = self.cell.cell
        return tuple(
            Pass(
                f"{self.name}.{direction}{inner.name}", inner, scope(self.params, direction), turned
            )
            for direction, turned in zip(DIRECTIONS, (False, True))
        )

    def outputs(self, x: Array) -> Array:
        """What it gives for sequences from the zero state: (n, n_steps, n_in) to (..., n_out)."""
        given = [each.along(each.graph.scan(each.along(x))[0]) for each in self.passes]
        return np.concatenate(given, axis=-1)


def layers(model: Model) -> tuple[Layer, ...]:
    """The layers of a model from input to output; a cell that is no stack is one layer."""
    if not isinstance(model.cell, Stack):
        return (Layer(f"0.{model.cell.name}", model.cell, model.params),)
    return tuple(
        Layer(prefix.rstrip("."), cell, scope(model.params, prefix))
        for prefix, cell in model.cell.scopes()
    )


def run(graph: Graph, x: Array, watch: Watch) -> None:
    """Go along sequences from the zero state and show the values of each step.

    Parameters
    ----------
    graph : Graph
    x : (n, n_steps, n_in) array
    watch : callable
        It must copy what it keeps of a step for long: a step has many values.
    """
    ops, states = FloatOps(), graph.zero_state(x.shape[:1])
    for t in range(x.shape[1]):
        values = graph.run(ops, graph.params, states, x[:, t])
        watch(t, values)
        states = {state: values[name] for state, name in graph.next_states.items()}
