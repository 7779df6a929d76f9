"""Checks of the microphone: whether it can be opened, and what comes out of it."""

from __future__ import annotations

import numpy as np

from edgemem.errors import EdgememError
from edgemem.listen.doctor_findings import Finding, failed, of_error, ok, warning
from edgemem.listen.doctor_probes import Probes, Take
from edgemem.runtime.sources import SAMPLE_RATE

TOLERANCE = 0.05
"""Of the sample rate by this machine's clock; a block more or less in two seconds is 2 %."""

LOUDEST = 32767


def checks(probes: Probes, device: str | None, recorder: str | None) -> list[Finding]:
    """Whether sound can be heard here; if not, whether that is for want of rights.

    Parameters
    ----------
    probes : Probes
    device, recorder : str, optional
        As ``edgemem listen`` takes them.
    """
    try:
        take = probes.hear(device, recorder)
    except EdgememError as error:
        remedy = "plug one in and see: edgemem listen --list-devices"
        return [of_error("microphone", error, remedy), rights(probes)]
    count = len(take.devices)
    known = f"{count} device{'' if count == 1 else 's'}"
    return [ok("microphone", f"heard by {take.recorder}; {known}"), rate(take), level(take)]


def rate(take: Take) -> Finding:
    """Whether a second has as many samples as it should, by this machine's clock."""
    measured = take.samples.size / take.seconds
    shown = f"{measured:,.0f} samples a second; expected {SAMPLE_RATE:,}"
    if abs(measured / SAMPLE_RATE - 1) > TOLERANCE:
        return warning(
            "sample rate",
            shown,
            "choose a device that converts (plughw:... instead of hw:...), or another microphone",
        )
    if take.overruns:
        return warning(
            "sample rate",
            f"{shown}; the driver lost sound {take.overruns} times",
            "end what else runs here, or use another port or cable",
        )
    return ok("sample rate", shown)


def level(take: Take) -> Finding:
    """Whether it is muted, or so loud that it is cut off."""
    if not take.samples.size or not take.samples.any():
        return warning("level", "every sample is 0", "unmute the microphone: alsamixer, key F4")
    samples = take.samples.astype(np.float64)
    rms = 20 * np.log10(np.sqrt(np.mean(samples**2)) / LOUDEST)
    shown = f"{rms:.0f} dB of full scale"
    clipped = float(np.mean(np.abs(samples) >= LOUDEST))
    if clipped > 0.001:
        return warning(
            "level", f"{shown}, {clipped:.1%} of it cut off", "turn it down: alsamixer, key F4"
        )
    return ok("level", shown)


def rights(probes: Probes) -> Finding:
    """Whether the sound devices may be opened."""
    captures = sorted((probes.root / "dev" / "snd").glob("pcm*c"))
    if not captures:
        return warning(
            "sound devices", "none records in /dev/snd", "plug in a microphone, or use a pipe"
        )
    closed = [path.name for path in captures if not probes.may_open(path)]
    if closed:
        return failed(
            "sound devices",
            f"{closed[0]} may not be opened by this account",
            "join the group audio and log in again: sudo usermod -aG audio $USER",
        )
    return ok("sound devices", ", ".join(path.name for path in captures))
