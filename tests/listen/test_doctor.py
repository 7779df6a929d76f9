"""Every check on machines that are made up: what it sees, how bad that is, and the remedy."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgemem.errors import DeviceError, MissingExtraError, ToleranceError
from edgemem.listen import doctor_probes
from edgemem.listen.doctor import Examination, Wish, examine
from edgemem.listen.doctor_findings import Finding
from edgemem.listen.doctor_probes import Hearing, Probes, Take
from edgemem.listen.sources import Sound
from edgemem.verification import Verification

NOVEMBER = 1_795_600_000.0  # 2026-11-25 09:46:40 UTC, as date -u -d @... has it
ENGINE = "ai-edge-litert 2.3.0, XNNPACK"
GOLDEN = Verification(
    target="tflite",
    engine=ENGINE,
    processor="aarch64",
    distance=0.038,
    allowed=0.2,
    equal=0.5,
    decisions=0.75,
    last_places=1.0,
    clips=2,
    steps=18,
    step_microseconds=30.0,
)
FILES = {
    "proc/meminfo": "MemTotal: 900000 kB\nMemAvailable:  500000 kB\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/class/thermal/thermal_zone0/temp": "48250\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
    "run/systemd/timesync/synchronized": "",
    "dev/snd/pcmC1D0c": "",
    "dev/snd/pcmC0D0p": "",
}


def room(seconds: float = 2.0) -> np.ndarray:
    """Noise of -23 dB of full scale, as a talk in a room is loud."""
    samples = np.random.default_rng(0).normal(
        scale=32767 * 10 ** (-23 / 20), size=int(16000 * seconds)
    )
    return np.clip(samples, -32767, 32766).astype(np.int16)


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


@pytest.fixture
def pi(tmp_path: Path) -> Probes:
    """A Raspberry Pi on which all is well."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return Probes(
        root=tmp_path,
        home=tmp_path,
        python=lambda: ((3, 13, 1), "aarch64", (2, 41)),
        packages=lambda: {"numpy": "2.2.0", "ai-edge-litert": "2.3.0"},
        network=lambda file: Hearing(ENGINE, 0.04, GOLDEN),
        hear=lambda device, recorder: Take("arecord", ("default", "plughw:1"), room(), 2.01),
        free_bytes=lambda path: 10**10,
        synchronised=lambda: None,
        now=lambda: NOVEMBER,
        may_open=lambda path: True,
    )


def of(found: Examination, check: str) -> Finding:
    (finding,) = (finding for finding in found.findings if finding.check == check)
    return finding


def look(probes: Probes, check: str) -> tuple[str, str, str]:
    finding = of(examine(Wish("kws12-lmu"), probes), check)
    return finding.level, finding.found, finding.remedy


def put(probes: Probes, name: str, text: str) -> None:
    (probes.root / name).write_text(text, encoding="ascii")


def test_a_machine_on_which_all_is_well(pi: Probes) -> None:
    found = examine(Wish("kws12-lmu"), pi)
    assert [(finding.check, finding.level, finding.remedy) for finding in found.findings] == [
        (check, "ok", "")
        for check in (
            "python",
            "interpreter",
            "numpy",
            "network",
            "cpu share",
            "microphone",
            "sample rate",
            "level",
            "clock",
            "processor",
            "memory",
            "disk",
        )
    ]
    assert not found.failed
    assert of(found, "python").found == "3.13.1 on aarch64, glibc 2.41"
    assert of(found, "interpreter").found == "ai-edge-litert 2.3.0"
    assert of(found, "network").found == (
        f"kws12-lmu runs with {ENGINE}; golden vectors: 75% of 18 decisions and 50% of the steps "
        "equal, distance 0.038 of 0.2 allowed"
    )
    assert of(found, "cpu share").found == "4.0% of one core, sound to events"
    assert of(found, "microphone").found == "heard by arecord; 2 devices"
    assert of(found, "sample rate").found == "15,920 samples a second; expected 16,000"
    assert of(found, "level").found == "-23 dB of full scale"
    assert of(found, "clock").found == "2026-11-25 09:46 UTC, synchronised"
    assert of(found, "processor").found == "governor ondemand, 48 °C"
    assert of(found, "memory").found == "488 MiB free"
    assert of(found, "disk").found == "10,000 MB free"


def test_an_offset_is_a_warning_only_where_the_network_has_no_blocker(pi: Probes) -> None:
    offset = Take("arecord", (), (room() + 3000).astype(np.int16), 2.0)
    there = replace(pi, hear=lambda device, recorder: offset)
    assert look(there, "level")[0] == "warning"
    blocked = replace(there, network=lambda file: Hearing(ENGINE, 0.04, GOLDEN, dc_blocker=True))
    assert look(blocked, "level")[0] == "ok"


def test_without_a_microphone_nothing_is_said_of_sound(pi: Probes) -> None:
    probes = replace(pi, hear=raises(AssertionError("it was not to be heard")))
    found = examine(Wish("kws12-lmu", microphone=False), probes)
    assert {"microphone", "sample rate", "level"}.isdisjoint(f.check for f in found.findings)
    assert not found.failed


def test_numpy_2_under_tflite_runtime_fails_and_the_network_is_not_tried(pi: Probes) -> None:
    probes = replace(
        pi,
        packages=lambda: {"numpy": "2.4.6", "tflite-runtime": "2.14.0"},
        network=raises(AssertionError("it was not to be opened")),
    )
    level, _, remedy = look(probes, "numpy")
    assert (level, remedy) == ("failed", "install an older one with: pip install 'numpy<2'")
    assert look(probes, "network")[0] == "failed"
    assert examine(Wish("x"), probes).failed


def test_no_interpreter(pi: Probes) -> None:
    missing = MissingExtraError("running a TFLite network", "ai-edge-litert", "tflite")
    probes = replace(pi, packages=lambda: {"numpy": "2.2.0"}, network=raises(missing))
    assert look(probes, "interpreter") == (
        "warning",
        "none of ai-edge-litert, tflite-runtime, tensorflow is installed",
        "install one with: pip install 'edgemem-toolkit[tflite]'",
    )
    level, _, remedy = look(probes, "network")
    assert (level, remedy) == ("failed", "install it with: pip install 'edgemem-toolkit[tflite]'")


def test_the_interpreter_that_is_found_first_is_used(pi: Probes) -> None:
    there = {"numpy": "1.26.4", "tensorflow": "2.12.1", "tflite-runtime": "2.14.0"}
    level, found, _ = look(replace(pi, packages=lambda: there), "interpreter")
    assert (level, found) == ("ok", "tflite-runtime 2.14.0 (unused: tensorflow)")
    both = {"numpy": "2.4.6", "ai-edge-litert": "2.3.0", "tflite-runtime": "2.14.0"}
    probes = replace(pi, packages=lambda: both)
    assert look(probes, "interpreter")[1] == "ai-edge-litert 2.3.0 (unused: tflite-runtime)"
    assert look(probes, "numpy")[0] == "ok"  # the one that numpy 2 breaks is not used


@pytest.mark.parametrize(
    "error",
    [
        ToleranceError("x: the golden vectors come back otherwise; try another version of it"),
        ImportError("libc.so.6: version `GLIBC_2.34' not found"),
        SystemError("CreateWrapperFromFile"),
        OSError("invalid ELF header"),
    ],
)
def test_a_network_that_does_not_run(pi: Probes, error: Exception) -> None:
    level, found, remedy = look(replace(pi, network=raises(error)), "network")
    assert level == "failed"
    assert found.split(":")[0] in str(error)
    assert remedy


@pytest.mark.parametrize(
    ("share", "level"), [(0.3, "ok"), (0.31, "warning"), (0.99, "warning"), (1.0, "failed")]
)
def test_the_share_of_the_processor(pi: Probes, share: float, level: str) -> None:
    probes = replace(pi, network=lambda file: Hearing(ENGINE, share))
    found = look(probes, "cpu share")
    assert found[0] == level
    assert bool(found[2]) == (level != "ok")


def test_an_old_c_library_on_a_pi_is_named(pi: Probes) -> None:
    bullseye = replace(pi, python=lambda: ((3, 9, 2), "aarch64", (2, 31)))
    assert look(bullseye, "python")[0] == "ok"
    of_32_bits = replace(pi, python=lambda: ((3, 9, 2), "armv7l", (2, 31)))
    level, _, remedy = look(of_32_bits, "python")
    assert level == "warning"
    assert "glibc 2.34" in remedy and "Debian 12" in remedy
    desktop = replace(pi, python=lambda: ((3, 9, 2), "x86_64", (2, 26)))
    assert look(desktop, "python")[0] == "warning"
    elsewhere = replace(pi, python=lambda: ((3, 12, 0), "arm64", None))
    assert look(elsewhere, "python")[:2] == ("ok", "3.12.0 on arm64")


def test_a_microphone_that_is_not_there(pi: Probes) -> None:
    probes = replace(pi, hear=raises(DeviceError("the microphone cannot be heard: no such device")))
    assert look(probes, "microphone") == (
        "failed",
        "the microphone cannot be heard: no such device",
        "plug one in and see: edgemem listen --list-devices",
    )
    assert look(probes, "sound devices")[:2] == ("ok", "pcmC1D0c")
    (probes.root / "dev/snd/pcmC1D0c").unlink()
    assert look(probes, "sound devices")[0] == "warning"


def test_an_account_outside_of_the_group_audio(pi: Probes) -> None:
    probes = replace(
        pi,
        hear=raises(DeviceError("arecord: no card")),
        may_open=lambda path: "pcm" not in path.name,
    )
    level, found, remedy = look(probes, "sound devices")
    assert (level, found) == ("failed", "pcmC1D0c may not be opened by this account")
    assert "usermod -aG audio" in remedy


@pytest.mark.parametrize(
    ("take", "check", "seen"),
    [
        (Take("arecord", (), room(2.0), 0.01), "sample rate", "3,200,000 samples"),
        (Take("arecord", (), room(2.0), 2.2), "sample rate", "14,545 samples"),
        (Take("arecord", (), room(2.0), 2.0, overruns=3), "sample rate", "3 times"),
        (Take("arecord", (), np.zeros(32000, np.int16), 2.0), "level", "every sample is 0"),
        (Take("arecord", (), np.zeros(0, np.int16), 2.0), "level", "every sample is 0"),
        (Take("arecord", (), np.full(32000, -32768, np.int16), 2.0), "level", "100.0% of it cut"),
    ],
)
def test_sound_that_is_not_as_it_should_be(pi: Probes, take: Take, check: str, seen: str) -> None:
    level, found, remedy = look(replace(pi, hear=lambda device, recorder: take), check)
    assert level == "warning"
    assert seen in found
    assert remedy


def test_the_wish_reaches_the_microphone(pi: Probes) -> None:
    asked = []

    def hear(device: str | None, recorder: str | None) -> Take:
        asked.append((device, recorder))
        return Take("arecord", (), room(), 2.0)

    examine(Wish("x", True, "plughw:1", "arecord"), replace(pi, hear=hear))
    assert asked == [("plughw:1", "arecord")]


def test_the_clock(pi: Probes) -> None:
    assert look(replace(pi, now=lambda: 86400.0), "clock")[0] == "warning"  # 1970-01-02
    (pi.root / "run/systemd/timesync/synchronized").unlink()
    assert look(replace(pi, synchronised=lambda: True), "clock")[0] == "ok"
    assert look(pi, "clock")[:2] == ("ok", "2026-11-25 09:46 UTC, whether synchronised is unknown")
    level, _, remedy = look(replace(pi, synchronised=lambda: False), "clock")
    assert (level, remedy) == ("warning", "connect the machine to a network and see: timedatectl")


# Raspberry Pi documentation, vcgencmd get_throttled: 0 under-voltage, 1 frequency capped,
# 2 throttled, 3 soft temperature limit; 16 to 19 the same since it was started.
@pytest.mark.parametrize(
    ("bits", "seen"),
    [
        ("1", "the supply voltage is low"),
        ("e", "the clock rate is held down"),
        ("50000", "since it was started: the supply voltage is low"),
        ("80008", "it is near its highest temperature"),
    ],
)
def test_what_the_firmware_says_of_the_supply(pi: Probes, bits: str, seen: str) -> None:
    put(pi, "sys/devices/platform/soc/soc:firmware/get_throttled", bits + "\n")
    level, found, remedy = look(pi, "processor")
    assert level == "warning"
    assert found.endswith(seen)
    assert remedy


def test_the_governor_and_the_heat(pi: Probes) -> None:
    put(pi, "sys/class/thermal/thermal_zone0/temp", "84000\n")
    assert look(pi, "processor") == ("warning", "governor ondemand, 84 °C", "cool the board")
    put(pi, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n")
    assert "choose another" in look(pi, "processor")[2]


def test_memory_that_is_short_or_without_limits(pi: Probes) -> None:
    put(pi, "sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
    level, _, remedy = look(pi, "memory")
    assert (level, "cgroup_enable=memory" in remedy) == ("warning", True)
    put(pi, "proc/meminfo", "MemTotal: 400000 kB\nMemAvailable:  90000 kB\n")
    assert look(pi, "memory")[:2] == ("warning", "88 MiB free")


def test_a_full_disk(pi: Probes) -> None:
    level, found, remedy = look(replace(pi, free_bytes=lambda path: 10**6), "disk")
    assert (level, found) == ("warning", "1 MB free")
    assert "--record-limit" in remedy
    gone = replace(pi, free_bytes=raises(FileNotFoundError(2, "No such file or directory")))
    assert look(gone, "disk")[:2] == ("warning", "No such file or directory")


def test_a_machine_that_tells_nothing(pi: Probes, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    found = examine(Wish("kws12-lmu"), replace(pi, root=empty))
    assert [f.level for f in found.findings] == ["ok"] * 12
    damaged = replace(pi, root=tmp_path)
    put(damaged, "sys/devices/platform/soc/soc:firmware/get_throttled", "?\n")
    put(damaged, "sys/class/thermal/thermal_zone0/temp", "\n")
    put(damaged, "proc/meminfo", "MemAvailable: lots\n")
    assert not examine(Wish("kws12-lmu"), damaged).failed


def test_this_machine_as_it_is() -> None:
    version, processor, _ = doctor_probes.look_at_python()
    assert (version, processor) == (tuple(sys.version_info[:3]), os.uname().machine)
    assert doctor_probes.installed()["numpy"] == np.__version__
    assert doctor_probes.synchronised() in (True, False, None)


def test_a_moment_of_a_microphone_is_measured_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A virtual microphone with a clock of its own: 640 samples each 40 ms, but for the first."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def blocks(stop: threading.Event) -> Iterator[Sound]:
        yield Sound(np.ones(640, np.int16))
        while not stop.is_set():
            now[0] += 0.04
            yield Sound(np.full(640, 7, np.int16), overruns=1)

    source = SimpleNamespace(blocks=blocks)
    monkeypatch.setattr("edgemem.listen.microphone.choose", lambda *_: "arecord")
    monkeypatch.setattr("edgemem.listen.microphone.microphone", lambda *_, **_more: source)
    monkeypatch.setattr("edgemem.listen.microphone.devices", lambda *_: [])
    take = doctor_probes.hear(None, None)
    assert take.samples.size / take.seconds == pytest.approx(16000)
    assert take.seconds == pytest.approx(2.0, abs=0.05)
    assert set(take.samples) == {7}
    assert take.overruns == take.samples.size // 640
