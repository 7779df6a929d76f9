"""Events to an MQTT broker, each at least once and in order, also across the broker's absence."""

from __future__ import annotations

import json
import math
import sys
import threading
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemem.errors import ConfigError, MissingExtraError
from edgemem.listen.lines import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from paho.mqtt.client import Client

    from edgemem.listen.types import Heard, Moment

ONLINE, OFFLINE = "online", "offline"
# Events kept while the broker is away. At one a second that is more than half an hour.
KEPT = 2000
# Seconds that a closing sink waits for what is still to be delivered.
PATIENCE = 3.0
# A broker that went without a word is missed after one and a half of these.
KEEPALIVE = 30
# Seconds before the second try to connect; doubled up to the second number.
RETRY = (1, 30)


@dataclass(frozen=True)
class Broker:
    """Where the broker is and what it wants to know.

    Parameters
    ----------
    host : str
    port : int
    user, password : str, optional
    tls : bool
        Whether the connection is encrypted and the broker's certificate checked.
    ca_file : Path, optional
        Certificates that vouch for the broker's, instead of the system's; implies ``tls``.

    Raises
    ------
    ConfigError
        If a value cannot work.
    """

    host: str
    port: int = 1883
    user: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            known = bool(self.host.encode("idna"))
        except UnicodeError:
            known = False
        if not known:
            raise ConfigError(f"MQTT: {self.host!r} is no name or address of a broker")
        if not 1 <= self.port <= 65535:
            raise ConfigError(f"MQTT: port is {self.port}; it must lie between 1 and 65535")
        if self.password is not None and self.user is None:
            raise ConfigError("MQTT: a password needs a user")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def introduce(self, client: Client) -> None:
        """Give a client user, password and certificates.

        Raises
        ------
        ConfigError
            If the file of certificates cannot be read.
        """
        if self.user is not None:
            client.username_pw_set(self.user, self.password)
        if self.tls or self.ca_file:
            try:
                client.tls_set(ca_certs=str(self.ca_file) if self.ca_file else None)
            except OSError as error:  # ssl.SSLError is one
                raise ConfigError(
                    f"MQTT: cannot read certificates from {self.ca_file}: {error}"
                ) from error


@dataclass(frozen=True)
class _Message:
    topic: str
    payload: str
    retain: bool = False
    event: bool = False


def address_of(text: str) -> tuple[str, int | None]:
    """Host and port of a broker as a person writes them; no port where none is said.

    Raises
    ------
    ConfigError
        If it is not HOST, HOST:PORT or [IPV6]:PORT.
    """
    from urllib.parse import urlsplit

    try:
        address = urlsplit(f"//{text}")
        host, port = address.hostname or "", address.port  # a port that is none raises
    except ValueError:
        host, port = "", None
    if not host or set(text) & set("/@?#"):
        raise ConfigError(f"MQTT: got {text!r}; expected HOST, HOST:PORT or [IPV6]:PORT")
    return host, port


def check_topic(topic: str) -> str:
    """Refuse what cannot be the first part of a topic.

    Raises
    ------
    ConfigError
    """
    if not topic or topic.strip("/") != topic or topic.startswith("$") or set(topic) & set("#+\0"):
        raise ConfigError(
            f"MQTT: topic is {topic!r}; it must be words between slashes, without # and +, "
            "and not start with $"
        )
    return topic


def discovery_message(prefix: str, topic: str, labels: Sequence[str]) -> tuple[str, str]:
    """What makes an event entity of the keywords in Home Assistant.

    Parameters
    ----------
    prefix : str
        Home Assistant's discovery prefix, ``"homeassistant"`` where nobody changed it.
    topic : str
        As for :class:`MqttSink`.
    labels : sequence of str
        Labels that may fire.

    Returns
    -------
    (topic, payload) : tuple of str
        To be retained. Fields after Home Assistant's documentation of its integration MQTT Event.
    """
    node = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in topic)
    payload = {
        "name": "Keyword",
        "unique_id": f"{node}_keyword",
        "state_topic": f"{topic}/event",
        "event_types": list(labels),
        "value_template": "{{ dict(value_json, event_type=value_json.label) | tojson }}",
        "availability_topic": f"{topic}/status",
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "qos": 1,
        "icon": "mdi:ear-hearing",
        "device": {"identifiers": [node], "name": f"edgemem {topic}", "manufacturer": "edgemem"},
        "origin": {"name": "edgemem"},
    }
    return f"{check_topic(prefix)}/event/{node}/keyword/config", json.dumps(payload)


class MqttSink:
    """Publishes events to ``TOPIC/event`` and says on ``TOPIC/status`` whether it is there.

    One message is on its way at a time and the next follows its acknowledgement (QoS 1): so none
    overtakes another, also when a connection breaks and the last message is sent again. A
    subscriber may thus see an event twice, and knows it by ``session`` and ``sequence``. Events
    of the time without a broker wait, up to :data:`KEPT`; beyond that the oldest are dropped and
    counted. ``TOPIC/status`` is retained: ``online``, or ``offline`` at the end, by the broker
    itself (last will) where the process ended without a word.

    Parameters
    ----------
    broker : Broker
        It may be away; it is then tried again with growing pauses, see :data:`RETRY`.
    topic : str
    labels : sequence of str
        Labels that may fire.
    discovery : str, optional
        Prefix of Home Assistant's discovery; None sends nothing there.
    report : callable
        Takes a sentence about the broker, from another thread; one when it cannot be had and one
        when it is back, not one a try.
    retry : tuple of int
        Shortest and longest pause between two tries, in seconds.

    Raises
    ------
    ConfigError
        If topic or certificates cannot be used.
    MissingExtraError
        If paho-mqtt is not installed.
    """

    wants_frames = False

    def __init__(
        self,
        broker: Broker,
        topic: str,
        labels: Sequence[str],
        *,
        discovery: str | None = None,
        report: Callable[[str], None],
        retry: tuple[int, int] = RETRY,
    ) -> None:
        self._broker = broker
        self._topic = check_topic(topic)
        self._report = report
        self._session = uuid.uuid4().hex
        self._greeting = [_Message(f"{topic}/status", ONLINE, retain=True)]
        if discovery is not None:
            self._greeting.insert(0, _Message(*discovery_message(discovery, topic, labels), True))
        self._changed = threading.Condition()
        self._greetings: deque[_Message] = deque()
        self._waiting: deque[_Message] = deque()
        self._flying: _Message | None = None
        self._connected = False
        self._troubles: set[str] = set()
        self._sequence = 0
        self._closed = False
        self.dropped = 0
        self._client = self._connect(retry)

    def _connect(self, retry: tuple[int, int]) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise MissingExtraError("publishing events", "paho-mqtt", "mqtt") from None
        # 23 characters are what every broker must take.
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"edgemem-{self._session[:12]}")
        self._broker.introduce(client)
        client.will_set(f"{self._topic}/status", OFFLINE, qos=1, retain=True)
        client.reconnect_delay_set(*retry)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE)
        client.loop_start()
        return client

    @property
    def waiting(self) -> int:
        """Number of events that the broker has not acknowledged."""
        with self._changed:
            flying = self._flying is not None and self._flying.event
            return sum(message.event for message in self._waiting) + flying

    def take(self, moment: Moment) -> None:
        """Put a moment's events in the queue; does not wait for the network.

        Parameters
        ----------
        moment : Moment
        """
        for heard in moment.events:
            self._sequence += 1
            self._put(_Message(f"{self._topic}/event", self._payload(heard), event=True))
        if moment.events:
            self._pump(self._client)

    def close(self, patience: float = math.inf) -> None:
        """Deliver what waits, say ``offline`` and part; takes a few seconds at most."""
        if self._closed:
            return
        self._closed = True
        patience = min(PATIENCE, patience / 2)
        self._put(_Message(f"{self._topic}/status", OFFLINE, retain=True))
        self._pump(self._client)
        with self._changed:
            self._changed.wait_for(self._settled, patience)
        if self.waiting:
            self._say(f"MQTT: {self.waiting} events were not delivered to {self._broker}")
        self._client.disconnect()
        # The client's thread may be in the middle of a name look-up; it is not waited for longer.
        stop = threading.Thread(target=self._client.loop_stop, daemon=True)
        stop.start()
        stop.join(patience)

    def _settled(self) -> bool:
        if self._connected:
            return not self._waiting and self._flying is None
        # Nobody is there to be told "offline"; the will has said it.
        return not any(message.event for message in (*self._waiting, self._flying) if message)

    def _payload(self, heard: Heard) -> str:
        told = {"session": self._session, "sequence": self._sequence}
        return json.dumps({**fields_of(heard), **told})

    def _put(self, message: _Message) -> None:
        with self._changed:
            if len(self._waiting) >= KEPT:
                self._waiting.popleft()
                self.dropped += 1
                full = self.dropped == 1
            else:
                full = False
            self._waiting.append(message)
        if full:
            self._say(f"MQTT: {KEPT} events wait for {self._broker}; the oldest are dropped now")

    def _pump(self, client: Client) -> None:
        """Send the next message, unless one is on its way.

        The client is called without the lock: its own thread holds the client's locks when it
        comes here.
        """
        with self._changed:
            if not self._connected or self._flying is not None:
                return
            line = self._greetings or self._waiting
            if not line:
                return
            self._flying = message = line.popleft()
        client.publish(message.topic, message.payload, qos=1, retain=message.retain)

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            self._trouble("refused", f"{self._broker} refused the connection: {reason}")
            return
        with self._changed:
            self._connected = True
            self._greetings = deque(self._greeting)
            back = bool(self._troubles)
            self._troubles.clear()
        if back:
            self._say(f"MQTT: connected to {self._broker}")
        self._pump(client)

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        # paho calls this where it handles the exception, and passes on nothing of it.
        error = sys.exc_info()[1]
        reason = f": {getattr(error, 'strerror', None) or error}" if error else ""
        self._trouble("away", f"cannot reach {self._broker}{reason}")

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: Any, _reason: Any, _more: Any
    ) -> None:
        with self._changed:
            was, self._connected = self._connected, False
            self._changed.notify_all()
        if was and not self._closed:
            self._trouble("away", f"lost the connection to {self._broker}")

    def _on_publish(self, client: Client, _data: Any, _mid: int, _reason: Any, _more: Any) -> None:
        with self._changed:
            self._flying = None
            self._changed.notify_all()
        self._pump(client)

    def _trouble(self, kind: str, what: str) -> None:
        with self._changed:
            if kind in self._troubles:
                return
            self._troubles.add(kind)
        self._say(f"MQTT: {what}; it is tried again, and up to {KEPT} events wait")

    def _say(self, sentence: str) -> None:
        with suppress(OSError, ValueError):
            self._report(sentence)
