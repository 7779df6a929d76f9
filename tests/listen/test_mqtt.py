"""Events through a real mosquitto on the loopback, read by a paho client of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edgemem.errors import ConfigError, MissingExtraError
from edgemem.listen import mqtt
from edgemem.listen.mqtt import Broker, MqttSink, address_of, check_topic, discovery_message
from edgemem.listen.types import Heard, Moment

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="no mosquitto; scripts/install-tools installs it"
)
LABELS = ("yes", "no")
PATIENCE = 30.0


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def moment(*indices: int) -> Moment:
    events = tuple(Heard(float(i), 1_700_000_000.0 + i, LABELS[i % 2], 0.9) for i in indices)
    return Moment(0, np.zeros(320, np.int16), None, None, events)


class Mosquitto:
    """A broker of our own: started, killed and started again on one port."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self.config = folder / "mosquitto.conf"
        # Sessions are on disk after each change, so that a broker that is killed knows its
        # subscribers afterwards.
        self.config.write_text(
            "\n".join(
                [
                    f"listener {self.port} 127.0.0.1",
                    "user root",  # as root it would leave, and could not read the folder
                    "persistence true",
                    f"persistence_location {folder}/",
                    "autosave_on_changes true",
                    "autosave_interval 1",
                    *([] if lines else ["allow_anonymous true"]),
                    *lines,
                ]
            )
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        command = [MOSQUITTO, "-c", str(self.config)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(self.answers, "mosquitto")

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


class Subscriber:
    """A client that keeps what it is told; its session outlives a connection."""

    def __init__(self, port: int, user: str | None = None, password: str | None = None) -> None:
        self.messages: list[tuple[str, str, bool]] = []
        self.subscribed = False
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="reader", clean_session=False)
        if user is not None:
            self.client.username_pw_set(user, password)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        until(lambda: self.subscribed, "the subscription")

    def _on_subscribe(self, *_: Any) -> None:
        self.subscribed = True

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self.messages.append((message.topic, message.payload.decode(), message.retain))

    def of(self, topic: str) -> list[str]:
        return [payload for name, payload, _ in list(self.messages) if name == topic]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Events once each: QoS 1 may bring one twice, session and sequence tell."""
        events: dict[tuple[str, int], dict[str, Any]] = {}
        for payload in self.of("home/event"):
            event = json.loads(payload)
            events.setdefault((event["session"], event["sequence"]), event)
        return list(events.values())

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def reading(port: int, *who: str) -> Iterator[Subscriber]:
    subscriber = Subscriber(port, *who)
    try:
        yield subscriber
    finally:
        subscriber.close()


@contextmanager
def sending(broker: Broker, **options: Any) -> Iterator[tuple[MqttSink, list[str]]]:
    said: list[str] = []
    sink = MqttSink(broker, "home", LABELS, report=said.append, retry=(1, 1), **options)
    try:
        yield sink, said
    finally:
        sink.close()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    yield broker
    broker.kill()


@needs_mosquitto
def test_events_arrive_with_what_they_say_and_status_around_them(mosquitto: Mosquitto) -> None:
    mosquitto.start()
    with reading(mosquitto.port) as reader:
        with sending(Broker("127.0.0.1", mosquitto.port)) as (sink, said):
            sink.take(moment())
            sink.take(moment(0, 1))
            sink.take(moment(2))
            until(lambda: len(reader.events) == 3, "three events")
            until(lambda: sink.waiting == 0, "acknowledgements")
        until(lambda: len(reader.of("home/status")) == 2, "the farewell")
    assert reader.of("home/status") == ["online", "offline"]
    first = reader.events[0]
    assert len(first.pop("session")) == 32
    assert first == {
        "time": 0.0,
        "at": "2023-11-14T22:13:20.000Z",
        "label": "yes",
        "score": 0.9,
        "sequence": 1,
    }
    assert [event["sequence"] for event in reader.events] == [1, 2, 3]
    assert said == []
    assert sink.dropped == 0


@needs_mosquitto
def test_a_broker_that_comes_later_and_is_killed_gets_all_events_in_order(
    mosquitto: Mosquitto,
) -> None:
    with sending(Broker("127.0.0.1", mosquitto.port)) as (sink, said):
        for i in range(20):
            sink.take(moment(i))
        until(lambda: len(said) == 1, "word that the broker is away")
        mosquitto.start()
        with reading(mosquitto.port) as reader:
            for i in range(20, 40):
                sink.take(moment(i))
            # events before the reader's subscription are gone for it, not for the broker
            until(lambda: sink.waiting == 0, "acknowledgements")
            sink.take(moment(100))
            until(lambda: any(e["time"] == 100 for e in reader.events), "an event")
            time.sleep(1.5)  # the broker writes the reader's session
            mosquitto.kill()
            for i in range(200, 300):
                sink.take(moment(i))
            until(lambda: len(said) == 3, "word that it is away again")
            assert sink.waiting == 100
            mosquitto.start()
            until(lambda: any(e["time"] == 299 for e in reader.events), "the last event")
            times = [event["time"] for event in reader.events]
    assert times == sorted(times)
    assert times[-101:] == [100, *range(200, 300)]
    assert sink.dropped == 0
    # once an outage, not once a try
    assert [sentence.partition(" ")[2].split()[0] for sentence in said] == [
        "cannot",
        "connected",
        "lost",
        "connected",
    ]


@needs_mosquitto
def test_a_broker_that_hangs_holds_up_nobody(mosquitto: Mosquitto) -> None:
    mosquitto.start()
    assert mosquitto.process is not None
    with (
        reading(mosquitto.port) as reader,
        sending(Broker("127.0.0.1", mosquitto.port)) as (sink, said),
    ):
        until(lambda: reader.of("home/status") == ["online"], "the greeting")
        mosquitto.process.send_signal(signal.SIGSTOP)
        for i in range(100):
            sink.take(moment(i))
        assert sink.waiting == 100
        mosquitto.process.send_signal(signal.SIGCONT)
        until(lambda: len(reader.events) == 100, "all events")
        assert [event["time"] for event in reader.events] == list(range(100))
        assert said == []


@needs_mosquitto
def test_the_will_speaks_for_a_process_that_was_killed(mosquitto: Mosquitto) -> None:
    program = (
        "import sys, time\n"
        "from edgemem.listen.mqtt import Broker, MqttSink\n"
        "MqttSink(Broker('127.0.0.1', int(sys.argv[1])), 'home', ['yes'], report=print)\n"
        "time.sleep(600)\n"
    )
    mosquitto.start()
    with reading(mosquitto.port) as reader:
        child = subprocess.Popen([sys.executable, "-c", program, str(mosquitto.port)])
        try:
            until(lambda: reader.of("home/status") == ["online"], "the greeting")
        finally:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
        until(lambda: reader.of("home/status") == ["online", "offline"], "the will")
    with reading(mosquitto.port) as late:
        until(lambda: ("home/status", "offline", True) in late.messages, "the retained status")


@needs_mosquitto
def test_a_refused_password_is_said_once_and_tried_again(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd")
    assert tool is not None
    subprocess.run([tool, "-c", "-b", str(passwords), "pi", "right"], check=True)
    guarded = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    guarded.start()
    try:
        with sending(Broker("127.0.0.1", guarded.port, "pi", "wrong")) as (sink, said):
            sink.take(moment(0))
            until(lambda: bool(said), "word of the refusal")
            # The right password under the same name: what was wrong is mended on the broker.
            subprocess.run([tool, "-b", str(passwords), "pi", "wrong"], check=True)
            time.sleep(2.5)  # two more refusals
            assert len(said) == 1
            assert guarded.process is not None
            guarded.process.send_signal(signal.SIGHUP)
            until(lambda: sink.waiting == 0, "the event to be taken")
        with reading(guarded.port, "pi", "wrong") as reader:
            assert reader.subscribed
    finally:
        guarded.kill()
    assert "refused the connection" in said[0]
    assert "authori" in said[0].lower()
    assert said[1:] == [f"MQTT: connected to 127.0.0.1:{guarded.port}"]


# paho leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
@needs_mosquitto
def test_a_certificate_is_checked(tmp_path: Path, mosquitto: Mosquitto) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files],
        check=True,
        capture_output=True,
    )
    secure = Mosquitto(
        tmp_path, "allow_anonymous true", f"certfile {certificate}", f"keyfile {key}"
    )
    secure.start()
    try:
        with sending(Broker("127.0.0.1", secure.port, ca_file=certificate)) as (sink, said):
            sink.take(moment(0))
            until(lambda: sink.waiting == 0, "the event to be taken")
            assert said == []
        with sending(Broker("127.0.0.1", secure.port, tls=True)) as (sink, said):
            until(lambda: bool(said), "word of an unknown certificate")
    finally:
        secure.kill()
    assert "certificate" in said[0].lower()


@needs_mosquitto
def test_home_assistant_is_told_what_there_is(mosquitto: Mosquitto) -> None:
    mosquitto.start()
    with sending(Broker("127.0.0.1", mosquitto.port), discovery="homeassistant") as (sink, _):
        sink.take(moment(0))
        until(lambda: sink.waiting == 0, "the event to be taken")
        with reading(mosquitto.port) as late:
            topic = "homeassistant/event/home/keyword/config"
            until(lambda: bool(late.of(topic)), "the retained discovery message")
    config = json.loads(late.of(topic)[0])
    # what Home Assistant requires of an event entity
    assert config["state_topic"] == "home/event"
    assert config["event_types"] == ["yes", "no"]
    assert config["availability_topic"] == "home/status"


def test_a_full_queue_drops_the_oldest_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "KEPT", 10)
    monkeypatch.setattr(mqtt, "PATIENCE", 0.05)
    with sending(Broker("127.0.0.1", free_port())) as (sink, said):
        for i in range(25):
            sink.take(moment(i))
        assert (sink.waiting, sink.dropped) == (10, 15)
        kept = [json.loads(message.payload)["time"] for message in sink._waiting]
    assert kept == list(range(15, 25))
    assert sum("oldest are dropped" in sentence for sentence in said) == 1
    assert said[-1].startswith(
        "MQTT: 9 events were not delivered"
    )  # one made room for the farewell


def test_closing_twice_and_without_a_broker_is_quick() -> None:
    with sending(Broker("127.0.0.1", free_port())) as (sink, _):
        sink.close()
        sink.close()


@pytest.mark.parametrize("topic", ["", "/home", "home/", "a/#", "a/+/b", "$SYS/x", "a\0b"])
def test_a_topic_that_cannot_be_published_to_is_refused(topic: str) -> None:
    with pytest.raises(ConfigError, match="MQTT: topic is"):
        check_topic(topic)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"host": ""}, "no name or address"),
        ({"host": "a" * 70}, "no name or address"),
        ({"host": "pi", "port": 0}, "port is 0"),
        ({"host": "pi", "port": 70000}, "port is 70000"),
        ({"host": "pi", "password": "x"}, "needs a user"),
    ],
)
def test_a_broker_that_cannot_be_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Broker(**values)


def test_a_missing_file_of_certificates_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read certificates from .*nowhere\.pem"):
        MqttSink(
            Broker("127.0.0.1", ca_file=tmp_path / "nowhere.pem"), "home", LABELS, report=print
        )


def test_without_paho_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[mqtt\]"):
        MqttSink(Broker("127.0.0.1"), "home", LABELS, report=print)


def test_discovery_makes_a_name_of_any_topic() -> None:
    topic, payload = discovery_message("homeassistant", "küche/ohr 1", LABELS)
    assert topic == "homeassistant/event/k_che_ohr_1/keyword/config"
    assert json.loads(payload)["unique_id"] == "k_che_ohr_1_keyword"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("broker.lan", ("broker.lan", None)),
        ("192.168.0.2:8883", ("192.168.0.2", 8883)),
        ("[fe80::1]:1884", ("fe80::1", 1884)),
        ("[::1]", ("::1", None)),
    ],
)
def test_an_address_is_a_host_and_perhaps_a_port(
    text: str, expected: tuple[str, int | None]
) -> None:
    assert address_of(text) == expected


@pytest.mark.parametrize("text", ["", ":1883", "a:b", "a:99999", "a/b", "me@a", "mqtt://a", "[::1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST, HOST:PORT or"):
        address_of(text)
