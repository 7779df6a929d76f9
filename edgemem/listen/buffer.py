"""Sound between the thread that reads it and the loop that hears it."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Block(NamedTuple):
    """A piece of sound and where it belongs.

    Attributes
    ----------
    position : int
        Number of its first sample since the source began; lost samples count.
    samples : (n,) int16 array
    at : float
        When its last sample came, in seconds since 1970 (UTC).
    """

    position: int
    samples: npt.NDArray[np.int16]
    at: float


class Buffer:
    """A bounded queue of blocks, for one writer and one reader.

    Parameters
    ----------
    limit : int
        Most samples that wait. One block is taken however long it is.
    dropping : bool
        What happens when it is full: the oldest block gives way and its samples are counted as
        dropped (a microphone goes on anyway), or the writer waits (a file can).
    """

    def __init__(self, limit: int, dropping: bool) -> None:
        self._limit = limit
        self._dropping = dropping
        self._blocks: deque[Block] = deque()
        self._changed = threading.Condition()
        self._waiting = 0
        self._dropped = 0
        self._ended = False

    @property
    def dropped(self) -> int:
        """Number of samples that gave way so far."""
        with self._changed:
            return self._dropped

    @property
    def waiting(self) -> int:
        """Number of samples in the queue."""
        with self._changed:
            return self._waiting

    @property
    def ended(self) -> bool:
        """Whether nothing waits and nothing more will come."""
        with self._changed:
            return self._ended and not self._blocks

    def put(self, block: Block) -> None:
        """Add a block; after :meth:`end` it is thrown away."""
        with self._changed:
            while not self._ended and self._full(block):
                if self._dropping:
                    self._dropped += self._shift().samples.size
                else:
                    self._changed.wait()
            if not self._ended:
                self._blocks.append(block)
                self._waiting += block.samples.size
                self._changed.notify_all()

    def get(self, timeout: float) -> Block | None:
        """The oldest block.

        Parameters
        ----------
        timeout : float
            Most seconds to wait for one.

        Returns
        -------
        Block or None
            None where none came, or none will.
        """
        with self._changed:
            if not self._blocks and not self._ended:
                self._changed.wait(timeout)
            if not self._blocks:
                return None
            block = self._shift()
            self._changed.notify_all()
            return block

    def end(self) -> None:
        """Nothing more will come; what waits can still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def discard(self) -> None:
        """Nothing more will come, and what waits is not wanted any more."""
        with self._changed:
            self._ended = True
            self._blocks.clear()
            self._waiting = 0
            self._changed.notify_all()

    def _full(self, block: Block) -> bool:
        return bool(self._blocks) and self._waiting + block.samples.size > self._limit

    def _shift(self) -> Block:
        block = self._blocks.popleft()
        self._waiting -= block.samples.size
        return block
