"""What the system tells a running loop: end, or read the rules again."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Signals:
    """Notes SIGTERM, SIGINT and SIGHUP instead of dying of them.

    Handlers only leave a note, which the loop reads between two blocks. A second SIGTERM or SIGINT
    ends the process at once. Outside the main thread nothing is noted.

    Parameters
    ----------
    reloads : bool
        Whether SIGHUP asks for the rules to be read again; it asks for the end otherwise, as when a
        terminal is closed.
    """

    def __init__(self, reloads: bool) -> None:
        self._reloads = reloads
        self._before: dict[int, Any] = {}
        self._reload = False
        self.ended: int | None = None
        """Number of the signal that asked for the end."""

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGINT", "SIGHUP"):
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is not None:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take_reload(self) -> bool:
        """Whether SIGHUP came since the last call."""
        reload, self._reload = self._reload, False
        return reload

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._reloads and number == getattr(signal, "SIGHUP", None):
            self._reload = True
            return
        self.ended = number
        signal.signal(number, signal.SIG_DFL)
