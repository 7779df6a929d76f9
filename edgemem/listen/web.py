"""A live page: what is heard, scrolling, with thresholds to move."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edgemem import __version__
from edgemem.errors import ConfigError, MissingExtraError
from edgemem.listen.web_doors import Doorkeeper, Hall, bind, content_policy, is_loopback
from edgemem.listen.web_frames import Frames, WebFacts, event_message, joined, status_message
from edgemem.listen.web_rules import Sliders, rule_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from edgemem.listen.types import Controls, Moment
    from edgemem.runtime.rule import DetectorConfig

LIVE = "/live"
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
# Seconds of frames in one message, and seconds that a page sees of the past when it opens.
BATCH = 0.08
PAST = 12.0
# Messages kept for a page that reads slowly; of frames the newest, then events.
FRAMES_KEPT, TEXTS_KEPT = 32, 64
# Seconds after which a page that takes nothing is dropped.
SLOW = 10.0
EVENTS_KEPT = 50
MOST_PAGES = 8
# Connections that have not opened a page, and seconds that they get for it.
MOST_UNFINISHED = 16
UNFINISHED = 5
# Bytes of the largest message that a page may send, and bad ones that are forgiven.
LARGEST = 2048
FORGIVEN = 10
# Seconds that a closing server gives its pages.
PATIENCE = 2.0

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _Page:
    """A page that is open: what it has still to be told."""

    def __init__(self) -> None:
        self.frames: deque[bytes] = deque(maxlen=FRAMES_KEPT)
        self.texts: deque[str] = deque(maxlen=TEXTS_KEPT)
        self.news = asyncio.Event()
        self.bad = 0


class WebSink:
    """Shows moments to browsers; listens from its construction on.

    The loop only leaves moments in short queues; one thread packs them up for the pages. A page
    that reads slowly skips frames, one that reads nothing is dropped.

    Parameters
    ----------
    port : int
        0 takes a free one.
    host : str
        Address to listen on; others than the loopback's let everybody in the network in.
    facts : WebFacts
    controls : Controls
        Takes the decision rules that sliders make.
    status : callable, optional
        Gives what else the page shows, about once a second: ``share`` of real time that the loop
        works, ``dropped`` samples, ``missing`` seconds, ``memory`` in MiB, ``source``; what is not
        there is not shown.
    report : callable
        Takes a sentence for whoever started the program.

    Raises
    ------
    ConfigError
        If the port cannot be had.
    MissingExtraError
        If websockets is not installed.
    """

    wants_frames = True

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        *,
        facts: WebFacts,
        controls: Controls,
        status: Callable[[], Mapping[str, Any]] | None = None,
        report: Callable[[str], None],
    ) -> None:
        try:
            import websockets.asyncio.server  # noqa: F401
        except ImportError:
            raise MissingExtraError("the live page", "websockets", "web") from None
        self._facts = facts
        self._controls = controls
        self._status = status
        self._rule = controls.current
        self._fires = [label for label in facts.labels if label not in self._rule.ignore]
        self._sliders = Sliders(controls, self._fires)
        self._doorkeeper = Doorkeeper(host)
        self._hall = Hall(MOST_UNFINISHED)
        self._files = {
            path: (resources.files(__package__).joinpath(name).read_bytes(), kind)
            for path, (name, kind) in FILES.items()
        }
        # what the loop leaves for the thread
        self._new_frames: deque[Frames] = deque(maxlen=FRAMES_KEPT)
        self._new_texts: deque[dict[str, Any]] = deque(maxlen=TEXTS_KEPT)
        self._part: list[tuple[Any, Any, int]] = []
        self._told = float("-inf")
        # what the thread knows
        self._pages: set[_Page] = set()
        self._past: deque[Frames] = deque()
        self._events: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self._socket = bind(host, port)
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgemem-web", daemon=True)
        self._thread.start()
        self._ready.wait(PATIENCE)
        if not is_loopback(host):
            report(
                f"web: {self.url} is open to everybody in the network: they see what is heard "
                "and can move its thresholds"
            )

    # --- in the loop's thread ---

    def take(self, moment: Moment) -> None:
        """Leave a moment for the pages; never waits for them.

        Parameters
        ----------
        moment : Moment
        """
        if moment.features is not None and moment.posteriors is not None:
            self._gather(moment)
        self._new_texts.extend(event_message(heard) for heard in moment.events)
        if self._controls.current is not self._rule:
            self._rule = self._controls.current
            self._new_texts.append(self._rule_message(self._rule))
        now = time.monotonic()
        if self._status is not None and now - self._told >= 1.0:
            self._told = now
            self._new_texts.append(status_message(self._status()))
        if self._new_frames or self._new_texts:
            self._wake(self._share)

    def _gather(self, moment: Moment) -> None:
        samples = moment.samples
        peak = int(np.abs(samples.astype(np.int32)).max()) if len(samples) else 0
        self._part.append((moment.features, moment.posteriors, peak))
        if sum(len(part[0]) for part in self._part) * self._facts.frame_period < BATCH:
            return
        features, posteriors, peaks = zip(*self._part)
        self._part.clear()
        end = (moment.position + len(samples)) / self._facts.sample_rate
        self._new_frames.append(
            Frames.of(end, np.concatenate(features), np.concatenate(posteriors), max(peaks))
        )

    def _rule_message(self, rule: DetectorConfig) -> dict[str, Any]:
        return rule_message(rule, self._facts.labels, self._sliders.made(rule))

    def _wake(self, action: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the thread has ended
            self._loop.call_soon_threadsafe(action)

    def close(self, patience: float = math.inf) -> None:
        """Say goodbye to the pages; takes a few seconds at most."""
        self._wake(lambda: self._closing.set())
        self._thread.join(min(2 * PATIENCE, patience))

    # --- in the server's thread ---

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    async def _main(self) -> None:
        from websockets.asyncio.server import ServerConnection, serve

        self._closing = asyncio.Event()
        transports: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        hall = self._hall

        class Connection(ServerConnection):
            """One whose transport is at hand when the server ends, or others want its place."""

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                transports.add(cast(asyncio.Transport, transport))
                super().connection_made(transport)
                hall.enter(cast(asyncio.Transport, transport))

            def connection_lost(self, exc: Exception | None) -> None:
                hall.leave(self.transport)
                super().connection_lost(exc)

        # What strangers send is no news for whoever runs this, nor is what they cost.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        logger = logging.Logger("edgemem.listen.web", logging.CRITICAL + 1)
        server = await serve(
            self._attend,
            sock=self._socket,
            create_connection=Connection,
            process_request=self._answer,
            server_header=None,
            compression=None,
            max_size=LARGEST,
            max_queue=4,
            open_timeout=UNFINISHED,
            close_timeout=1,
            logger=logger,
            backlog=MOST_UNFINISHED,  # as many are taken in at once
        )
        self._ready.set()
        await self._closing.wait()
        server.close()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(server.wait_closed()), PATIENCE)
        # Browsers also hold connections over which they never asked for anything.
        for transport in transports:
            transport.abort()
        remaining = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The page's files; None lets a connection to it pass."""
        hosts = request.headers.get_all("Host")
        origins = request.headers.get_all("Origin")
        path = request.path.partition("?")[0]
        if len(hosts) != 1 or not self._doorkeeper.knows(hosts[0]):
            return self._page(421, b"This server does not go by that name.\n")
        if getattr(request, "method", "GET") != "GET":
            return self._page(405, b"Only GET.\n")
        if path == LIVE:
            if len(origins) > 1 or not self._doorkeeper.is_own(next(iter(origins), None), hosts[0]):
                return self._page(403, b"Only this server's own page may connect.\n")
            if len(self._pages) >= MOST_PAGES:
                return self._page(503, b"Too many pages are open.\n")
            return None
        if path not in self._files:
            return self._page(404, b"There is only one page, /.\n")
        body, kind = self._files[path]
        return self._page(200, body, kind, hosts[0])

    def _page(
        self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8", host: str = ""
    ) -> Response:
        from websockets.datastructures import Headers
        from websockets.http11 import Response

        lines = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Content-Security-Policy": content_policy(host) if host else "default-src 'none'",
            **HEADERS,
        }
        return Response(status, HTTPStatus(status).phrase, Headers(lines), body)

    async def _attend(self, connection: ServerConnection) -> None:
        """One page, from its opening to its end."""
        from websockets.exceptions import ConnectionClosed

        self._hall.leave(connection.transport)
        page = _Page()
        page.texts.append(json.dumps(self._hello()))
        if self._past:
            page.frames.append(joined(self._past).to_bytes())
        page.news.set()
        self._pages.add(page)
        telling = asyncio.ensure_future(self._tell(connection, page))
        try:
            async for message in connection:
                self._hear(page, message)
                if page.bad > FORGIVEN:
                    await connection.close(1008, "too many messages that make no sense")
        except ConnectionClosed:
            pass
        finally:
            self._pages.discard(page)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell(self, connection: ServerConnection, page: _Page) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                await page.news.wait()
                page.news.clear()
                while page.texts or page.frames:
                    line: deque[Any] = page.texts or page.frames
                    await asyncio.wait_for(connection.send(line.popleft()), SLOW)
        except asyncio.TimeoutError:
            connection.transport.abort()
        except ConnectionClosed:
            pass

    def _hear(self, page: _Page, message: str | bytes) -> None:
        try:
            self._sliders.hear(message)
        except ConfigError as error:
            page.bad += 1
            page.texts.append(json.dumps({"kind": "refused", "reason": str(error)}))
            page.news.set()

    def _share(self) -> None:
        """Hand what the loop left to every page."""
        while self._new_texts:
            text = self._new_texts.popleft()
            if text["kind"] == "event":
                self._events.append(text)
            line = json.dumps(text)
            for page in self._pages:
                page.texts.append(line)
        while self._new_frames:
            frames = self._new_frames.popleft()
            self._past.append(frames)
            block = frames.to_bytes()
            for page in self._pages:
                page.frames.append(block)
        while self._past and self._past[0].end < self._past[-1].end - PAST:
            self._past.popleft()
        for page in self._pages:
            page.news.set()

    def _hello(self) -> dict[str, Any]:
        facts = self._facts
        return {
            "kind": "hello",
            "version": __version__,
            "name": facts.name,
            "labels": facts.labels,
            "fires": self._fires,
            "frame_period": facts.frame_period,
            "sample_rate": facts.sample_rate,
            "stack": facts.stack,
            "axis": facts.axis,
            "rule": self._rule_message(self._controls.current),
            "events": list(self._events),
        }
