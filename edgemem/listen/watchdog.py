"""What systemd is told of a running loop: ready, alive, ending (the protocol of sd_notify)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from types import TracebackType

# Seconds that a message may wait where systemd does not read; the next block is heard late by it.
_PATIENCE = 0.5


class Notifier:
    """Tells the service manager how a loop is doing; without a manager it says nothing.

    The protocol is that of ``sd_notify(3)``: datagrams with lines ``NAME=value``. Whoever hears the
    blocks calls :meth:`alive` after each, so that a loop that is stuck falls silent and is started
    anew. A message that cannot be delivered never ends the loop.

    Parameters
    ----------
    address : str, optional
        Path of the manager's datagram socket, or with a leading ``@`` its abstract name.
    watchdog : float, optional
        Seconds of silence after which the manager thinks that the loop is stuck.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self._pause = None if watchdog is None else watchdog / 3
        self._next = float("-inf")
        self._address = ""
        self._socket: socket.socket | None = None
        if address and address[0] in "/@":
            self._address = "\0" + address[1:] if address[0] == "@" else address
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(_PATIENCE)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Notifier:
        """The notifier that the manager asks for in NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
        spell = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = int(spell) if spell.isdigit() and ours else 0
        return cls(environment.get("NOTIFY_SOCKET"), 1e-6 * microseconds or None)

    def ready(self, status: str) -> None:
        """Say that sound is being heard, or is again after :meth:`reloading`."""
        self._send("READY=1", _status(status))

    def alive(self) -> None:
        """Say that the loop goes on; most calls send nothing: three messages in a spell will do."""
        now = time.monotonic()
        if self._pause is not None and now >= self._next and self._send("WATCHDOG=1"):
            self._next = now + self._pause

    def status(self, text: str) -> None:
        """Say in a sentence what the loop does; ``systemctl status`` shows it."""
        self._send(_status(text))

    def reloading(self) -> None:
        """Say that the configuration is being read again; :meth:`ready` must follow."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """Say that the loop ends, and close the socket."""
        self._send("STOPPING=1")
        self.close()

    def close(self) -> None:
        """Close the socket; everything after that is said to nobody."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Notifier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, *lines: str) -> bool:
        if self._socket is None:
            return False
        try:
            # Not connected once for all: systemd may be started anew under a running service.
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True


def _status(text: str) -> str:
    """A line end would begin another assignment."""
    return "STATUS=" + " ".join(text.split())
