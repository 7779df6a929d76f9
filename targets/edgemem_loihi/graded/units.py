"""What turns values of an integer program into those of the trained network (host only).

Passes before quantisation hold some values in other units, element by element, and long memories in
another basis. The network is at hand in floats before and after them: so units are read off values.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edgemem.ir import Graph
from edgemem.ops import Array, FloatOps
from edgemem.quantize.build import Built

SEQUENCES, FRAMES = 4, 400
EQUAL = 1e-6
"""Share of a value's peak within which two forms of it are the same."""


def labelled(graph: Graph) -> tuple[str, ...]:
    """Nodes that carry a label of the equations, in order of computation."""
    return tuple(node.name for i, node in enumerate(graph.nodes) if node.name != f"{node.op}_{i}")


def units(
    trained: Graph, built: Built, names: Iterable[str], sequences: NDArray[np.float32]
) -> dict[str, Array]:
    """Maps from values of an integer program to those of the trained network.

    Parameters
    ----------
    trained : Graph
        Before the passes.
    built : Built
    names : iterable of str
        Labelled nodes of ``trained`` that the program has as well.
    sequences : (n, t, n_in) array
        They say how large inputs are.

    Returns
    -------
    mapping of array
        For a value of shape ``s``, a factor for each element, of shape ``s``, or a matrix for each
        row, of shape ``s + s[-1:]``. Values that no factors turn into the trained ones are left
        out.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SEQUENCES, FRAMES, trained.n_in)) * sequences.std(axis=(0, 1))
    wanted, found = list(names), {}
    a, b = _values(trained, wanted, x), _values(built.exact, wanted, x)
    for name in wanted:
        basis = built.bases.get(name)
        # m = T n: what is held are the coordinates n
        before = a[name] if basis is None else np.linalg.solve(basis, a[name][..., None])[..., 0]
        factor = _factor(before, b[name])
        if factor is not None:
            found[name] = factor if basis is None else basis * factor[..., None, :]
    return found


def _values(graph: Graph, names: list[str], x: Array) -> dict[str, Array]:
    """Values along sequences, (frames, ...)."""
    states, kept = graph.zero_state((len(x),)), []
    for t in range(x.shape[1]):
        values = graph.run(FloatOps(), graph.params, states, x[:, t])
        kept.append({name: values[name] for name in names})
        states = {state: values[after] for state, after in graph.next_states.items()}
    return {name: np.concatenate([frame[name] for frame in kept]) for name in names}


def _factor(wanted: Array, given: Array) -> Array | None:
    """What each element of (frames, ...) has to be multiplied by; 1 for one that never moves."""
    power = np.sum(given**2, axis=0)
    moves = power > 0.0
    factor = np.sum(wanted * given, axis=0) / np.where(moves, power, 1.0)
    factor = np.where(moves, factor, 1.0)
    off = np.abs(factor * given - wanted).max()
    return np.asarray(factor) if off <= EQUAL * max(np.abs(wanted).max(), 1e-30) else None
