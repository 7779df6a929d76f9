"""What spikes bring to every compartment in one step, by the cheapest of three ways.

Single synapses go through a list for each source; of dense matrices either the rows of the sources
that spiked are added up, or all of them in one product of matrices. All sums are exact: weights
are multiples of 64, and the floats are wide enough for the largest sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from edgemem_loihi.cuba.blockwise import Block, joined, series
from edgemem_loihi.cuba.chip import Synapses
from edgemem_loihi.cuba.layout import Layout

Floats = NDArray[Any]
Indices = NDArray[np.intp]

# Nanoseconds, measured on a server's core: a call, an element of a row that is added up, one of a
# list, one of a product for each sequence. They decide how sums are computed, never what they are.
_CALL, _ROW, _LISTED, _PRODUCT = 5000.0, 0.4, 4.0, 0.025
_LEAST = 8
"""Sequences that a product costs at least."""
_ACTIVE = 0.05
"""Share of the sources that spikes in a step, where that is not known yet."""
_DENSE = 0.1
"""Share of a matrix's weights below which it is single synapses in any case."""


@dataclass
class Arriving:
    """What arrives at the compartments of a part.

    Parameters
    ----------
    values : (rows, n) float array
        Meaningless as long as nothing has arrived.
    nothing : bool
        Whether nothing has.
    """

    values: Floats
    nothing: bool = True

    def sums(self) -> Floats:
        """The values, to be added to."""
        if self.nothing:
            self.values[...] = 0.0
            self.nothing = False
        return self.values


class Matrix:
    """All weights between neighbouring sources and neighbouring targets.

    Parameters
    ----------
    block : Block
    dtype : dtype
    """

    def __init__(self, block: Block, dtype: Any) -> None:
        self._sources = slice(block.row, block.row + block.rows)
        self._targets = slice(block.column, block.column + block.columns)
        self._weights = block.weights.astype(dtype)

    def add(self, spikes: NDArray[np.bool_], q: Arriving) -> None:
        """Add what ``spikes`` (rows, width of the sources) bring."""
        fired = spikes[:, self._sources]
        n = int(np.count_nonzero(fired))
        if n == 0:
            return
        apart = _CALL * len(fired) + _ROW * n * self._weights.shape[1]
        if _product(self._weights.size, len(fired)) < apart:
            _multiply(fired, self._weights, q, lambda values: values[:, self._targets])
            return
        for row, of_row in zip(q.sums()[:, self._targets], fired):
            row += np.add.reduce(self._weights.take(np.flatnonzero(of_row), axis=0), axis=0)


class Series:
    """Matrices of one shape at equal distances (:func:`~.blockwise.series`), at one go.

    Parameters
    ----------
    blocks : sequence of Block
    dtype : dtype
    """

    def __init__(self, blocks: Sequence[Block], dtype: Any) -> None:
        first, second = blocks[0], blocks[1]
        self._row, self._column = first.row, first.column
        self._rows, self._columns = second.row - first.row, second.column - first.column
        self._weights = np.stack([b.weights for b in blocks]).astype(dtype)

    def add(self, spikes: NDArray[np.bool_], q: Arriving) -> None:
        """See :meth:`Matrix.add`."""
        _, n_source, n_target = self._weights.shape
        fired = self._parts(spikes, self._row, self._rows, n_source)
        _multiply(
            fired,
            self._weights,
            q,
            lambda values: self._parts(values, self._column, self._columns, n_target),
        )

    def _parts(self, values: NDArray[Any], start: int, apart: int, size: int) -> NDArray[Any]:
        """A view, (n_blocks, rows, size)."""
        row, column = values.strides
        return as_strided(
            values[:, start:],
            (len(self._weights), len(values), size),
            (apart * column, row, column),
        )


def _multiply(
    fired: NDArray[np.bool_],
    weights: Floats,
    q: Arriving,
    targets: Callable[[Floats], Floats],
) -> None:
    """Add ``fired @ weights`` to the ``targets`` of ``q``."""
    spikes = fired.astype(weights.dtype)
    into = targets(q.values)
    if q.nothing and into.size == q.values.size:
        # nothing is to be added to: no zeros, and no sums that are put down first
        np.matmul(spikes, weights, out=into)
        q.nothing = False
        return
    q.sums()
    into += np.matmul(spikes, weights)


class Lists:
    """Single synapses, listed by source.

    Parameters
    ----------
    sources, targets : (n,) integer array
        Columns.
    weights : (n,) array
    n_source : int
        Width of the sources.
    cuts : sequence of slice
        Columns of the parts of the targets.
    """

    def __init__(
        self,
        sources: Indices,
        targets: Indices,
        weights: Floats,
        n_source: int,
        cuts: Sequence[slice],
    ) -> None:
        order = np.argsort(sources, kind="stable")
        columns, self._targets = np.unique(targets[order], return_inverse=True)
        self._weights = weights[order].astype(np.float64)
        self._lengths = np.bincount(sources, minlength=n_source)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._width = len(columns)
        bounds = [np.searchsorted(columns, (cut.start, cut.stop)) for cut in cuts]
        self._ours = [slice(int(start), int(stop)) for start, stop in bounds]
        self._theirs = [_slice(columns[own] - cut.start) for own, cut in zip(self._ours, cuts)]
        self._sums: Floats | None = None

    def collect(self, active: Indices, batch: int) -> None:
        """Add up what the spikes at ``active``, flat indices (batch, n_source), bring."""
        self._sums = None
        row, source = np.divmod(active, len(self._lengths)) if batch > 1 else (active, active)
        lengths = self._lengths[source]
        total = int(lengths.sum())
        if total == 0:
            return
        before = np.cumsum(lengths) - lengths
        places = np.repeat(self._starts[source] - before, lengths)
        places += np.arange(total)
        targets = self._targets[places]
        if batch > 1:
            targets += np.repeat(row * self._width, lengths)
        sums = np.bincount(targets, self._weights[places], minlength=batch * self._width)
        self._sums = sums.reshape(batch, self._width)

    def add(self, part: int, q: Arriving) -> None:
        """Add that to what arrives at a part."""
        own = self._ours[part]
        if self._sums is not None and own.stop > own.start:
            q.sums()[:, self._theirs[part]] += self._sums[:, own]


class Currents:
    """What arrives from one kind of sources: the inputs, or the populations.

    Parameters
    ----------
    synapses : iterable of Synapses
        All from those sources.
    sources, targets : Layout
    cuts : sequence of slice
        Columns of the parts of the targets.
    rows : int
        Sequences, times steps that are known at a time.
    dtype : dtype
        Of the sums.
    """

    def __init__(
        self,
        synapses: Iterable[Synapses],
        sources: Layout,
        targets: Layout,
        cuts: Sequence[slice],
        rows: int,
        dtype: Any,
    ) -> None:
        between: dict[tuple[str, str], list[Synapses]] = {}
        for s in synapses:
            between.setdefault((s.source, s.target), []).append(s)
        blocks: list[list[Block]] = [[] for _ in cuts]
        single = [np.empty((3, 0), np.intp)]
        for (source, target), groups in between.items():
            outer, columns = sources.columns[source], targets.columns[target]
            i, j, w = _listed(groups)
            shape = (outer.stop - outer.start, columns.stop - columns.start)
            if w.size < _DENSE * shape[0] * shape[1]:
                single.append(np.stack([i + outer.start, j + columns.start, w]))
                continue
            # several groups between the same two parts are one matrix: exact as well
            flat = np.bincount(i * shape[1] + j, w, minlength=shape[0] * shape[1])
            whole = Block(outer.start, columns.start, flat.reshape(shape))
            for of_part, cut in zip(blocks, cuts):
                of_part.extend(whole.within(cut))
        self._dense: list[list[Matrix | Series]] = [[] for _ in cuts]
        for dense, of_part, cut in zip(self._dense, blocks, cuts):
            for run in series(joined(of_part)):
                if _worth(run, rows):
                    dense.append(Series(run, dtype) if len(run) > 1 else Matrix(run[0], dtype))
                else:
                    single.extend(block.listed(cut.start) for block in run)
        i, j, w = np.concatenate(single, axis=1)
        self._lists = Lists(i, j, w, sources.width, cuts) if w.size else None
        used = [sources.columns[source] for source, _ in between]
        self._used = slice(
            min((c.start for c in used), default=0), max((c.stop for c in used), default=0)
        )
        self._silent = True

    def collect(self, spikes: NDArray[np.bool_]) -> None:
        """Take in spikes, (rows, width of the sources)."""
        self._spikes = spikes
        self._silent = not spikes[:, self._used].any()
        if self._lists is not None and not self._silent:
            self._lists.collect(np.flatnonzero(spikes), len(spikes))

    def add(self, part: int, q: Arriving) -> None:
        """Add what they bring to what arrives at a part."""
        if self._silent:
            return
        for dense in self._dense[part]:
            dense.add(self._spikes, q)
        if self._lists is not None:
            self._lists.add(part, q)


def _worth(run: Sequence[Block], batch: int) -> bool:
    """Whether matrices cost less than lists, at ordinary rates of spikes."""
    size = sum(block.weights.size for block in run)
    synapses = sum(np.count_nonzero(block.weights) for block in run)
    spikes = _ACTIVE * batch
    dense = _product(size, batch)
    if len(run) == 1:
        dense = min(dense, _CALL * (batch + 1) + _ROW * spikes * size)
    return bool(dense < _LISTED * spikes * synapses)


def _slice(columns: Indices) -> Indices | slice:
    """A slice where columns are neighbours: it costs less than a list of them."""
    if columns.size and columns[-1] - columns[0] == columns.size - 1:
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns


def _product(size: int, batch: int) -> float:
    """Nanoseconds of a product with so many weights."""
    return _CALL + _PRODUCT * size * max(batch, _LEAST)


def _listed(groups: Sequence[Synapses]) -> tuple[Indices, Indices, Indices]:
    """Sources, targets and effective weights of some groups."""
    return (
        np.concatenate([s.sources for s in groups]).astype(np.intp),
        np.concatenate([s.targets for s in groups]).astype(np.intp),
        np.concatenate([s.effective for s in groups]).astype(np.intp),
    )


def most(synapses: Iterable[Synapses], targets: Layout) -> NDArray[np.float64]:
    """The most that can arrive at each compartment in one step."""
    total = np.zeros(targets.width)
    for s in synapses:
        columns = targets.columns[s.target]
        size = columns.stop - columns.start
        total[columns] += np.bincount(s.targets, np.abs(s.effective), minlength=size)
    return total


def fan_out(synapses: Iterable[Synapses], sizes: Mapping[str, int]) -> dict[str, Indices]:
    """Synapses of each unit of every source, by name."""
    found = {name: np.zeros(size, np.intp) for name, size in sizes.items()}
    for s in synapses:
        found[s.source] += np.bincount(s.sources, minlength=sizes[s.source])
    return found
