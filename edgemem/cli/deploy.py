"""Write a systemd unit that keeps a spotter listening, hardened; it installs nothing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgemem.listen.unit import Reach, Service

LOOPBACK = ("localhost", "127.0.0.1", "::1")
UNITS = "/etc/systemd/system"


@click.command(epilog="Example: edgemem deploy kws12-lmu --systemd --record-events --web 8765")
@click.argument("file")
@click.option("--systemd", is_flag=True, required=True, help="Write a systemd unit.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where the unit is written; NAME.service without.",
)
@click.option("--name", metavar="NAME", help="Name of the unit; that of PATH, or edgemem, without.")
@click.option("--source", metavar="SOURCE", help="A FIFO, wav or raw file instead of a microphone.")
@click.option("--device", metavar="NAME", help="The microphone, as edgemem listen takes it.")
@click.option("--mqtt", metavar="HOST[:PORT]", help="Publish events to a broker.")
@click.option(
    "--mqtt-topic", metavar="TOPIC", help="Topic of the events, as edgemem listen has it."
)
@click.option("--mqtt-user", metavar="ACCOUNT", help="Its password is read from /etc/default/NAME.")
@click.option("--mqtt-tls", is_flag=True, help="Encrypt, and check the broker's certificate.")
@click.option("--web", type=click.IntRange(1, 65535), metavar="PORT", help="Show a live page here.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="TOML",
    help="Decision rule; systemctl reload reads it again.",
)
@click.option("--record-events", is_flag=True, help="Keep the sound of events in /var/lib/NAME.")
@click.option("--user", metavar="USER", help="Account to run as; systemd makes one without.")
@click.option(
    "--memory-max", default="128M", show_default=True, metavar="SIZE", help="Limit of its memory."
)
@click.option("--force", is_flag=True, help="Replace a unit that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print path and unit as JSON.")
def command(file: str, out: Path | None, name: str | None, force: bool, **options: Any) -> None:
    """Write a systemd unit that keeps a spotter listening.

    FILE is a converted network or the name of a pretrained one. The unit runs edgemem listen from
    where it is installed now, as an account without rights, with no network unless --mqtt or --web
    ask for it, and starts it again when it fails or its loop is stuck. Nothing is installed: the
    commands that do it are printed.
    """
    from edgemem.errors import OutputError
    from edgemem.files import write_atomic
    from edgemem.listen.unit import unit_text

    name = name or (out.name[: -len(".service")] if out and out.suffix == ".service" else "edgemem")
    name = name[: -len(".service")] if name.endswith(".service") else name
    service = _service(file, name, options)
    text = unit_text(service)
    path = out or Path(f"{name}.service")
    if path.exists() and not force:
        raise OutputError(f"{path} is there already; --force replaces it")
    write_atomic(path, text.encode())
    for passing in (p for p in service.bound if p.startswith(("/tmp/", "/var/tmp/"))):
        click.echo(f"note: {passing} may be gone when the machine starts again", err=True)
    if options["as_json"]:
        click.echo(json.dumps({"path": str(path.absolute()), "unit": text}))
        return
    click.echo(f"wrote {path}; look at it, then:")
    for line in _steps(path, service):
        click.echo(f"  {line}")


def _steps(path: Path, service: Service) -> list[str]:
    from edgemem.cli.listen import PASSWORD
    from edgemem.listen.unit import password_file

    name = service.name
    kept = password_file(name)
    secret = [
        f"sudo touch {kept} && sudo chmod 600 {kept}",
        f"sudoedit {kept}   # {PASSWORD}=...",
    ]
    return [
        *(secret if service.password else []),
        f"sudo cp {shlex.quote(str(path))} {UNITS}/{name}.service",
        "sudo systemctl daemon-reload",
        f"sudo systemctl enable --now {name}",
        f"journalctl -u {name} -f",
    ]


def _service(file: str, name: str, options: dict[str, Any]) -> Service:
    from edgemem.errors import ConfigError
    from edgemem.listen import unit, unit_paths
    from edgemem.runtime.network import open_network

    unit.check_name(name)
    if options["source"] is not None and options["device"] is not None:
        raise ConfigError("--source and --device: sound comes from one of them; name one")
    if options["mqtt"] is None and any(options[f"mqtt_{x}"] for x in ("topic", "user", "tls")):
        raise ConfigError("--mqtt-topic, --mqtt-user and --mqtt-tls belong to --mqtt HOST; name it")
    _check_extras(options)
    network = open_network(file)
    words, read = _words(file, name, options)
    if options["config"] is not None:
        from edgemem.listen.rules import read_rules

        frame_period = network.frontend.frame_period
        read_rules(options["config"], network.detector, network.labels, frame_period)
    start = unit_paths.program()
    paths = {*unit_paths.installation(), *read}
    if options["user"] is None:
        unit_paths.check_readable(sorted(paths), unit_paths.HIDDEN)
    return unit.Service(
        name=name,
        description=f"edgemem: hears keywords ({network.path.stem})",
        command=(*start, "listen", *words),
        user=options["user"],
        memory_max=options["memory_max"],
        reach=_reach(options["mqtt"], options["web"]),
        microphone=options["source"] is None,
        executable_memory=options["source"] is None and _makes_code(),
        bound=unit_paths.bound(paths, unit_paths.HIDDEN),
        keeps=options["record_events"],
        password=options["mqtt_user"] is not None,
        reloads=options["config"] is not None,
    )


def _check_extras(options: dict[str, Any]) -> None:
    """Refuse what this installation, from which the unit runs, cannot do."""
    from importlib.util import find_spec

    from edgemem.errors import MissingExtraError

    if options["mqtt"] is not None and find_spec("paho") is None:
        raise MissingExtraError("--mqtt", "paho-mqtt", "mqtt")
    if options["web"] is not None and find_spec("websockets") is None:
        raise MissingExtraError("--web", "websockets", "web")


def _words(file: str, name: str, options: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Arguments of ``edgemem listen``, and the paths among them that must be readable."""
    from edgemem import pretrained

    read = []
    path = pretrained.resolve(file)
    if path == Path(file):  # else the name of a pretrained network, which it stays
        file = _path(path)
        read.append(file)
    words = []
    for option in ("device", "mqtt", "mqtt_topic", "mqtt_user", "web"):
        if options[option] is not None:
            words += [f"--{option.replace('_', '-')}", str(options[option])]
    if options["mqtt_tls"]:
        words.append("--mqtt-tls")
    if options["config"] is not None:
        read.append(_path(options["config"]))
        words += ["--config", read[-1]]
    if options["record_events"]:
        words += ["--record-events", f"/var/lib/{name}"]
    words += ["--", file]  # a name may begin with a dash
    if options["source"] is not None:
        read.append(_path(Path(options["source"])))
        words.append(read[-1])
    return words, read


def _path(path: Path) -> str:
    from edgemem.errors import ConfigError

    try:
        return str(path.resolve(strict=True))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error


def _reach(mqtt: str | None, web: int | None) -> Reach:
    from edgemem.listen.unit import Reach

    if mqtt is None:
        return Reach.NOWHERE if web is None else Reach.LOOPBACK
    from edgemem.listen.mqtt import address_of

    host, _ = address_of(mqtt)
    return Reach.LOOPBACK if host in LOOPBACK else Reach.ANYWHERE


def _makes_code() -> bool:
    """Whether the microphone is read by sounddevice, whose callbacks are made as it runs."""
    from edgemem.errors import EdgememError
    from edgemem.listen.microphone import PORTAUDIO, choose

    try:
        return choose() == PORTAUDIO
    except EdgememError:  # none here: the unit may be for later
        return False
