"""The values that a network takes on, measured along streamed sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError, ModelError
from edgemem.ir import INPUT, Graph, Node
from edgemem.ops import Array, FloatOps
from edgemem.quantize.steps import CURVES

SAMPLE = 20_000
"""About how many values of each name are kept."""

PASSES = 2
"""The second pass starts from states that the first one left, as on a device that never resets."""


FINEST = 2.0**-10
"""Least range of a value, as a share of what its operands could bring it to."""


@dataclass(frozen=True)
class Observed:
    """What one named value did.

    Parameters
    ----------
    low, high : float
        Least and greatest value seen.
    sample : (n,) float32 array
        Some of the values, for choosing where to clip.
    peaks : array
        Greatest absolute value of each element, in the shape of the value.
    """

    low: float
    high: float
    sample: NDArray[np.float32]
    peaks: Array

    @property
    def magnitude(self) -> float:
        """Greatest absolute value seen."""
        return max(-self.low, self.high)


def observe(graph: Graph, sequences: NDArray[np.float32]) -> dict[str, Observed]:
    """Ranges of everything in ``graph`` that has a name, params apart.

    Parameters
    ----------
    graph : Graph
    sequences : (n, t, n_in) array
        Input sequences; all run side by side in float64.

    Raises
    ------
    ConfigError
        If there is no sequence, its width is not the graph's, a value is not finite, or every
        step is the same.
    ModelError
        If an array of the graph is not finite.
    """
    check_finite(graph)
    _check_sequences(graph, sequences)
    names = [INPUT, *graph.states, *(node.name for node in graph.nodes)]
    records = {name: _Record() for name in names}
    rng = np.random.default_rng(0)
    n, n_steps = sequences.shape[:2]
    wanted = -(-SAMPLE // (PASSES * n_steps))
    states = graph.zero_state((n,))
    x = sequences.astype(np.float64)
    for _ in range(PASSES):
        for t in range(n_steps):
            values = graph.run(FloatOps(), graph.params, states, x[:, t])
            for name, record in records.items():
                record.add(values[name], wanted, rng)
            states = {s: values[after] for s, after in graph.next_states.items()}
        # every sequence goes on from the state that another one left
        states = {s: np.roll(value, 1, axis=0) for s, value in states.items()}
    return _finish(records)


def check_finite(graph: Graph) -> None:
    """Refuse a graph over NaN or infinity.

    Raises
    ------
    ModelError
        If there is such an array.
    """
    wild = [name for name, array in graph.params.items() if not np.isfinite(array).all()]
    if wild:
        raise ModelError(f"the array {wild[0]!r} holds NaN or infinity; train it again")


def _check_sequences(graph: Graph, sequences: NDArray[np.float32]) -> None:
    if sequences.ndim != 3 or not sequences.size or sequences.shape[-1] != graph.n_in:
        raise ConfigError(
            f"calibration: got sequences of shape {sequences.shape}, "
            f"expected (n, t, {graph.n_in}) with n and t of 1 or more"
        )
    if not np.isfinite(sequences).all():
        raise ConfigError("calibration: the sequences hold NaN or infinity; make them anew")
    if np.array_equal(sequences.min(axis=(0, 1)), sequences.max(axis=(0, 1))):
        raise ConfigError(
            f"calibration: every step of {len(sequences)} sequences is the same, as in silence, so "
            "that no range can be measured; calibrate on recordings in which something is heard"
        )


def ranges(graph: Graph, observed: Mapping[str, Observed]) -> dict[str, Observed]:
    """``observed`` with a range for every value that never left zero, or hardly did.

    One that was zero at every step gets the range that the values it is computed of could bring it
    to, and any other at least :data:`FINEST` of that: finer steps would hold what is left where
    terms cancel, and the factor from those of a sum would leave its 31 bits. Zeros of a weight
    that is zero stay as they are.
    """
    found = dict(observed)
    for _ in range(2):  # states first stand at what they were seen at
        for node in graph.nodes:
            reach = _reach(graph, node, found)
            seen = found[node.name]
            least = reach * (FINEST if observed[node.name].magnitude else 1.0)
            if seen.magnitude < least:
                low = 0.0 if node.op == "relu" else -least
                found[node.name] = replace(seen, low=low, high=least)
        for state, after in graph.next_states.items():
            if not found[state].magnitude and after in found:
                found[state] = replace(found[state], low=found[after].low, high=found[after].high)
    return found


def _reach(graph: Graph, node: Node, found: Mapping[str, Observed]) -> float:
    """The greatest magnitude of a node's result for operands of the magnitudes seen."""

    curves = {n.name for n in graph.nodes if n.op in CURVES}

    def size(name: str) -> float:
        if name in graph.params:
            return float(np.abs(graph.params[name]).max(initial=0.0))
        # curves have formats of their own, whatever was seen
        return 1.0 if name in curves else found[name].magnitude

    if node.op == "matvec" and node.inputs[0] in graph.params:
        rows = np.abs(graph.params[node.inputs[0]]).sum(axis=1)
        return float(rows.max(initial=0.0)) * size(node.inputs[1])
    sizes = [size(name) for name in node.inputs]
    if node.op in ("add", "sub"):
        return sum(sizes)
    if node.op == "mul":
        return math.prod(sizes)
    if node.op == "scale":
        return abs(node.args[0]) * sizes[0]
    # what is cut up, joined or bounded by its argument; a sigmoid is never near zero by itself
    return sizes[0] if node.op in ("relu", "split", "merge", "slice") else 0.0


class _Record:
    def __init__(self) -> None:
        self.low = np.inf
        self.high = -np.inf
        self.peaks: Array = np.zeros(())
        self.parts: list[NDArray[np.float32]] = []

    def add(self, values: Array, wanted: int, rng: np.random.Generator) -> None:
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        self.peaks = np.maximum(self.peaks, np.abs(values).max(axis=0))
        flat = values.reshape(-1)
        picked = flat if flat.size <= wanted else flat[rng.integers(flat.size, size=wanted)]
        self.parts.append(picked.astype(np.float32))


def _finish(records: Mapping[str, _Record]) -> dict[str, Observed]:
    found = {
        name: Observed(record.low, record.high, np.concatenate(record.parts), record.peaks)
        for name, record in records.items()
    }
    wild = [name for name, o in found.items() if not np.isfinite([o.low, o.high]).all()]
    if wild:
        raise ConfigError(
            f"calibration: {wild[0]!r} becomes infinite or NaN; the network diverges on its own "
            "calibration sequences, train it again"
        )
    return found
