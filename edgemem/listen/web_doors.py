"""Who reaches the live page: the address it listens on, and the requests it lets pass."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import re
import socket
from contextlib import suppress

from edgemem.errors import ConfigError

_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises
    ------
    ConfigError
        If the port is taken or not allowed, or the host not this machine's.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"web: port is {port}; it must lie between 0 and 65535")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=16)
    except (OSError, UnicodeError) as error:
        code = getattr(error, "errno", None)
        if code == errno.EADDRINUSE:
            reason = "it is in use; name another one"
        elif code == errno.EACCES:
            reason = "it is not allowed to this user; name one of 1024 or more"
        else:
            reason = f"{getattr(error, 'strerror', None) or error}; name an address of this machine"
        raise ConfigError(f"web: cannot listen on port {port} of {host}: {reason}") from error
    # Connections inherit it: what the system keeps for a page that reads nothing is bounded too.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    return listening


class Hall:
    """Connections that are no pages yet, few of them: the oldest gives way.

    Whoever opens connections and asks for nothing would otherwise take the descriptors that
    recordings and commands need.

    Parameters
    ----------
    most : int
        Most connections.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[asyncio.Transport, None] = {}

    def enter(self, transport: asyncio.Transport) -> None:
        """A connection was opened."""
        self._waiting[transport] = None
        while len(self._waiting) > self._most:
            oldest = next(iter(self._waiting))
            self.leave(oldest)
            oldest.abort()

    def leave(self, transport: asyncio.Transport) -> None:
        """It is a page now, or has ended."""
        self._waiting.pop(transport, None)


class Doorkeeper:
    """Who may have the page, and who may open a connection to it.

    A page of another site could reach this server through its visitor's browser. Its connections
    carry its own origin; and where it has its own name lead here (DNS rebinding), the request
    carries that name. Both are refused.

    Parameters
    ----------
    host : str
        Where the server listens.
    """

    def __init__(self, host: str) -> None:
        own = socket.gethostname().lower()
        self._names = {"localhost", "127.0.0.1", "::1", host.lower()}
        self._open = not is_loopback(host)
        if self._open:
            self._names |= {own, f"{own}.local"}

    def knows(self, host: str) -> bool:
        """Whether a request's ``Host`` is a name of this machine.

        An address is no name that somebody else could have led here.
        """
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found["six"] or found["name"]).lower()
        with suppress(ValueError):
            address = ipaddress.ip_address(name)
            if bool(found["six"]) != (address.version == 6):
                return False
            return self._open or str(address) in self._names
        return found["six"] is None and name in self._names

    def is_own(self, origin: str | None, host: str) -> bool:
        """Whether a connection comes from this server's page; a program sends no origin."""
        return origin is None or origin.lower() in (
            f"http://{host.lower()}",
            f"https://{host.lower()}",
        )


def content_policy(host: str) -> str:
    """What a browser may load for the page: its own files, and the connection to its server.

    Parameters
    ----------
    host : str
        As in the request, known to the doorkeeper; older browsers take ``'self'`` for no
        WebSocket.
    """
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
        f"connect-src 'self' ws://{host} wss://{host}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
