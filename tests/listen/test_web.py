"""The live page's server, asked by a WebSocket client and by plain HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from edgemem.errors import ConfigError, MissingExtraError
from edgemem.listen import web
from edgemem.listen.types import Controls, Heard, Moment
from edgemem.listen.web import WebSink
from edgemem.listen.web_doors import Doorkeeper, bind
from edgemem.listen.web_frames import WebFacts
from edgemem.runtime.rule import DetectorConfig

LABELS = ("_silence_", "_unknown_", "yes", "no")
PERIOD, RATE = 0.02, 16000
PATIENCE = 20.0
DESCRIPTORS = Path("/proc/self/fd")


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.01)


def moment(number: int, *events: Heard, frames: int = 5) -> Moment:
    """Five frames of 20 ms; the feature of band b in frame f is 10 f + b, the level -6 dB."""
    n = frames * 320
    features = 10.0 * np.arange(frames)[:, None] + np.arange(3)[None, :]
    posteriors = np.tile(np.array([0.0, 0.2, 0.6, 0.2]), (frames, 1))
    samples = np.full(n, 16384, np.int16)
    return Moment(
        number * n, samples, features.astype(np.float32), posteriors.astype(np.float32), events
    )


@contextmanager
def serving(**options: Any) -> Iterator[tuple[WebSink, Controls, list[str]]]:
    said: list[str] = []
    controls = Controls(DetectorConfig(threshold=0.8, release=0.5))
    facts = WebFacts("kws", LABELS, PERIOD, RATE)
    sink = WebSink(0, facts=facts, controls=controls, report=said.append, **options)
    try:
        yield sink, controls, said
    finally:
        sink.close()


def opened(sink: WebSink, **options: Any) -> ClientConnection:
    # Without a bound on what it holds: the client would wait ten seconds to part from a server
    # whose messages it did not read.
    return connect(f"ws://127.0.0.1:{sink.port}/live", max_queue=None, **options)


def told(page: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind; others are passed over."""
    while True:
        message = page.recv(timeout=PATIENCE)
        if isinstance(message, str):
            values: dict[str, Any] = json.loads(message)
            if values["kind"] == kind:
                return values


def get(
    sink: WebSink, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", sink.port, timeout=PATIENCE)) as client:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def test_the_page_and_nothing_else_is_served() -> None:
    with serving() as (sink, _, said):
        for path, kind in {"/": "html", "/page.css": "css", "/page.js": "javascript"}.items():
            status, headers, body = get(sink, path)
            assert status == 200
            assert kind in headers["content-type"]
            assert len(body) == int(headers["content-length"]) > 1000
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
        for path in ("/nothing", "/page.py", "/../web.py", "//", "/page.js/"):
            assert get(sink, path)[0] == 404
        assert get(sink, "/live")[0] == 426
    assert said == []


def test_the_page_loads_nothing_from_elsewhere() -> None:
    with serving() as (sink, _, _said):
        text = b"".join(get(sink, path)[2] for path in ("/", "/page.css", "/page.js")).decode()
    assert "//cdn" not in text
    for place in ("https://", "@import", "url("):
        assert place not in text
    assert text.count("http://") == text.count("http://www.w3.org/2000/svg")


def test_a_page_hears_frames_events_and_status() -> None:
    status = {"dropped": 7, "share": 0.01, "memory": float("nan")}
    with serving(status=lambda: status) as (sink, _, _said), opened(sink) as page:
        hello = told(page, "hello")
        assert hello["labels"] == list(LABELS)
        assert hello["fires"] == ["yes", "no"]
        assert hello["rule"]["thresholds"] == {"yes": 0.8, "no": 0.8}
        sink.take(moment(0, Heard(0.08, 1_700_000_000.0, "yes", 0.91)))
        got: dict[str, Any] = {}
        while len(got) < 3:
            message = page.recv(timeout=PATIENCE)
            if isinstance(message, bytes):
                got["frames"] = message
            else:
                got[json.loads(message)["kind"]] = json.loads(message)
    assert got["event"] == {
        "kind": "event",
        "time": 0.08,
        "at": 1_700_000_000.0,
        "label": "yes",
        "score": 0.91,
    }
    assert got["status"] == {"kind": "status", "dropped": 7, "share": 0.01}
    # the layout in words: float64 end, uint16 frames, features, labels, int16 level in 0.1 dB
    end, k, n_features, n_labels, level = struct.unpack_from("<dHHHh", got["frames"])
    assert (k, n_features, n_labels) == (5, 3, 4)
    assert end == pytest.approx(0.1)
    assert level == -60
    features = np.frombuffer(got["frames"], "<i2", 15, offset=16).reshape(5, 3)
    assert features[2].tolist() == [32 * 20, 32 * 21, 32 * 22]
    posteriors = np.frombuffer(got["frames"], "u1", offset=16 + 30).reshape(5, 4)
    assert posteriors[4].tolist() == [0, 51, 153, 51]


def test_a_page_that_opens_late_sees_the_last_seconds_and_events() -> None:
    with serving() as (sink, _, _said):
        with opened(sink) as early:
            for number in range(30):
                events = [Heard(0.1 * number, 0.0, "no", 0.9)] if number % 10 == 0 else []
                sink.take(moment(number, *events))
                while not isinstance(early.recv(timeout=PATIENCE), bytes):
                    pass  # until it has these frames, so that the queue skips none
        with opened(sink) as late:
            assert len(told(late, "hello")["events"]) == 3
            past = late.recv(timeout=PATIENCE)
    assert isinstance(past, bytes)
    assert struct.unpack_from("<dH", past) == (pytest.approx(3.0), 150)


def test_a_slider_proposes_a_rule_and_every_page_is_told() -> None:
    with serving() as (sink, controls, _), opened(sink) as page, opened(sink) as other:
        page.send(json.dumps({"kind": "threshold", "label": None, "value": 0.4}))
        until(lambda: controls.current.threshold == 0.4, "the common threshold")
        assert controls.current.release == 0.4
        page.send(json.dumps({"kind": "threshold", "label": "yes", "value": 0.3}))
        until(lambda: controls.current.rule("yes").threshold == 0.3, "that of yes")
        assert controls.current.rule("no").threshold == 0.4
        sink.take(moment(0))
        rule = told(other, "rule")
        assert rule["thresholds"] == {"yes": 0.3, "no": 0.4}
        assert rule["own"] == ["yes"]
        assert rule["moved"]
        with opened(sink) as late:
            assert told(late, "hello")["rule"] == rule
        page.send(json.dumps({"kind": "reset"}))
        until(lambda: controls.current.threshold == 0.8, "the rule of the beginning")
        assert not controls.current.keywords


NONSENSE = [
    "",
    "{",
    "[" * 1500,
    "null",
    "[]",
    '{"kind": "threshold"}',
    '{"kind": "threshold", "label": null, "value": NaN}',
    '{"kind": "threshold", "label": null, "value": 1e999}',
    '{"kind": "threshold", "label": null, "value": -1}',
    '{"kind": "threshold", "label": null, "value": true}',
    '{"kind": "threshold", "label": null, "value": "0.5"}',
    '{"kind": "threshold", "label": "_unknown_", "value": 0.5}',
    '{"kind": "threshold", "label": ["yes"], "value": 0.5}',
    '{"kind": "threshold", "label": null, "value": 0.5, "more": 1}',
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("message", NONSENSE)
def test_what_makes_no_sense_is_refused_and_changes_nothing(message: str | bytes) -> None:
    with serving() as (sink, controls, _), opened(sink) as page:
        before = controls.current
        page.send(message)
        assert told(page, "refused")["reason"]
        assert controls.current is before


def test_a_page_that_talks_nonsense_is_shown_out_and_a_huge_message_at_once() -> None:
    with serving() as (sink, _, _said):
        with opened(sink) as page, pytest.raises(ConnectionClosed) as shut:
            for _ in range(200):
                page.send("{")
                page.recv(timeout=PATIENCE)
        assert shut.value.rcvd is not None
        assert shut.value.rcvd.code == 1008
        with opened(sink) as page, pytest.raises(ConnectionClosed) as shut:
            page.send("x" * 100_000)
            while True:
                page.recv(timeout=PATIENCE)
        assert shut.value.rcvd is not None
        assert shut.value.rcvd.code == 1009


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost"]
)
def test_a_page_of_another_site_may_not_connect(origin: str) -> None:
    with serving() as (sink, _, _said), pytest.raises(InvalidStatus) as refused:
        opened(sink, origin=origin)
    assert refused.value.response.status_code == 403


def test_the_own_page_may_connect() -> None:
    with serving() as (sink, _, _said):
        own = f"http://127.0.0.1:{sink.port}"
        with opened(sink, origin=own) as page:
            assert told(page, "hello")


def test_another_name_that_leads_here_is_refused() -> None:
    with serving() as (sink, _, _said):
        for host in (
            "evil.example",
            f"evil.example:{sink.port}",
            "192.168.1.7",
            "",
            "[::2]:80",
            "[::1]evil.com",
            "[::1].evil.com:80",
            "evil[::1]",
            "[localhost]",
            "[127.0.0.1]",
            "::1",
            "localhost:80:evil.com",
            "localhost@evil.com",
            "localhost/evil.com",
            "localhost, evil.com",
            "localhost:",
        ):
            assert get(sink, "/", Host=host)[0] == 421
        for host in (
            f"localhost:{sink.port}",
            "127.0.0.1",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]",
            "LOCALHOST:9",
        ):
            assert get(sink, "/", Host=host)[0] == 200


def test_connections_that_ask_for_nothing_take_no_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web, "UNFINISHED", 60)
    monkeypatch.setattr(web, "MOST_UNFINISHED", 5)
    with serving() as (sink, _, said), opened(sink) as page, ExitStack() as stack:
        assert told(page, "hello")
        before = len(list(DESCRIPTORS.iterdir()))
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", sink.port), PATIENCE))
            for _ in range(100)
        ]
        idle[-1].sendall(b"GET / HTTP/1.1\r\nHost:")  # half of a request is none
        for connection in idle[:95]:
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        taken = len(list(DESCRIPTORS.iterdir())) - before - len(idle)
        assert taken <= 5
        # the newest may still ask, and so may whoever comes later
        assert get(sink, "/")[0] == 200
        sink.take(moment(0, Heard(0.1, 0.0, "yes", 0.9)))
        assert told(page, "event")
    assert not said


def test_in_a_network_addresses_and_the_own_name_are_known() -> None:
    doorkeeper = Doorkeeper("0.0.0.0")
    own = socket.gethostname()
    assert all(map(doorkeeper.knows, ("192.168.1.7:8000", "[fe80::1]:80", own, f"{own}.local:80")))
    assert not doorkeeper.knows("evil.example:8000")


def test_a_network_address_is_warned_of() -> None:
    with serving(host="0.0.0.0") as (_, _controls, said):
        assert len(said) == 1
    assert "open to everybody in the network" in said[0]


def test_only_so_many_pages_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_PAGES", 2)
    with serving() as (sink, _, _said):
        with opened(sink) as one, opened(sink) as two:
            assert told(one, "hello")
            assert told(two, "hello")
            with pytest.raises(InvalidStatus) as refused:
                opened(sink)
            assert refused.value.response.status_code == 503
        until(lambda: not sink._pages, "both to be gone")
        with opened(sink) as again:
            assert told(again, "hello")


def raw_page(sink: WebSink) -> socket.socket:
    """A page that opens a connection with a small buffer and then reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", sink.port))
    sock.sendall(
        f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{sink.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return sock


def test_a_page_that_reads_nothing_holds_up_nobody_and_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web, "SLOW", 0.5)
    with serving() as (sink, _, _said), closing(raw_page(sink)), opened(sink) as good:
        until(lambda: len(sink._pages) == 2, "both pages")
        slow = next(iter(sink._pages))
        big = moment(0, frames=500)
        number, end = 0, time.monotonic() + PATIENCE
        while slow in sink._pages or number < 50:
            assert time.monotonic() < end, "the page that reads nothing is still there"
            sink.take(big)
            number += 1
            while True:
                try:
                    good.recv(timeout=0.01)
                except TimeoutError:
                    break
            assert len(slow.frames) <= web.FRAMES_KEPT
            if len(sink._pages) == 1:
                break
        assert len(sink._pages) == 1
        sink.take(moment(9, Heard(1.0, 0.0, "yes", 0.9)))
        assert told(good, "event")


def test_events_are_told_although_frames_are_skipped() -> None:
    with serving() as (sink, _, _said), opened(sink) as page:
        assert told(page, "hello")
        for number in range(400):
            sink.take(moment(number))
        sink.take(moment(400, Heard(1.0, 0.0, "yes", 0.9)))
        assert told(page, "event")["label"] == "yes"


def test_a_port_in_use_is_named() -> None:
    with closing(bind("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1: it is in use"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("127.0.0.1", 70000, "between 0 and 65535"),
        ("203.0.113.1", 0, "an address of this machine"),
        ("no such name", 0, "an address of this machine"),
    ],
)
def test_an_address_that_cannot_be_had_is_named(host: str, port: int, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        bind(host, port)


def test_closing_is_quick_with_pages_open_and_twice() -> None:
    with (
        serving() as (sink, _, _said),
        closing(raw_page(sink)),
        closing(socket.create_connection(("127.0.0.1", sink.port))),
        opened(sink) as page,
    ):
        until(lambda: len(sink._pages) == 2, "both pages")
        sink.close()
        sink.close()
        assert not sink._thread.is_alive()
        sink.take(moment(0))  # a loop that is still at work
        with pytest.raises(ConnectionClosed):
            while True:
                page.recv(timeout=PATIENCE)


def test_without_websockets_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.asyncio.server", None)
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[web\]"), serving():
        pass
