"""A systemd unit that keeps a spotter running, and keeps it from all that it does not need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from edgemem.errors import ConfigError

USAGE_STATUS = 2
"""Exit status of a command line that was wrong; starting it again would not mend it."""

SPECIAL = ("root", "nobody")
"""Accounts that are too strong, or that other services share."""

_PLAIN = re.compile(r"[A-Za-z0-9_/.,:=+@-]+")
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_MEMORY = re.compile(r"[1-9][0-9]*[KMGT]|infinity")
# What systemd refuses in the path of a program, or would take for something else.
_ODD = re.compile(r"[\x00-\x1f\x7f\"'\\$:]")

Lines = list[str]


class Reach(Enum):
    """How far the network reaches for a service."""

    NOWHERE = "nowhere"
    LOOPBACK = "loopback"
    ANYWHERE = "anywhere"


@dataclass(frozen=True)
class Service:
    """What a unit is made for.

    Parameters
    ----------
    name : str
        Name of the unit, without ``.service``.
    description : str
    command : tuple of str
        Absolute path of the program, and its arguments as they are to arrive.
    user : str, optional
        An account of this machine; without it systemd makes one that lives as long as the service.
    memory_max : str
        As systemd writes it: a number and K, M, G or T.
    reach : Reach
    microphone : bool
        Whether sound comes from an ALSA device.
    executable_memory : bool
        Whether the process must be able to make code as it runs.
    bound : tuple of str
        Paths in places that are otherwise hidden (home folders, temporary files), to be read.
    keeps : bool
        Whether it writes into ``/var/lib/NAME``.
    password : bool
        Whether it is to be given the MQTT password, which does not belong into a unit.
    reloads : bool
        Whether SIGHUP makes it read something again; where it does not, it ends it.

    Raises
    ------
    ConfigError
        If a field is none that systemd would take.
    """

    name: str
    description: str
    command: tuple[str, ...]
    user: str | None = None
    memory_max: str = "128M"
    reach: Reach = Reach.NOWHERE
    microphone: bool = True
    executable_memory: bool = False
    bound: tuple[str, ...] = ()
    keeps: bool = False
    password: bool = False
    reloads: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.user is not None and (not _USER.fullmatch(self.user) or self.user in SPECIAL):
            raise ConfigError(
                f"user {self.user!r}: name an unprivileged account of this machine, or none: then "
                "systemd makes one for the service"
            )
        if not _MEMORY.fullmatch(self.memory_max):
            raise ConfigError(
                f"a memory limit of {self.memory_max!r}: write a number and K, M or G, such as 128M"
            )
        for path in (self.command[0], *self.bound):
            if not path.startswith("/") or _ODD.search(path):
                raise ConfigError(
                    f"systemd takes no path like {path!r} here: it must be absolute and without "
                    "quotes, colons, backslashes and dollar signs; move it to another folder"
                )


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a unit.

    Raises
    ------
    ConfigError
    """
    if not _NAME.fullmatch(name) or name.startswith((".", "-")):
        raise ConfigError(
            f"a unit cannot be called {name!r}: use letters, digits, '-', '_', '.' and ':', "
            "at most 128"
        )


def quoted(word: str) -> str:
    """A word of a command as ``ExecStart=`` wants it (systemd.service(5), "Command lines").

    Raises
    ------
    ConfigError
        If it has a NUL, which no argument of a process can have.
    """
    if "\0" in word:
        raise ConfigError(f"an argument cannot have a NUL character: {word!r}")
    word = word.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(word.replace("%", "").replace("$", "")):
        return word
    word = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x01-\x1f\x7f]", lambda m: f"\\x{ord(m[0]):02x}", word) + '"'


def unit_text(service: Service) -> str:
    """The unit file of a service."""
    sections = {
        "Unit": _unit(service),
        "Service": [
            *_life(service),
            *_account(service),
            *_files(service),
            *_devices(service),
            *_network(service),
            *_kernel(),
            *_memory(service),
        ],
        "Install": ["WantedBy=multi-user.target"],
    }
    return "\n\n".join("\n".join([f"[{name}]", *lines]) for name, lines in sections.items()) + "\n"


def _unit(service: Service) -> Lines:
    described = " ".join(service.description.split()).replace("%", "%%").rstrip("\\")
    lines = [f"Description={described}", "After=sound.target"]
    if service.reach is Reach.ANYWHERE:
        lines += ["Wants=network-online.target", "After=network-online.target"]
    # Half an hour of failures, at the pace of RestartSec, is enough to know that it will not work.
    return [*lines, "StartLimitIntervalSec=1h", "StartLimitBurst=120"]


def _life(service: Service) -> Lines:
    # A pipe is ready when somebody writes, whenever that is.
    waits = [] if service.microphone else ["TimeoutStartSec=infinity"]
    reload = ["# reads --config again", "ExecReload=/bin/kill -HUP $MAINPID"]
    return [
        "# The loop itself says that it lives; one that is stuck is ended and started again, and",
        "# where it was stuck stands in the journal.",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={' '.join(map(quoted, service.command))}",
        *(reload if service.reloads else []),
        "WatchdogSec=60",
        "Environment=PYTHONFAULTHANDLER=1",
        "LimitCORE=0",
        *waits,
        "TimeoutStopSec=20",
        "Restart=on-failure",
        "RestartSec=15",
        "# a wrong command line does not get better",
        f"RestartPreventExitStatus={USAGE_STATUS}",
    ]


def _account(service: Service) -> Lines:
    who = "DynamicUser=yes" if service.user is None else f"User={service.user}"
    return [
        "",
        who,
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "RestrictSUIDSGID=yes",
        "KeyringMode=private",
        "RemoveIPC=yes",
        "UMask=0077",
    ]


def _files(service: Service) -> Lines:
    # An empty tree takes the place of the homes where something in them is to be seen.
    homes = "tmpfs" if service.bound else "yes"
    lines = ["", "ProtectSystem=strict", f"ProtectHome={homes}", "PrivateTmp=yes"]
    lines += [f"BindReadOnlyPaths={quoted(path)}" for path in service.bound]
    if service.keeps:
        lines += [f"StateDirectory={service.name}", "StateDirectoryMode=0700"]
    return lines


def _devices(service: Service) -> Lines:
    if not service.microphone:
        return ["", "PrivateDevices=yes"]
    return [
        "",
        "# of all devices those of ALSA",
        "SupplementaryGroups=audio",
        "DevicePolicy=closed",
        "DeviceAllow=char-alsa rw",
    ]


def _network(service: Service) -> Lines:
    if service.reach is Reach.NOWHERE:
        return ["", "PrivateNetwork=yes", "IPAddressDeny=any", "RestrictAddressFamilies=AF_UNIX"]
    lines = ["", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"]
    if service.reach is Reach.LOOPBACK:
        lines += ["IPAddressDeny=any", "IPAddressAllow=localhost"]
    if service.password:
        lines.append(f"EnvironmentFile={password_file(service.name)}")
    return lines


def password_file(name: str) -> str:
    """Where a service finds the MQTT password; root reads it for the service."""
    return f"/etc/default/{name}"


def _kernel() -> Lines:
    return [
        "",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectHostname=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "# no ProcSubset=pid: the interpreter finds its kernels by /proc/cpuinfo",
        "ProtectProc=invisible",
        "LockPersonality=yes",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
    ]


def _memory(service: Service) -> Lines:
    lines = ["", f"MemoryMax={service.memory_max}", "TasksMax=64"]
    if service.executable_memory:
        return [*lines, "# no MemoryDenyWriteExecute: sounddevice makes its callbacks as it runs"]
    return [*lines, "MemoryDenyWriteExecute=yes"]
