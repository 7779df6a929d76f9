"""The live page in a real headless Chromium, steered over the DevTools protocol."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from edgemem.listen.types import Controls, Heard, Moment
from edgemem.listen.web import WebSink
from edgemem.listen.web_frames import WebFacts
from edgemem.runtime.rule import DetectorConfig

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium; scripts/install-tools installs it"
)
LABELS = ("_silence_", "_unknown_", "yes", "no")
PATIENCE = 60.0
# How many colours the picture has.
COLOURS = """(() => {
    const canvas = document.getElementById("picture"), found = new Set();
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
        found.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    }
    return found.size;
})()"""


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.05)


class Tab:
    """A tab of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.complaints: list[str] = []

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._connection.send(json.dumps(message))
        while True:
            answer = json.loads(self._connection.recv(timeout=PATIENCE))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(answer["params"]))

    def value(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script: str) -> None:
        until(lambda: bool(self.value(script)), script)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A running Chromium; its port for DevTools."""
    folder = tmp_path_factory.mktemp("chromium")
    assert CHROMIUM is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    quiet = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]
    process = subprocess.Popen(
        [CHROMIUM, *options, *quiet, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
        start_new_session=True,
    )
    said = folder / "DevToolsActivePort"
    try:
        until(lambda: said.is_file() and bool(said.read_text().strip()), "Chromium")
        yield int(said.read_text().split()[0])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()


@contextmanager
def tab(browser: int, width: int = 1280, height: int = 860) -> Iterator[Tab]:
    with closing(http.client.HTTPConnection("127.0.0.1", browser, timeout=PATIENCE)) as client:
        client.request("PUT", "/json/new?about:blank")
        target = json.loads(client.getresponse().read())
    with connect(target["webSocketDebuggerUrl"], max_size=None) as connection:
        made = Tab(connection)
        for domain in ("Page", "Runtime", "Log"):
            made.call(f"{domain}.enable")
        made.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        yield made
        made.call("Page.close")


def photograph(tab: Tab, path: Path) -> bytes:
    data = base64.b64decode(tab.call("Page.captureScreenshot", format="png")["data"])
    path.write_bytes(data)
    return data


class Source(threading.Thread):
    """Feeds a sink in real time, with an event a second."""

    def __init__(self, sink: WebSink) -> None:
        super().__init__(daemon=True)
        self._sink = sink
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        rng = np.random.default_rng(1)
        number = 0
        while not self._over.wait(0.1):
            features = rng.normal(-6, 2, (5, 40)).astype(np.float32)
            posteriors = rng.dirichlet([1, 1, 8, 1], 5).astype(np.float32)
            heard = Heard(0.1 * (number + 1), time.time(), "yes", 0.93)
            events = (heard,) if number % 10 == 9 else ()
            samples = rng.integers(-900, 900, 1600).astype(np.int16)
            self._sink.take(Moment(1600 * number, samples, features, posteriors, events))
            number += 1

    def end(self) -> None:
        self._over.set()
        self.join()


@contextmanager
def serving(port: int = 0) -> Iterator[tuple[WebSink, Controls]]:
    controls = Controls(DetectorConfig(threshold=0.8, release=0.5))
    sink = WebSink(
        port,
        facts=WebFacts("kws", LABELS, 0.02, 16000),
        controls=controls,
        status=lambda: {"dropped": 8000, "missing": 1.0, "share": 0.012, "memory": 48.0},
        report=print,
    )
    source = Source(sink)
    try:
        yield sink, controls
    finally:
        source.end()
        sink.close()


def test_the_page_shows_events_moves_thresholds_and_comes_back(
    browser: int, tmp_path: Path
) -> None:
    with tab(browser) as page:
        with serving() as (sink, controls):
            port = sink.port
            page.call("Page.navigate", url=sink.url)
            page.until("document.querySelectorAll('#events time').length >= 1")
            assert page.value("document.querySelector('#events .word').textContent") == "yes"
            page.until("document.getElementById('state').textContent === 'live'")
            assert page.value("document.querySelectorAll('input[type=range]').length") == 3
            move = (
                "(() => {{ const slider = document.querySelector({0!r}); slider.value = {1}; "
                "slider.dispatchEvent(new Event('input')); }})()"
            )
            page.value(move.format("#common", 0.35))
            until(lambda: controls.current.threshold == 0.35, "the proposal")
            page.value(move.format('[data-label="no"]', 0.62))
            until(lambda: controls.current.rule("no").threshold == 0.62, "the keyword's proposal")
            page.until("document.getElementById('toml').textContent.includes('[keywords.no]')")
            assert page.value("document.getElementById('share').textContent") == "1.2 %"
            assert page.value("document.getElementById('dropped').textContent") == "1.5 s"
            # the picture is drawn: many colours, and not one even area
            page.until("document.getElementById('picture').width > 600")
            different = page.value(COLOURS)
            assert different > 100
            assert len(photograph(page, tmp_path / "page.png")) > 10_000
            page.value("document.getElementById('reset').click()")
            until(lambda: controls.current.threshold == 0.8, "the rule of the beginning")
            assert page.complaints == []
        page.until("document.getElementById('state').textContent === 'not connected'")
        with serving(port):
            page.until("document.getElementById('state').textContent === 'live'")


def test_a_phone_needs_no_scrolling_sideways(browser: int) -> None:
    with tab(browser, 360, 740) as page, serving() as (sink, _):
        page.call("Page.navigate", url=sink.url)
        page.until("document.querySelectorAll('#events time').length >= 1")
        assert page.value("document.documentElement.scrollWidth") <= 360


def test_every_control_has_a_name_for_who_cannot_see(browser: int) -> None:
    with tab(browser) as page, serving() as (sink, _):
        page.call("Page.navigate", url=sink.url)
        page.until("document.querySelectorAll('#rows input').length === 2")
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("slider", "button", "image", "log", "meter", "status")
    found = {
        role: [node["name"].get("value") for node in nodes if node["role"]["value"] == role]
        for role in roles
        for node in nodes
        if node["role"]["value"] == role and not node["ignored"]
    }
    assert sorted(found["slider"]) == ["All keywords", "Threshold of no", "Threshold of yes"]
    assert all(all(names) for role, names in found.items() if role != "status")
