"""What spikes bring to every compartment in one step, by the cheapest of three ways.

Single synapses go through a list for each source; of dense matrices either the rows of the sources
that spiked are added up, or all of them in one product of matrices. All sums are exact: weights
are whole numbers of the unit 64, and the floats are wide enough for the largest sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem_loihi.cuba.chip import Synapses, shifted
from edgemem_loihi.cuba.layout import Layout

Floats = NDArray[Any]
Indices = NDArray[np.intp]

_DENSE = 0.1
"""Share of a matrix that must be there for the matrix to be kept whole."""
_NARROW = 16
"""Targets below which single synapses cost less."""

# nanoseconds, measured: a call, an element of a row that is added up, one of a product
_CALL, _ROW, _PRODUCT = 5000.0, 0.4, 0.025


class Matrix:
    """All weights between two parts.

    Parameters
    ----------
    sources, targets : slice
    weights : (n_source, n_target) float array
        In units of 64.
    """

    def __init__(self, sources: slice, targets: slice, weights: Floats) -> None:
        self._sources, self._targets, self._weights = sources, targets, weights

    def add(self, spikes: NDArray[np.bool_], q: Floats) -> None:
        """Add what ``spikes`` (batch, width of the sources) bring to ``q`` (batch, width)."""
        fired = spikes[:, self._sources]
        rows = int(np.count_nonzero(fired))
        if rows == 0:
            return
        into = q[:, self._targets]
        n_source, n_target = self._weights.shape
        apart = _CALL * len(q) + _ROW * rows * n_target
        together = _CALL + _PRODUCT * n_source * n_target * max(len(q), 8)
        if together < apart:
            into += fired.astype(self._weights.dtype) @ self._weights
            return
        for row, of_row in zip(into, fired):
            row += np.add.reduce(self._weights.take(np.flatnonzero(of_row), axis=0), axis=0)


class Lists:
    """Single synapses, listed by source.

    Parameters
    ----------
    sources, targets : (n,) integer array
        Columns.
    weights : (n,) array
        In units of 64.
    n_source : int
        Width of the sources.
    """

    def __init__(self, sources: Any, targets: Any, weights: Any, n_source: int) -> None:
        order = np.argsort(sources, kind="stable")
        self._targets = targets[order].astype(np.intp)
        self._weights = weights[order].astype(np.float64)
        self._lengths = np.bincount(sources, minlength=n_source)
        self._starts = np.cumsum(self._lengths) - self._lengths

    def add(self, active: Indices, q: Floats) -> None:
        """Add what the spikes at ``active``, flat indices (batch, n_source), bring to ``q``."""
        batch, width = q.shape
        row, source = np.divmod(active, len(self._lengths))
        lengths = self._lengths[source]
        total = int(lengths.sum())
        if total == 0:
            return
        before = np.cumsum(lengths) - lengths
        places = np.repeat(self._starts[source] - before, lengths)
        places += np.arange(total)
        targets = self._targets[places]
        if batch > 1:
            targets += np.repeat(row * width, lengths)
        sums = np.bincount(targets, self._weights[places], minlength=batch * width)
        np.add(q, sums.reshape(q.shape), out=q, casting="unsafe")


class Currents:
    """What arrives from one kind of sources: the inputs, or the populations.

    Parameters
    ----------
    synapses : iterable of Synapses
        All from those sources.
    sources, targets : Layout
    dtype : dtype
        Of the sums.
    """

    def __init__(
        self, synapses: Iterable[Synapses], sources: Layout, targets: Layout, dtype: Any
    ) -> None:
        between: dict[tuple[str, str], list[Synapses]] = {}
        for s in synapses:
            between.setdefault((s.source, s.target), []).append(s)
        self._matrices: list[Matrix] = []
        single: list[tuple[Any, Any, Any]] = []
        for (source, target), groups in between.items():
            columns, into = sources.columns[source], targets.columns[target]
            i, j, w = _listed(groups)
            shape = (columns.stop - columns.start, into.stop - into.start)
            if w.size >= _DENSE * shape[0] * shape[1] and shape[1] >= _NARROW:
                # several groups between the same two parts are one matrix: exact as well
                flat = np.bincount(i * shape[1] + j, w, minlength=shape[0] * shape[1])
                self._matrices.append(Matrix(columns, into, flat.reshape(shape).astype(dtype)))
            elif w.size:
                single.append((i + columns.start, j + into.start, w))
        self._lists = None
        if single:
            i, j, w = (np.concatenate(part) for part in zip(*single))
            self._lists = Lists(i, j, w, sources.width)

    def add(self, spikes: NDArray[np.bool_], active: Indices, q: Floats) -> None:
        """Add what ``spikes`` (batch, width), whose flat indices are ``active``, bring to ``q``."""
        if active.size == 0:
            return
        for matrix in self._matrices:
            matrix.add(spikes, q)
        if self._lists is not None:
            self._lists.add(active, q)


def _listed(groups: Sequence[Synapses]) -> tuple[Indices, Indices, Indices]:
    """Sources, targets and weights in units of 64 of some groups."""
    return (
        np.concatenate([s.sources for s in groups]).astype(np.intp),
        np.concatenate([s.targets for s in groups]).astype(np.intp),
        np.concatenate([shifted(s.weights, s.exponent) for s in groups]).astype(np.intp),
    )


def most(synapses: Iterable[Synapses], targets: Layout) -> NDArray[np.float64]:
    """The most that can arrive at each compartment in one step, in units of 64."""
    total = np.zeros(targets.width)
    for s in synapses:
        columns = targets.columns[s.target]
        size = columns.stop - columns.start
        weights = np.abs(shifted(s.weights, s.exponent))
        total[columns] += np.bincount(s.targets, weights, minlength=size)
    return total


def fan_out(synapses: Iterable[Synapses], sizes: Mapping[str, int]) -> dict[str, Indices]:
    """Synapses of each unit of every source, by name."""
    found = {name: np.zeros(size, np.intp) for name, size in sizes.items()}
    for s in synapses:
        found[s.source] += np.bincount(s.sources, minlength=sizes[s.source])
    return found
