"""A network rewritten so that training can go on in the form that will be rounded.

Gains and offsets are absorbed into the arrays beside them and hidden values are brought to like
magnitudes, both in the arrays of the cells: what is trained then is what is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemem.cells import LMU, Cell, Dense, Norm, Stack
from edgemem.cells.stack import scope
from edgemem.errors import ConfigError
from edgemem.ir import INPUT, trace
from edgemem.ir.passes import balance, residual
from edgemem.ops import Array
from edgemem.quantize.calibration import observe

Arrays = Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network ready to be rounded.

    Parameters
    ----------
    cell : Cell
    params : dict of array
        Trained arrays and constants of ``cell`` by name.
    names : dict of str
        What each trained array was called before, by its present name.
    """

    cell: Cell
    params: dict[str, Array]
    names: dict[str, str]


def prepare(cell: Cell, params: Arrays, sequences: NDArray[np.float32]) -> Prepared:
    """The same network without norms, its hidden values and memories balanced.

    Parameters
    ----------
    cell : Cell
    params : mapping
        Trained arrays and constants.
    sequences : (n, t, n_in) float32 array
        Along which magnitudes are measured.
    """
    return balanced(absorbed(cell, params), sequences)


def absorbed(cell: Cell, params: Arrays) -> Prepared:
    """The same network with each :class:`~edgemem.cells.Norm` in the arrays beside it.

    A norm behind a linear layer goes into that layer's rows, and its function becomes the
    layer's; a linear one elsewhere goes into the columns of the layer above, if that is of a cell
    of which it is known what reads its input. One that can do neither stays.
    """
    if not isinstance(cell, Stack):
        return Prepared(cell, dict(params), {name: name for name in cell.params})
    absorber = _Absorber()
    for prefix, layer in cell.scopes():
        absorber.add(prefix, layer, scope(params, prefix))
    return absorber.finish()


def balanced(network: Prepared, sequences: NDArray[np.float32]) -> Prepared:
    """The same network after :func:`~edgemem.ir.passes.balance`."""
    graph = residual(trace(network.cell, network.params))
    peaks = {name: seen.peaks for name, seen in observe(graph, sequences).items()}
    graph = balance(graph, peaks)
    params = {name: graph.params.get(name, array) for name, array in network.params.items()}
    for name in graph.constants - set(params):
        # A was replaced by A - I under another name
        changed = graph.params[name]
        params[name.rpartition(".")[0]] = changed + np.eye(len(changed))
    return replace(network, params=params)


@dataclass(eq=False)
class _Layer:
    prefix: str
    cell: Cell
    arrays: dict[str, Array]


class _Absorber:
    def __init__(self) -> None:
        self._layers: list[_Layer] = []
        self._pending: _Layer | None = None  # a linear norm that no layer has taken yet

    def add(self, prefix: str, cell: Cell, arrays: Arrays) -> None:
        layer = _Layer(prefix, cell, dict(arrays))
        if isinstance(cell, Norm):
            self._norm(layer, cell)
            return
        if self._pending is not None and _into_columns(layer, self._pending.arrays):
            self._pending = None
        self._append(layer)

    def finish(self) -> Prepared:
        self._keep()
        stack = Stack(tuple(layer.cell for layer in self._layers))
        params: dict[str, Array] = {}
        names: dict[str, str] = {}
        for (prefix, cell), layer in zip(stack.scopes(), self._layers):
            params.update({prefix + name: array for name, array in layer.arrays.items()})
            names.update({prefix + name: layer.prefix + name for name in cell.params})
        return Prepared(stack, params, names)

    def _norm(self, layer: _Layer, cell: Norm) -> None:
        gain, offset = layer.arrays["gain"], layer.arrays["offset"]
        if self._pending is not None:
            # g (g' x + o') + o
            before = self._pending.arrays
            layer.arrays = {
                "gain": gain * before["gain"],
                "offset": gain * before["offset"] + offset,
            }
            self._pending = None
        elif self._layers and _is_linear(self._layers[-1].cell):
            _into_rows(self._layers[-1], gain, offset, cell.activation)
            return
        if cell.activation == "linear":
            self._pending = layer
        else:
            self._append(layer)

    def _keep(self) -> None:
        if self._pending is not None:
            self._layers.append(self._pending)
            self._pending = None

    def _append(self, layer: _Layer) -> None:
        self._keep()
        self._layers.append(layer)


def _is_linear(cell: Cell) -> bool:
    """Whether the output is a sum of products that nothing else of the cell reads."""
    if type(cell) is LMU:
        return cell.activation == "linear" and "h" not in cell.states
    return type(cell) is Dense and cell.activation == "linear"


def _into_rows(layer: _Layer, gain: Array, offset: Array, activation: str) -> None:
    """``f(g (W v + b) + o) = f((diag(g) W) v + (g b + o))``."""
    assert isinstance(layer.cell, (LMU, Dense))
    layer.cell = replace(layer.cell, activation=activation)
    for name in ("W", "W_x", "W_m"):
        if name in layer.arrays:
            layer.arrays[name] = gain[:, None] * layer.arrays[name]
    layer.arrays["b"] = gain * layer.arrays["b"] + offset


def _into_columns(layer: _Layer, norm: Arrays) -> bool:
    """``W (g x + o) + b = (W diag(g)) x + (W o + b)`` for every matrix that reads the input.

    False where the layer cannot take the norm and is as it was.
    """
    cell, arrays = layer.cell, layer.arrays
    if type(cell) is LMU and not cell.use_bias:
        cell = replace(cell, use_bias=True)
        arrays = {**arrays, "b_u": np.zeros(cell.memory_d)}
    readers = _readers(cell)
    for weight, bias in readers.items():
        matrix = arrays[weight]
        arrays[weight] = matrix * norm["gain"]
        arrays[bias] = arrays[bias] + matrix @ norm["offset"]
    if readers:
        layer.cell, layer.arrays = cell, arrays
    return bool(readers)


def _readers(cell: Cell) -> dict[str, str]:
    """The matrices of a cell that read its input, each with the bias in the sum that it is part of.

    They follow from the graph of one step. Where something else reads the input (a convolution
    holds it as a state, whose zeros at the start come after the norm), or a sum has no bias, there
    are none.
    """
    try:
        graph = trace(cell, {n: np.zeros(shape) for n, shape in cell.params.items()})
    except ConfigError:  # one that has no single step
        return {}
    producers, consumers = graph.producers(), graph.consumers()
    given_back = {graph.output, *graph.next_states.values()}

    def in_one_place(name: str) -> bool:
        return name not in given_back and len(consumers.get(name, [])) == 1

    def among(name: str) -> str | None:
        """The bias that is ``name``, or a term of the sum that is."""
        if not in_one_place(name):
            return None
        if name in cell.params:
            return name
        terms = producers[name].inputs if name in producers and producers[name].op == "add" else ()
        return next(filter(None, map(among, terms)), None)

    def beside(name: str) -> str | None:
        """The bias of the sum that ``name`` is a term of."""
        if not in_one_place(name) or consumers[name][0].op != "add":
            return None
        total = consumers[name][0]
        (other,) = set(total.inputs) - {name}
        return among(other) or beside(total.name)

    readers: dict[str, str] = {}
    for product in consumers.get(INPUT, []):
        weight, bias = product.inputs[0], beside(product.name)
        owned = weight in cell.params and in_one_place(weight)
        if INPUT in given_back or product.op != "matvec" or not owned or bias is None:
            return {}
        readers[weight] = bias
    return readers
