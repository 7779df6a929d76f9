"""Microphones: real recorders over ALSA's file plugin, and recorders that misbehave."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.errors import AudioError, DeviceError, MissingExtraError
from edgemem.listen import portaudio
from edgemem.listen.alsa import converting
from edgemem.listen.doctor_findings import of_error
from edgemem.listen.microphone import (
    ARECORD,
    PORTAUDIO,
    Recovering,
    alsa_devices,
    choose,
    devices,
    microphone,
)
from edgemem.listen.recorder import Recorder, arecord, pw_record
from edgemem.listen.sources import Sound, Source

Samples = npt.NDArray[np.int16]


def heard(source: Source, count: int) -> Samples:
    """The first ``count`` samples."""
    parts: list[Samples] = []
    with closing(source.blocks(threading.Event())) as blocks:
        for sound in blocks:
            parts.append(sound.samples)
            if sum(part.size for part in parts) >= count:
                break
    return np.concatenate(parts)[:count]


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Path]:
    """``program(text)``: an executable shell script."""

    def write(text: str, name: str = "recorder") -> Path:
        path = tmp_path / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


def sounddevice_here() -> bool:
    try:
        portaudio.load()
    except MissingExtraError:
        return False
    return True


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> None:
    """PortAudio looks at ALSA's configuration when it starts."""
    if "alsa" in request.fixturenames:
        request.getfixturevalue("alsa")
        with suppress(MissingExtraError):
            portaudio.refresh(portaudio.load())


needs_portaudio = pytest.mark.skipif(
    not sounddevice_here(), reason="no sounddevice with PortAudio; scripts/install-tools has it"
)


each_recorder = pytest.mark.parametrize(
    "recorder", [ARECORD, pytest.param(PORTAUDIO, marks=needs_portaudio)]
)


@each_recorder
def test_every_sample_of_a_microphone_comes_through(
    alsa: Path, noise: Samples, recorder: str
) -> None:
    np.testing.assert_array_equal(heard(microphone("vmic", recorder), 64000), noise)


@each_recorder
def test_a_microphone_that_is_not_there_is_one_sentence(alsa: Path, recorder: str) -> None:
    with pytest.raises(DeviceError, match=r"cannot be heard: .*(nosuch|No such file)"):
        heard(microphone("nosuch", recorder), 1)


@needs_portaudio
@pytest.mark.skipif(Path("/proc/asound").exists(), reason="this machine has sound cards")
def test_no_microphone_at_all_is_one_sentence() -> None:
    portaudio.refresh(portaudio.load())
    with pytest.raises(DeviceError, match="there is no microphone"):
        heard(microphone(None, PORTAUDIO), 1)
    with pytest.raises(DeviceError, match="arecord: audio open error"):
        heard(microphone(None, ARECORD), 1)


@each_recorder
def test_the_virtual_microphone_is_listed(alsa: Path, recorder: str) -> None:
    found = {device.device: device for device in devices(recorder)}
    names = set(found) | {device.name for device in found.values()}
    assert "vmic" in names
    assert [device.recorder for device in found.values() if device.default] == [recorder]


def test_a_listing_of_alsa_is_read() -> None:
    listing = (
        "null\n    Discard all samples\nplughw:CARD=Mic,DEV=0\n    USB Mic, Audio\n    Converts\n"
        "default\n"
    )
    assert [(d.device, d.name, d.default) for d in alsa_devices(listing)] == [
        ("null", "Discard all samples", False),
        ("plughw:CARD=Mic,DEV=0", "USB Mic, Audio", False),
        ("default", "", True),
    ]


def test_recorders_are_asked_for_what_networks_hear() -> None:
    assert arecord("plughw:1")[-2:] == ["-D", "plughw:1"]
    assert "-f S16_LE -r 16000 -c 1 -t raw" in " ".join(arecord(None))
    assert " ".join(pw_record("42")) == (
        "pw-record --rate 16000 --channels 1 --format s16 --target 42 -"
    )


def test_pw_record_is_the_last_resort(
    program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program('[ "$1" = --rate ] && head -c 6400 /dev/zero; sleep 60\n', "pw-record")
    monkeypatch.setattr("edgemem.listen.microphone.portaudio.load", _no_portaudio)
    monkeypatch.setattr(
        "edgemem.listen.microphone.shutil.which",
        lambda name: str(path) if name == "pw-record" else None,
    )
    assert choose() == "pw-record"
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    assert not heard(microphone(None, "pw-record"), 3200).any()


def _no_portaudio() -> None:
    raise MissingExtraError("a microphone", "sounddevice", "microphone")


def test_nothing_that_records_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemem.listen.microphone.portaudio.load", _no_portaudio)
    monkeypatch.setattr("edgemem.listen.microphone.shutil.which", lambda name: None)
    with pytest.raises(DeviceError, match="nothing here can record: install"):
        choose()
    with pytest.raises(DeviceError, match="no program arecord"):
        choose(ARECORD)


def test_the_last_words_of_a_recorder_are_passed_on(program: Callable[..., Path]) -> None:
    path = program('echo "arecord: pcm_read:2221: read error: No such device" >&2; exit 1\n')
    with pytest.raises(DeviceError, match=r"recorder: read error: No such device; plug it in"):
        heard(Recorder([str(path)]), 1)


# Texts of alsa-utils 1.2.8 (aplay/aplay.c) and of the system's errors.
@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("arecord: set_params:1358: Channels count non available", "no single channel.*plughw"),
        (
            "arecord: set_params:1352: Sample format non available\nAvailable formats:\n- S32_LE",
            "Sample format non available; .*16-bit samples.*plughw",
        ),
        ("arecord: set_params:1343: Broken configuration for this PCM", "plughw"),
        ("arecord: main:831: audio open error: Device or resource busy", "end that one.*fuser"),
        ("arecord: main:831: audio open error: Permission denied", "usermod -aG audio"),
        ("arecord: main:831: audio open error: Host is down", "sound server does not answer"),
        ("arecord: main:831: audio open error: Connection refused", "sound server does not"),
        ("arecord: main:831: audio open error: No such file or directory", "plug it in.*list-dev"),
        ("arecord: pcm_read:2221: read error: Input/output error", "another port or cable"),
        ("something new", "list-devices"),
        ("", "ended without a word"),
    ],
)
def test_each_refusal_has_its_remedy(program: Callable[..., Path], said: str, remedy: str) -> None:
    path = program(f"cat >&2 <<END\n{said}\nEND\nexit 1\n")
    with pytest.raises(DeviceError, match=remedy) as refused:
        heard(Recorder([str(path)]), 1)
    assert "\n" not in str(refused.value)
    assert of_error("microphone", refused.value, "").remedy


STEREO = """
pcm.two { type multi slaves.a { pcm "null" channels 2 }
  bindings { 0 { slave a channel 0 } 1 { slave a channel 1 } } }
pcm.card { @args [ N ] @args.N { type integer default 0 } type multi
  slaves.a { pcm "null" channels 2 }
  bindings { 0 { slave a channel 0 } 1 { slave a channel 1 } } }
"""


@pytest.mark.parametrize("device", ["two", "card:1"])
def test_a_stereo_microphone_is_heard_by_the_device_that_converts(alsa: Path, device: str) -> None:
    """ALSA itself refuses one channel of a device that has two."""
    alsa.write_text(alsa.read_text() + STEREO)
    with pytest.raises(DeviceError, match="Channels count non available"):
        heard(Recorder(arecord(device)), 1)
    said: list[str] = []
    assert heard(microphone(device, ARECORD, report=said.append), 16000).size == 16000
    assert len(said) == 1
    assert "Channels count non available: plug:" in said[0] and "converts" in said[0]


def test_raw_devices_and_those_that_convert() -> None:
    assert converting("hw:1,0") == "plughw:1,0"
    assert converting("hw:CARD=Mic,DEV=0") == "plughw:CARD=Mic,DEV=0"
    assert converting(None) == "plug:default"
    assert converting("dsnoop:CARD=Mic") == "plug:SLAVE='dsnoop:CARD=Mic'"
    assert converting("plughw:1") is converting("plug:two") is converting("a:'b'") is None


def test_a_microphone_of_48000_hz_only_is_heard_by_the_device_that_converts(
    program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(
        'case "$*" in *plughw:3*) head -c 6400 /dev/zero; sleep 60;; *)\n'
        'echo "Warning: rate is not accurate (requested = 16000Hz, got = 48000Hz)" >&2\n'
        "sleep 0.2; cat /dev/zero;; esac\n",
        "arecord",
    )
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    said: list[str] = []
    source = microphone("hw:3", ARECORD, report=said.append)
    assert heard(source, 3200).size == 3200
    assert said == ["the microphone gives 48000 Hz: plughw:3 is heard, which converts"]


def test_of_two_refusals_the_first_is_told(
    program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program('echo "arecord: x:1: Channels count non available" >&2; exit 1\n', "arecord")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    said: list[str] = []
    with pytest.raises(DeviceError, match="Channels count non available"):
        heard(microphone("hw:3", ARECORD, report=said.append), 1)
    assert not said


@pytest.mark.parametrize("known", [False, True])
def test_pw_record_is_asked_for_raw_sound_where_it_knows_that(
    program: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    path = program(f'echo "  -a, {"--raw" if known else "--other"}"\n', "pw-record")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    assert ("--raw" in pw_record(None)) is known


@needs_portaudio
def test_a_name_that_portaudio_does_not_know_is_arecord_s(
    alsa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose(None, "vmic") == PORTAUDIO
    assert choose(None, "plughw:CARD=Nowhere") == ARECORD
    assert choose(PORTAUDIO, "plughw:CARD=Nowhere") == PORTAUDIO
    monkeypatch.setattr("edgemem.listen.microphone.shutil.which", lambda name: None)
    assert choose(None, "plughw:CARD=Nowhere") == PORTAUDIO


def test_a_device_of_another_rate_is_refused(program: Callable[..., Path]) -> None:
    """ALSA's arecord only warns, and then records at the device's own rate."""
    path = program(
        'echo "Warning: rate is not accurate (requested = 16000Hz, got = 48000Hz)" >&2\n'
        "sleep 0.1; head -c 64000 /dev/zero; sleep 0.1; cat /dev/zero\n"
    )
    with pytest.raises(AudioError, match=r"gives 48000 Hz; expected 16000 Hz; .*plughw"):
        heard(Recorder([str(path)]), 10**9)


def test_overruns_are_counted_with_the_samples_that_they_cost(program: Callable[..., Path]) -> None:
    path = program(
        "head -c 6400 /dev/zero; sleep 0.2\n"
        'echo "overrun!!! (at least 250.000 ms long)" >&2; sleep 0.2\n'
        "head -c 6400 /dev/zero\n"
    )
    found = []
    with (
        pytest.raises(DeviceError),
        closing(Recorder([str(path)]).blocks(threading.Event())) as blocks,
    ):
        for sound in blocks:
            found.append(sound)
    assert sum(sound.samples.size for sound in found) == 6400
    assert (sum(s.overruns for s in found), sum(s.missing for s in found)) == (1, 4000)
    assert not found[0].missing


def test_a_recorder_that_says_nothing_is_a_loss(program: Callable[..., Path]) -> None:
    with pytest.raises(DeviceError, match=r"gave no sound for 0\.3 seconds"):
        heard(Recorder([str(program("sleep 60\n"))], patience=0.3), 1)


def test_a_stopped_recorder_leaves_no_process(program: Callable[..., Path], tmp_path: Path) -> None:
    path = program(f"echo $$ > {tmp_path}/pid; exec cat /dev/zero\n")
    heard(Recorder([str(path)]), 1000)
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()


class Flickering:
    """A microphone that gives a block, is lost, and cannot be had twice."""

    live = True

    def __init__(self) -> None:
        self.tries = 0

    def blocks(self, stop: threading.Event):
        self.tries += 1
        if self.tries in (2, 3):
            raise DeviceError("no device")
        yield Sound(np.zeros(160, np.int16))
        raise DeviceError("lost")


def test_a_loss_is_told_once_and_its_time_is_missing() -> None:
    said: list[str] = []
    source = Recovering(Flickering(), said.append, longest=0.2, first=0.1)
    with closing(source.blocks(threading.Event())) as blocks:
        begun = time.monotonic()
        first, second = next(blocks), next(blocks)
        waited = time.monotonic() - begun
    assert said[0] == "lost; it is tried again until it is back"
    assert said[1].startswith("the microphone is back after")
    assert len(said) == 2
    assert first.missing == 0
    # 0.1 and twice 0.2 seconds of pauses, less the block that came with the return
    assert 0.5 * 16000 - 160 <= second.missing <= waited * 16000


def test_a_microphone_that_never_was_is_an_error() -> None:
    class Never(Flickering):
        def blocks(self, stop: threading.Event):
            raise DeviceError("no device")
            yield

    said: list[str] = []
    with pytest.raises(DeviceError, match="no device"):
        list(Recovering(Never(), said.append).blocks(threading.Event()))
    assert not said


def test_without_retries_a_loss_is_the_end() -> None:
    with pytest.raises(DeviceError, match="lost"):
        list(Recovering(Flickering(), print, longest=0.0).blocks(threading.Event()))


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    source = Recovering(Flickering(), lambda sentence: stop.set(), longest=60.0, first=60.0)
    assert len(list(source.blocks(stop))) == 1
