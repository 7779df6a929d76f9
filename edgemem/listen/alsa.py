"""ALSA's microphones: what arecord's refusals mean, and the device that converts."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from contextlib import closing

from edgemem.errors import AudioError, DeviceError
from edgemem.listen.reports import Report
from edgemem.listen.sources import Sounds, Source

JOIN_AUDIO = "join the group audio and log in again: sudo usermod -aG audio $USER"

_LISTED = "edgemem listen --list-devices"
_CONVERTS = "name a device that converts, --device plughw:... instead of hw:..."

# What a recorder says, and the remedy; the first that is found counts.
_REMEDIES = (
    (r"channels? (count )?non? ?available", f"it has no single channel: {_CONVERTS}"),
    (r"sample format non available", f"it has no 16-bit samples: {_CONVERTS}"),
    (r"rate .*(not|non) (available|supported)", f"it has no 16,000 Hz: {_CONVERTS}"),
    (r"broken configuration|install hw params|access type", f"it has none of this: {_CONVERTS}"),
    (
        r"device or resource busy",
        "another program holds it: end that one (fuser -v /dev/snd/*), or name a device that is "
        "shared, --device default",
    ),
    (r"permission denied|operation not permitted", JOIN_AUDIO),
    (
        r"host is down|connection refused",
        "the sound server does not answer this account: run it in the session that has one, or "
        "name the card itself, --device plughw:CARD=... (arecord -L lists them)",
    ),
    (
        r"no such (file|device)|cannot find card|unknown pcm",
        f"plug it in, see {_LISTED}, or choose another --recorder",
    ),
    (r"input/output error", "plug it in again, or use another port or cable"),
)
_MISMATCH = 4
"""So many of them are mended by a device that converts."""


class MismatchError(DeviceError):
    """A microphone that has no 16-bit sound of one channel at 16,000 Hz itself."""


def refusal(name: str, lines: Iterable[str]) -> DeviceError:
    """What a recorder's last words mean.

    Parameters
    ----------
    name : str
        Of the recorder.
    lines : iterable of str
        What it said; the reason may stand before others.
    """
    said = [line for line in lines if line] or ["it ended without a word"]
    for line in reversed(said):
        for number, (words, remedy) in enumerate(_REMEDIES):
            if re.search(words, line, re.IGNORECASE):
                kind = MismatchError if number < _MISMATCH else DeviceError
                reason = line.rstrip(":")
                return kind(f"the microphone cannot be heard: {name}: {reason}; {remedy}")
    return DeviceError(
        f"the microphone cannot be heard: {name}: {said[-1]}; see {_LISTED}, or choose another "
        "--recorder"
    )


def converting(device: str | None) -> str | None:
    """The device that is another one with its rate, channels and samples converted.

    Parameters
    ----------
    device : str, optional
        As arecord takes it; ALSA's ``default`` without.

    Returns
    -------
    str or None
        None where it is one that converts.
    """
    device = device or "default"
    if device.startswith("plug"):
        return None
    if device.startswith("hw:"):
        return f"plug{device}"
    if re.fullmatch(r"[\w-]+", device):
        return f"plug:{device}"
    return None if "'" in device else f"plug:SLAVE='{device}'"


class Alsa:
    """A microphone of ALSA's; where it has another form of sound, the device that converts.

    Parameters
    ----------
    device : str, optional
    make : callable
        Makes the source of a device.
    report : callable
        Takes a sentence where the device that converts is heard instead.
    """

    live = True

    def __init__(
        self, device: str | None, make: Callable[[str | None], Source], report: Report
    ) -> None:
        self._device = device
        self._make = make
        self._report = report
        self._source = make(device)

    def blocks(self, stop: threading.Event) -> Sounds:
        """See :class:`~edgemem.listen.sources.Source`.

        Raises
        ------
        DeviceError, AudioError
            As the source; of two refusals the first.
        """
        try:
            with closing(self._source.blocks(stop)) as blocks:
                yield from blocks
            return
        except (MismatchError, AudioError) as error:
            other = converting(self._device)
            if other is None or stop.is_set():
                raise
            refused = error
        source = self._make(other)
        told = False
        try:
            with closing(source.blocks(stop)) as blocks:
                for sound in blocks:
                    if not told:  # what was heard once is asked at once when it comes back
                        told, self._device, self._source = True, other, source
                        self._report(f"{_reason(refused)}: {other} is heard, which converts")
                    yield sound
        except (MismatchError, AudioError):
            if told:
                raise
            raise refused from None


def _reason(error: Exception) -> str:
    return str(error).partition("; ")[0].replace("cannot be heard", "cannot be heard as it is")
