"""The values that a network takes on, measured along streamed sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError
from edgemem.ir import INPUT, Graph
from edgemem.ops import Array, FloatOps

SAMPLE = 20_000
"""About how many values of each name are kept."""

PASSES = 2
"""The second pass starts from states that the first one left, as on a device that never resets."""


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
        If there is no sequence, its width is not the graph's, or a value is not finite.
    """
    if sequences.ndim != 3 or not sequences.size or sequences.shape[-1] != graph.n_in:
        raise ConfigError(
            f"calibration: got sequences of shape {sequences.shape}, "
            f"expected (n, t, {graph.n_in}) with n and t of 1 or more"
        )
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
