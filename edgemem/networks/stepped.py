"""The stepped form of a network: what NengoDL trains and core Nengo runs, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nengo
import numpy as np

from edgemem.cells import Cell
from edgemem.errors import ShapeError
from edgemem.ir.graph import Graph
from edgemem.ir.trace import trace
from edgemem.networks.cell import CellNetwork
from edgemem.ops import Array


class Stepped(nengo.Network):  # type: ignore[misc]
    """A whole model: an input, the network of a graph, and a probe on its output.

    Parameters
    ----------
    graph : Graph
    label : str, optional
    seed : int, optional
        Nengo's seed; the arrays do not depend on it.

    Attributes
    ----------
    input : nengo.Node
        Size ``graph.n_in``, zero until data is fed to it; the key of NengoDL's ``x``.
    body : CellNetwork
        The graph; :func:`read_params` takes it.
    probe : nengo.Probe
        The output of every step; the key of NengoDL's ``y`` and predictions.
    """

    def __init__(self, graph: Graph, label: str | None = None, seed: int | None = None) -> None:
        super().__init__(label=label, seed=seed)
        with self:
            self.input = nengo.Node(np.zeros(graph.n_in), label="input")
            self.body = CellNetwork(graph, label=label)
            self.probe = nengo.Probe(self.body.output, synapse=None, label="output")
            nengo.Connection(self.input, self.body.input, synapse=None)


def graph_of(
    cell: Cell, params: Mapping[str, Array] | None = None, seed: int | None = None
) -> Graph:
    """The graph of a cell over ``params``, or over fresh arrays drawn by ``seed``."""
    return trace(cell, cell.init(np.random.default_rng(seed)) if params is None else params)


def build(
    step: Cell | Graph,
    params: Mapping[str, Array] | None = None,
    *,
    label: str | None = None,
    seed: int | None = None,
) -> Stepped:
    """The stepped form of a cell (a :class:`~edgemem.cells.Stack` too) or of a graph.

    Parameters
    ----------
    step : Cell or Graph
    params : mapping, optional
        Trained arrays by name. Without them a graph keeps its own, and a cell gets fresh ones.
    label : str, optional
        Name of the network.
    seed : int, optional
        For the fresh arrays.

    Raises
    ------
    ShapeError
        If an array is missing or has another shape than the cell says.
    UnsupportedOpError
        If two nodes of a graph share a trained array.
    """
    if isinstance(step, Graph):
        graph = step if params is None else step.with_params({**step.params, **params})
    else:
        graph = graph_of(step, params, seed)
    return Stepped(graph, label=label, seed=seed)


def simulate(network: Stepped, x: Array, dt: float = 0.001) -> Array:
    """Run a sequence in core Nengo, in double precision, from a zero state.

    Parameters
    ----------
    network : Stepped
    x : (n_steps, n_in) array
    dt : float
        Length of a simulator step, in seconds; the result does not depend on it.

    Returns
    -------
    (n_steps, n_out) array
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != network.input.size_out or not len(x):
        raise ShapeError(
            f"simulate: needs x of shape (n_steps, {network.input.size_out}) with at least one "
            f"step, got {x.shape}"
        )
    before: Any = network.input.output
    network.input.output = nengo.processes.PresentInput(x, presentation_time=dt)
    try:
        with nengo.Simulator(network, dt=dt, progress_bar=False) as simulator:
            simulator.run_steps(len(x))
            return np.array(simulator.data[network.probe])
    finally:
        network.input.output = before
