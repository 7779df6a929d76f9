"""Work that must not hold up the loop: a bounded queue and a thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Aside(Generic[T]):
    """Does one thing after another on a thread of its own.

    Parameters
    ----------
    name : str
        Of the thread.
    work : callable
        Takes an item. What it raises ends the work and is raised by the next :meth:`put`.
    limit : int
        Most items that wait.
    """

    def __init__(self, name: str, work: Callable[[T], None], limit: int) -> None:
        self._work = work
        self._limit = limit
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T, patience: float = 0.0) -> bool:
        """Leave an item.

        Parameters
        ----------
        item : object
        patience : float
            Most seconds to wait for room.

        Returns
        -------
        bool
            Whether there was room for it.
        """
        with self._changed:
            self._changed.wait_for(self._ready, patience)
            if self._error is not None:
                raise self._error
            if self._ended or len(self._items) >= self._limit:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def settled(self, patience: float = 0.0) -> bool:
        """Wait until nothing is left to do, for at most so many seconds; what went wrong is raised.

        Returns
        -------
        bool
            Whether nothing is.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not self._items, patience)
            if self._error is not None:
                raise self._error
            return not self._items

    def close(self, patience: float) -> int:
        """Finish what waits.

        Parameters
        ----------
        patience : float
            Most seconds that this takes.

        Returns
        -------
        int
            Number of items that were not finished.
        """
        end = time.monotonic() + patience
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(max(0.0, end - time.monotonic()))
        with self._changed:
            return len(self._items)

    def _ready(self) -> bool:
        return self._error is not None or self._ended or len(self._items) < self._limit

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._items and not self._ended:
                    self._changed.wait()
                if not self._items:
                    return
                item = self._items[0]
            try:
                self._work(item)
            except Exception as error:  # noqa: BLE001 - raised by the next put()
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._items.popleft()
                self._changed.notify_all()
