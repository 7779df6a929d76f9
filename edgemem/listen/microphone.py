"""Which microphone there is, and one that is waited for when it goes away."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from edgemem.errors import DeviceError, MissingExtraError, install_command
from edgemem.listen import portaudio
from edgemem.listen.alsa import Alsa
from edgemem.listen.recorder import Recorder, arecord, pw_record
from edgemem.listen.reports import Report, to_standard_error
from edgemem.listen.sources import Sounds, Source
from edgemem.runtime.sources import SAMPLE_RATE

PORTAUDIO, ARECORD, PW_RECORD = "sounddevice", "arecord", "pw-record"
RECORDERS = (PORTAUDIO, ARECORD, PW_RECORD)
"""What can record, in the order in which it is tried."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
# Sound for as long as this is no flicker: the next loss is waited for from the shortest pause on.
_STEADY = 10.0

_COMMANDS: dict[str, Callable[[str | None], list[str]]] = {ARECORD: arecord, PW_RECORD: pw_record}


def choose(recorder: str | None = None, device: str | None = None) -> str:
    """The first of :data:`RECORDERS` that this machine has, or the one that is asked for.

    A device that PortAudio does not know is arecord's, where that is here.

    Raises
    ------
    DeviceError, MissingExtraError
        If it has none, or not that one.
    """
    if recorder == PORTAUDIO:
        portaudio.load()
        return recorder
    if recorder is not None:
        if shutil.which(recorder) is None:
            raise DeviceError(f"there is no program {recorder} here; install it or use another")
        return recorder
    if importlib.util.find_spec("sounddevice") is not None:
        try:
            portaudio.load()
        except MissingExtraError:  # without its library: a program may still do
            pass
        else:
            known = device is None or portaudio.knows(device)
            return PORTAUDIO if known or shutil.which(ARECORD) is None else ARECORD
    for name in _COMMANDS:
        if shutil.which(name) is not None:
            return name
    raise DeviceError(
        "nothing here can record: install alsa-utils (arecord), PipeWire's pw-record, "
        f"or the package sounddevice ({install_command('microphone')}) with PortAudio"
    )


def microphone(
    device: str | None,
    recorder: str | None,
    patience: float = 5.0,
    report: Report = to_standard_error,
) -> Source:
    """A microphone of this machine.

    Parameters
    ----------
    device : str, optional
        As the recorder names it (:func:`devices`); the system's choice without.
    recorder : str, optional
        One of :data:`RECORDERS`; the first that is here without.
    patience : float
        Seconds without a sample that are a loss.
    report : callable
        Takes a sentence where another device than the one that was asked for is heard.

    Raises
    ------
    DeviceError, MissingExtraError
        As :func:`choose`.
    """
    chosen = choose(recorder, device)
    if chosen == PORTAUDIO:
        return portaudio.PortAudio(device, patience)
    if chosen == ARECORD:
        return Alsa(device, lambda name: Recorder(arecord(name), patience), report)
    return Recorder(_COMMANDS[chosen](device), patience)


class Recovering:
    """A microphone that is opened again after a loss.

    One that was never there is an error: whoever starts a program wants to know.

    Parameters
    ----------
    microphone : Source
    report : callable
        Takes a sentence: one for each loss, one for each return.
    longest : float
        Longest pause between two tries, in seconds; 0 never tries again.
    first : float
        Shortest pause; doubled from try to try.
    """

    live = True

    def __init__(
        self,
        microphone: Source,
        report: Report,
        longest: float = LONGEST_PAUSE,
        first: float = FIRST_PAUSE,
    ) -> None:
        self._microphone = microphone
        self._report = report
        self._longest = longest
        self._first = first

    def blocks(self, stop: threading.Event) -> Sounds:
        """See :class:`~edgemem.listen.sources.Source`. The time of a loss counts as missing.

        Raises
        ------
        DeviceError
            If there was no microphone from the start, or it is not to be tried again.
        """
        pause = self._first
        last: float | None = None  # when the last sample came
        lost = False
        while not stop.is_set():
            begun = time.monotonic()
            try:
                with closing(self._microphone.blocks(stop)) as blocks:
                    for sound in blocks:
                        now = time.monotonic()
                        if lost and last is not None:
                            lost = False
                            gap = round((now - last) * SAMPLE_RATE) - sound.samples.size
                            sound = sound._replace(missing=max(0, gap))
                            self._report(f"the microphone is back after {now - last:.0f} seconds")
                        last = now
                        yield sound
                return
            except DeviceError as error:
                if last is None or not self._longest:
                    raise
                if not lost:
                    self._report(f"{error}; it is tried again until it is back")
                    lost = True
                    if last - begun > _STEADY:
                        pause = self._first
            stop.wait(min(pause, self._longest))
            pause = min(2 * pause, self._longest)


@dataclass(frozen=True)
class Device:
    """A microphone that can be asked for.

    Parameters
    ----------
    device : str
        What ``--device`` takes.
    name : str
        What people call it.
    recorder : str
        Which of :data:`RECORDERS` knows it.
    default : bool
        Whether it is the system's choice.
    """

    device: str
    name: str
    recorder: str
    default: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)


def devices(recorder: str | None = None) -> list[Device]:
    """The microphones of this machine, as the recorder that would be used names them.

    Raises
    ------
    DeviceError, MissingExtraError
        As :func:`choose`, or if the recorder cannot list them.
    """
    chosen = choose(recorder)
    if chosen == PORTAUDIO:
        return _portaudio_devices()
    if chosen == ARECORD:
        return alsa_devices(_output(["arecord", "-L"]))
    return [Device("", "PipeWire's choice; wpctl status lists others", PW_RECORD, default=True)]


def _portaudio_devices() -> list[Device]:
    sounddevice = portaudio.load()
    try:
        known = list(sounddevice.query_devices())
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"PortAudio cannot list its devices: {error}") from error
    chosen = sounddevice.default.device[0]
    return [
        Device(str(number), str(entry["name"]), PORTAUDIO, number == chosen)
        for number, entry in enumerate(known)
        if entry["max_input_channels"] > 0
    ]


def alsa_devices(listing: str) -> list[Device]:
    """Devices in what ``arecord -L`` prints: names, and below each, indented, what it is."""
    found: list[Device] = []
    for line in listing.splitlines():
        if not line.strip():
            continue
        if not line[0].isspace():
            found.append(Device(line.strip(), "", ARECORD, line.strip() == "default"))
        elif found and not found[-1].name:
            last = found.pop()
            found.append(Device(last.device, line.strip(), ARECORD, last.default))
    return found


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError(f"{command[0]} cannot list its devices: {error}") from error
    return done.stdout
