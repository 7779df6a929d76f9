"""Checks of the machine: clock, processor, memory, disk."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from edgemem.listen.doctor_findings import Finding, ok, warning
from edgemem.listen.doctor_probes import Probes

FIRST_YEAR = 2025
"""The clock of a machine without a battery begins long before."""

ENOUGH_DISK = 500 * 10**6
ENOUGH_MEMORY = 128 * 2**20
HOT = 80.0

# Bits of the Raspberry Pi's firmware: now, and (16 higher) since it was started.
THROTTLED = {
    0: ("the supply voltage is low", "use the Pi's own power supply and a short cable"),
    1: ("the clock rate is held down", "cool the board or give it another power supply"),
    2: ("it is throttled", "cool the board or give it another power supply"),
    3: ("it is near its highest temperature", "cool the board"),
}


def checks(probes: Probes) -> list[Finding]:
    """All of them."""
    return [clock(probes), processor(probes.root), memory(probes.root), disk(probes)]


def clock(probes: Probes) -> Finding:
    """Whether times of events can be right."""
    now = datetime.fromtimestamp(probes.now(), timezone.utc)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    remedy = "connect the machine to a network and see: timedatectl"
    if now.year < FIRST_YEAR:
        return warning("clock", f"{shown} cannot be", remedy)
    if (probes.root / "run/systemd/timesync/synchronized").exists():
        return ok("clock", f"{shown}, synchronised")
    says = probes.synchronised()
    if says is False:
        return warning("clock", f"{shown}, not synchronised", remedy)
    return ok("clock", f"{shown}, {'synchronised' if says else 'whether synchronised is unknown'}")


def processor(root: Path) -> Finding:
    """Whether it runs as fast as it can."""
    governor = _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    degrees = _number(root / "sys/class/thermal/thermal_zone0/temp")
    shown = [f"governor {governor}" if governor else "no governor"]
    if degrees is not None:
        shown.append(f"{degrees / 1000:.0f} °C")
    for reason, remedy in _throttling(root):
        return warning("processor", ", ".join([*shown, reason]), remedy)
    if governor == "powersave":
        return warning(
            "processor",
            ", ".join(shown),
            "choose another: echo ondemand | sudo tee "
            "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )
    if degrees is not None and degrees / 1000 > HOT:
        return warning("processor", ", ".join(shown), "cool the board")
    return ok("processor", ", ".join(shown))


def _throttling(root: Path) -> list[tuple[str, str]]:
    found = sorted((root / "sys/devices/platform").glob("soc*/*firmware/get_throttled"))
    text = _text(found[0]) if found else ""
    try:
        bits = int(text, 16) if text else 0
    except ValueError:
        return []
    now = [THROTTLED[bit] for bit in THROTTLED if bits >> bit & 1]
    since = [
        (f"since it was started: {THROTTLED[bit][0]}", THROTTLED[bit][1])
        for bit in THROTTLED
        if bits >> bit + 16 & 1
    ]
    return now + since


def memory(root: Path) -> Finding:
    """Whether there is some, and whether a limit of it would hold."""
    lines = dict(
        line.partition(":")[::2]
        for line in _text(root / "proc/meminfo").splitlines()
        if ":" in line
    )
    words = lines.get("MemAvailable", "").split()
    if not words or not words[0].isdigit():
        return ok("memory", "unknown")
    available = int(words[0]) * 1024
    shown = f"{available / 2**20:,.0f} MiB free"
    if available < ENOUGH_MEMORY:
        return warning("memory", shown, "end what else runs here; listening takes about 60 MiB")
    controllers = _text(root / "sys/fs/cgroup/cgroup.controllers").split()
    if controllers and "memory" not in controllers:
        return warning(
            "memory",
            f"{shown}; the kernel keeps no limits of it, so MemoryMax= of a unit has no effect",
            "add cgroup_enable=memory to /boot/firmware/cmdline.txt and start again",
        )
    return ok("memory", shown)


def disk(probes: Probes) -> Finding:
    """Whether recordings of events would fit."""
    try:
        free = probes.free_bytes(probes.home)
    except OSError as error:
        return warning("disk", error.strerror or str(error), "choose another folder")
    shown = f"{free / 1e6:,.0f} MB free"
    if free < ENOUGH_DISK:
        return warning("disk", shown, "make room, or keep less with edgemem listen --record-limit")
    return ok("disk", shown)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None
