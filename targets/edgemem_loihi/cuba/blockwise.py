"""Dense weights, as few and as large matrices as they can be put together to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Block:
    """Weights between neighbouring sources and neighbouring targets.

    Parameters
    ----------
    row, column : int
        The first source and the first target.
    weights : (n_source, n_target) array
    """

    row: int
    column: int
    weights: NDArray[Any]

    @property
    def rows(self) -> int:
        """Number of sources."""
        return len(self.weights)

    @property
    def columns(self) -> int:
        """Number of targets."""
        return int(self.weights.shape[1])

    def within(self, cut: slice) -> list[Block]:
        """What of it goes to the targets in ``cut``, counted from there; one block or none."""
        start, stop = max(self.column, cut.start), min(self.column + self.columns, cut.stop)
        if start >= stop:
            return []
        weights = self.weights[:, start - self.column : stop - self.column]
        return [Block(self.row, start - cut.start, weights)]

    def listed(self, offset: int) -> NDArray[np.intp]:
        """Sources, targets counted from ``-offset``, and weights of its synapses, (3, n)."""
        sources, targets = np.nonzero(self.weights)
        weights = self.weights[sources, targets]
        return np.stack(
            [sources + self.row, targets + self.column + offset, weights.astype(np.intp)]
        )


def joined(blocks: Iterable[Block]) -> list[Block]:
    """The same weights, neighbouring blocks joined."""
    wide = _side_by_side(
        blocks,
        same=lambda b: (b.row, b.rows),
        start=lambda b: b.column,
        length=lambda b: b.columns,
        axis=1,
    )
    return _side_by_side(
        wide,
        same=lambda b: (b.column, b.columns),
        start=lambda b: b.row,
        length=lambda b: b.rows,
        axis=0,
    )


def _side_by_side(
    blocks: Iterable[Block],
    same: Callable[[Block], Hashable],
    start: Callable[[Block], int],
    length: Callable[[Block], int],
    axis: int,
) -> list[Block]:
    groups: dict[Hashable, list[Block]] = defaultdict(list)
    for block in blocks:
        groups[same(block)].append(block)
    runs: list[list[Block]] = []
    for group in groups.values():
        group.sort(key=start)
        runs.append([group[0]])
        for block in group[1:]:
            if start(block) == start(runs[-1][-1]) + length(runs[-1][-1]):
                runs[-1].append(block)
            else:
                runs.append([block])
    return [
        Block(run[0].row, run[0].column, np.concatenate([b.weights for b in run], axis=axis))
        for run in runs
    ]


def series(blocks: Iterable[Block]) -> list[list[Block]]:
    """Blocks of one shape that follow each other at equal distances, as those of an array of
    equal populations do; no two blocks of a series have a target in common."""
    shapes: dict[tuple[int, int], list[Block]] = defaultdict(list)
    for block in blocks:
        shapes[block.rows, block.columns].append(block)
    found = []
    for group in shapes.values():
        group.sort(key=lambda b: (b.row, b.column))
        run = [group[0]]
        for block in group[1:]:
            if _follows(run, block):
                run.append(block)
            else:
                found.append(run)
                run = [block]
        found.append(run)
    return found


def _follows(run: list[Block], block: Block) -> bool:
    last = run[-1]
    apart = (block.row - last.row, block.column - last.column)
    if len(run) == 1:
        return apart[1] >= block.columns
    return apart == (last.row - run[-2].row, last.column - run[-2].column)
