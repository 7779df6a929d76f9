"""What turns values of an integer program into those of the trained network (host only).

Passes before quantisation hold some values in other units, element by element, and long memories in
another basis. Both are linear, and both forms are at hand in floats: so the map between them is
read off their values.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgemem.ir import Graph
from edgemem.ops import Array, FloatOps

SEQUENCES, FRAMES = 4, 400
EQUAL = 1e-6
"""Share of a value's peak within which two forms of it are the same."""


def labelled(graph: Graph) -> tuple[str, ...]:
    """Nodes that carry a label of the equations, in order of computation."""
    return tuple(node.name for i, node in enumerate(graph.nodes) if node.name != f"{node.op}_{i}")


def units(
    trained: Graph, held: Graph, names: Iterable[str], sequences: NDArray[np.float32]
) -> dict[str, Array]:
    """Maps from values of ``held`` to those of ``trained``.

    Parameters
    ----------
    trained, held : Graph
        Before and after the passes.
    names : iterable of str
        Nodes of both.
    sequences : (n, t, n_in) array
        They say how large inputs are.

    Returns
    -------
    mapping of array
        For a value of shape ``s``, a factor for each element, of shape ``s``, or a matrix for each
        row, of shape ``s + s[-1:]``. Values that no such map turns into the trained ones are
        left out.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SEQUENCES, FRAMES, trained.n_in)) * sequences.std(axis=(0, 1))
    wanted, found = list(names), {}
    a, b = _values(trained, wanted, x), _values(held, wanted, x)
    for name in wanted:
        turned = _map(a[name], b[name])
        if turned is not None:
            found[name] = turned
    return found


def _values(graph: Graph, names: list[str], x: Array) -> dict[str, Array]:
    states, kept = graph.zero_state((len(x),)), []
    for t in range(x.shape[1]):
        values = graph.run(FloatOps(), graph.params, states, x[:, t])
        kept.append({name: values[name] for name in names})
        states = {state: values[after] for state, after in graph.next_states.items()}
    return {name: np.concatenate([frame[name] for frame in kept]) for name in names}


def _map(wanted: Array, given: Array) -> Array | None:
    """A factor for each element, or a matrix for each row; arrays are (frames, ...)."""
    power = np.sum(given**2, axis=0)
    safe = np.where(power > 0.0, power, 1.0)
    factor = np.where(power > 0.0, np.sum(wanted * given, axis=0) / safe, 1.0)
    allowed = EQUAL * float(np.abs(wanted).max(initial=1e-30))
    if np.abs(factor * given - wanted).max() <= allowed:
        return np.asarray(factor)
    rows, order = wanted.reshape(len(wanted), -1, wanted.shape[-1]), wanted.shape[-1]
    if len(wanted) < 2 * order:
        return None
    matrices = []
    for row, from_row in zip(np.moveaxis(rows, 1, 0), np.moveaxis(given.reshape(rows.shape), 1, 0)):
        matrix, _, rank, _ = np.linalg.lstsq(from_row, row, rcond=1e-9)
        if rank < order or np.abs(from_row @ matrix - row).max() > allowed:
            return None
        matrices.append(matrix.T)
    return np.asarray(np.stack(matrices).reshape(*wanted.shape[1:], order))
