"""A network rewritten so that training can go on in the form that will be rounded.

Gains and offsets are absorbed into the arrays beside them and hidden values are brought to like
magnitudes, both in the arrays of the cells: what is trained then is what is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemem.cells import GRU, LEM, LMU, LSTM, Cell, Dense, Norm, Stack
from edgemem.cells.stack import scope
from edgemem.ir import trace
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
    layer's; a linear one elsewhere goes into the columns of the layer above. One that can do
    neither stays.
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
        self._gain: Array | None = None
        self._offset: Array = np.zeros(())

    def add(self, prefix: str, cell: Cell, arrays: Arrays) -> None:
        if isinstance(cell, Norm):
            self._norm(prefix, cell, arrays)
            return
        layer = _Layer(prefix, cell, dict(arrays))
        if self._gain is not None:
            _into_columns(layer, self._gain, self._offset)
            self._gain = None
        self._layers.append(layer)

    def finish(self) -> Prepared:
        if self._gain is not None:
            self._keep("", Norm(len(self._gain)))
        stack = Stack(tuple(layer.cell for layer in self._layers))
        params: dict[str, Array] = {}
        names: dict[str, str] = {}
        for (prefix, cell), layer in zip(stack.scopes(), self._layers):
            params.update({prefix + name: array for name, array in layer.arrays.items()})
            names.update({prefix + name: layer.prefix + name for name in cell.params})
        return Prepared(stack, params, names)

    def _norm(self, prefix: str, cell: Norm, arrays: Arrays) -> None:
        gain, offset = arrays["gain"], arrays["offset"]
        if self._gain is not None:
            # g (g' x + o') + o
            gain, offset = gain * self._gain, gain * self._offset + offset
        elif self._layers and _is_linear(self._layers[-1].cell):
            _into_rows(self._layers[-1], gain, offset, cell.activation)
            return
        self._gain, self._offset = gain, offset
        if cell.activation != "linear":
            self._keep(prefix, cell)

    def _keep(self, prefix: str, cell: Norm) -> None:
        assert self._gain is not None
        arrays = {"gain": self._gain, "offset": self._offset}
        self._layers.append(_Layer(prefix, cell, arrays))
        self._gain = None


def _is_linear(cell: Cell) -> bool:
    """Whether the output is a sum of products that nothing else of the cell reads."""
    if isinstance(cell, LMU):
        return cell.activation == "linear" and "h" not in cell.states
    return isinstance(cell, Dense) and cell.activation == "linear"


def _into_rows(layer: _Layer, gain: Array, offset: Array, activation: str) -> None:
    """``f(g (W v + b) + o) = f((diag(g) W) v + (g b + o))``."""
    assert isinstance(layer.cell, (LMU, Dense))
    layer.cell = replace(layer.cell, activation=activation)
    for name in ("W", "W_x", "W_m"):
        if name in layer.arrays:
            layer.arrays[name] = gain[:, None] * layer.arrays[name]
    layer.arrays["b"] = gain * layer.arrays["b"] + offset


def _into_columns(layer: _Layer, gain: Array, offset: Array) -> None:
    """``W (g x + o) + b = (W diag(g)) x + (W o + b)`` for every matrix that reads the input."""
    if isinstance(layer.cell, LMU) and not layer.cell.use_bias:
        layer.cell = replace(layer.cell, use_bias=True)
        layer.arrays["b_u"] = np.zeros(layer.cell.memory_d)
    for weight, bias in _readers(layer.cell).items():
        matrix = layer.arrays[weight]
        layer.arrays[weight] = matrix * gain
        layer.arrays[bias] = layer.arrays[bias] + matrix @ offset


def _readers(cell: Cell) -> dict[str, str]:
    """The matrices of a cell that read its input, each with the bias beside it."""
    if isinstance(cell, LMU):
        readers = {"e_x": "b_u", "W_x": "b"}
    elif isinstance(cell, LEM):
        readers = {f"V_{term}": f"b_{term}" for term in ("1", "2", "z", "y")}
    elif isinstance(cell, (LSTM, GRU)):
        readers = {n: n.replace("W_", "b_") for n in cell.params if n.startswith("W_")}
    else:
        readers = {"W": "b"}
    return {weight: bias for weight, bias in readers.items() if weight in cell.params}
