"""Listen to a microphone for weeks: events as JSON lines, to commands, MQTT, a live page."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from typing import BinaryIO

    from edgemem.listen.mqtt import Broker
    from edgemem.listen.service import MakeSink, Surroundings
    from edgemem.listen.sources import Source
    from edgemem.listen.types import Sink

PASSWORD = "EDGEMEM_MQTT_PASSWORD"


@click.command(
    epilog="Example: edgemem listen kws12-lmu --exec 'logger heard {label}' --record-events heard"
)
@click.argument("file", required=False)
@click.argument("source", required=False)
@click.option("--fast", is_flag=True, help="Hear a file as fast as it goes, not in real time.")
@click.option("--device", metavar="NAME", help="The microphone, as --list-devices names it.")
@click.option(
    "--recorder",
    type=click.Choice(["sounddevice", "arecord", "pw-record"]),
    help="What records; the first of these that is here without.",
)
@click.option("--list-devices", is_flag=True, help="List the microphones, and hear nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --list-devices: as JSON.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="TOML",
    help="Decision rule, per keyword too; read again on SIGHUP.",
)
@click.option("--exec", "execute", metavar="COMMAND", help="Run a command for each event.")
@click.option(
    "--record-events",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Keep the sound around each event.",
)
@click.option("--before", default=2.0, show_default=True, help="Seconds kept before an event.")
@click.option("--after", default=1.0, show_default=True, help="Seconds kept after an event.")
@click.option(
    "--record-limit",
    default=100.0,
    show_default=True,
    metavar="MB",
    help="Most that the recordings take; the oldest give way.",
)
@click.option("--mqtt", metavar="HOST[:PORT]", help="Publish events to a broker (extra mqtt).")
@click.option(
    "--mqtt-topic",
    default="edgemem",
    show_default=True,
    metavar="TOPIC",
    help="Topic above events and state.",
)
@click.option("--mqtt-user", metavar="NAME", help=f"With the password in {PASSWORD}.")
@click.option("--mqtt-tls", is_flag=True, help="Encrypt, and check the broker's certificate.")
@click.option(
    "--mqtt-ca",
    type=click.Path(path_type=Path),
    metavar="PEM",
    help="Certificates that vouch for the broker's; implies --mqtt-tls.",
)
@click.option(
    "--mqtt-discovery",
    is_flag=False,
    flag_value="homeassistant",
    metavar="[PREFIX]",
    help="Tell Home Assistant what there is; its prefix, homeassistant without.",
)
@click.option("--web", type=int, metavar="PORT", help="Show a live page (extra web).")
@click.option(
    "--web-host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where the page answers.",
)
@click.option(
    "--queue", default=5.0, show_default=True, help="Seconds of sound that may wait to be heard."
)
@click.option(
    "--retry",
    default=60.0,
    show_default=True,
    help="Longest pause in seconds between two tries for a microphone that was lost; 0 ends.",
)
@click.option(
    "--stats",
    default=0.0,
    metavar="SECONDS",
    help="Say on standard error how the loop does, so often.",
)
def command(
    file: str | None,
    source: str | None,
    list_devices: bool,
    as_json: bool,
    queue: float,
    config: Path | None,
    stats: float,
    **options: Any,
) -> None:
    """Listen for keywords until told to stop.

    FILE is a converted network or the name of a pretrained one. Without a SOURCE it hears the
    microphone; "-" is raw 16-bit PCM, 16 kHz, mono, on standard input, and so is a FIFO by its
    name; a sound file is played in real time. Each event is a line
    {"time": seconds of sound, "at": UTC, "label": ..., "score": ...}.

    A microphone that is lost is waited for. SIGTERM and SIGINT end, SIGHUP reads --config again.
    In the COMMAND of --exec, which no shell reads, {label}, {score}, {time} and {at} are filled in;
    its environment has EDGEMEM_LABEL and so on.
    """
    from edgemem.listen.service import Settings, listen, status_of

    if list_devices:
        _list_devices(options["recorder"], as_json)
        return
    if file is None:
        raise click.UsageError(
            "missing argument FILE: a converted network, or a name such as "
            "kws12-lmu (edgemem models lists them)"
        )
    settings = Settings(queue, config, stats)
    makers = _makers(options)
    from edgemem.runtime.network import open_network

    network = open_network(file)
    ended = listen(network, _source(source, options), makers, settings)
    raise SystemExit(status_of(ended))


def _list_devices(recorder: str | None, as_json: bool) -> None:
    from edgemem.listen.microphone import devices

    found = devices(recorder)
    if as_json:
        click.echo(json.dumps([device.to_dict() for device in found]))
        return
    if not found:
        click.echo("no microphone was found", err=True)
    for device in found:
        mark = "*" if device.default else " "
        click.echo(f"{mark} {device.device:<20} {device.name} ({device.recorder})")


def _source(name: str | None, options: dict[str, Any]) -> Source:
    from edgemem.listen.reports import to_standard_error
    from edgemem.listen.sources import source_of

    if name is not None:
        return source_of(name, options["fast"])
    from edgemem.listen.microphone import Recovering, microphone

    heard = microphone(options["device"], options["recorder"])
    return Recovering(heard, to_standard_error, options["retry"])


def _makers(options: dict[str, Any]) -> list[MakeSink]:
    """Sinks that are asked for, lines first; options that cannot work are refused here."""
    makers: list[MakeSink] = [_lines]
    if options["execute"] is not None:
        makers.append(_execute(options["execute"]))
    if options["record_events"] is not None:
        makers.append(_record(options))
    if options["mqtt"] is not None:
        makers.append(_mqtt(options))
    if options["web"] is not None:
        makers.append(_web(options))
    return makers


def _lines(around: Surroundings) -> Sink:
    from edgemem.listen.lines import Lines

    return Lines(_standard_output(), around.report, around.waits)


def _standard_output() -> BinaryIO:
    from edgemem.errors import OutputError

    if sys.stdout is None:
        raise OutputError("standard output is closed; events go there")
    buffer = sys.stdout.buffer
    unbuffered: BinaryIO = getattr(buffer, "raw", buffer)
    return unbuffered


def _execute(text: str) -> MakeSink:
    from edgemem.listen.execute import Execute, check_labels, command_of

    arguments = command_of(text)

    def make(around: Surroundings) -> Sink:
        check_labels(arguments, around.keywords)
        return Execute(arguments, around.report, waits=around.waits)

    return make


def _record(options: dict[str, Any]) -> MakeSink:
    from edgemem.listen.record import Keeping, RecordEvents

    limit = round(1e6 * options["record_limit"])
    keeping = Keeping(options["before"], options["after"], limit)
    folder = options["record_events"]
    return lambda around: RecordEvents(folder, keeping, around.report, around.waits)


def _mqtt(options: dict[str, Any]) -> MakeSink:
    from edgemem.listen.mqtt import MqttSink

    broker = _broker(options)
    return lambda around: MqttSink(
        broker,
        options["mqtt_topic"],
        around.keywords,
        discovery=options["mqtt_discovery"],
        report=around.report,
    )


def _broker(options: dict[str, Any]) -> Broker:
    from edgemem.listen.mqtt import Broker, address_of

    host, port = address_of(options["mqtt"])
    encrypted = options["mqtt_tls"] or options["mqtt_ca"] is not None
    return Broker(
        host,
        port or (8883 if encrypted else 1883),
        options["mqtt_user"],
        os.environ.get(PASSWORD) if options["mqtt_user"] else None,
        encrypted,
        options["mqtt_ca"],
    )


def _web(options: dict[str, Any]) -> MakeSink:
    from edgemem.listen.web import WebSink
    from edgemem.listen.web_frames import WebFacts

    def make(around: Surroundings) -> Sink:
        sink = WebSink(
            options["web"],
            options["web_host"],
            facts=WebFacts.of(around.network),
            controls=around.controls,
            status=around.health,
            report=around.report,
        )
        around.report(f"live page: {sink.url}")
        return sink

    return make
