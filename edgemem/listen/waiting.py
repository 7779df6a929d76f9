"""Waits that the loop can afford: between their slices it answers signals and shows it lives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack

SLICE = 0.25
"""Most seconds of one slice."""

ENDING = 1.0
"""Seconds that everything gets to finish together once a signal asked for the end."""


class Waits:
    """How long the loop may wait for a sink, and what it does meanwhile.

    Parameters
    ----------
    longest : float
        Most seconds; 0 where the sound does not wait either.
    look : callable
        Called between slices: answers signals and feeds the watchdog; False ends the wait.
    """

    def __init__(self, longest: float = 0.0, look: Callable[[], bool] = lambda: True) -> None:
        self._longest = longest
        self._look = look

    @property
    def allowed(self) -> bool:
        """Whether the loop may wait at all."""
        return self._longest > 0

    def until(self, attempt: Callable[[float], bool], longest: float | None = None) -> bool:
        """Wait until an attempt succeeds.

        Parameters
        ----------
        attempt : callable
            ``attempt(seconds)`` takes at most so long and says whether it succeeded.
        longest : float, optional
            Most seconds instead of this object's.

        Returns
        -------
        bool
            Whether one did.
        """
        if attempt(0.0):
            return True
        end = time.monotonic() + (self._longest if longest is None else longest)
        while (left := end - time.monotonic()) > 0 and self._look():
            if attempt(min(SLICE, left)):
                return True
        return False


class Ends:
    """Closes things in turn; once the end was asked for, the seconds that are left are shared out.

    Parameters
    ----------
    asked : callable
        Whether a signal asked for the end.
    """

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked
        self._left = 0
        self._end = math.inf

    def add(self, stack: ExitStack, close: Callable[[float], object]) -> None:
        """Let a stack close something: ``close(seconds)`` takes at most so long."""
        self._left += 1
        stack.callback(self._close, close)

    def _close(self, close: Callable[[float], object]) -> None:
        now = time.monotonic()
        if self._asked():
            self._end = min(self._end, now + ENDING)
        share = max(0.0, self._end - now) / self._left
        self._left -= 1
        close(share)
