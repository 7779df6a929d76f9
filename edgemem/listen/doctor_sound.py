"""Checks of the microphone: whether it can be opened, and what comes out of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgemem.errors import EdgememError
from edgemem.listen.alsa import JOIN_AUDIO
from edgemem.listen.doctor_findings import Finding, failed, of_error, ok, warning
from edgemem.listen.doctor_probes import Probes, Take
from edgemem.runtime.sources import SAMPLE_RATE

TOLERANCE = 0.05
"""Of the sample rate by this machine's clock; a block more or less in two seconds is 2 %."""

LOUDEST = 32767

CLIPPED = 0.001
"""Share of samples at the end of the range from which on sound is cut off."""

OFFSET = 0.01
"""Of full scale, -40 dB: from there on networks without a DC blocker mishear (docs/listen.md)."""

QUIETEST = -78.0
"""In dB of full scale: four steps of 16 bits; a quiet room in front of a microphone has -70."""

GIVE_BLOCKER = (
    "give a network that was trained without one a DC blocker: "
    "edgemem convert MODEL --dc-blocker --out FILE"
)

MAINS = (50, 60)
HUM = 0.95
"""Share of the power in harmonics of the mains; vowels have less in such narrow bands."""


def checks(
    probes: Probes, device: str | None, recorder: str | None, blocked: bool = False
) -> list[Finding]:
    """Whether sound can be heard here; if not, whether that is for want of rights.

    Parameters
    ----------
    probes : Probes
    device, recorder : str, optional
        As ``edgemem listen`` takes them.
    blocked : bool
        Whether the network takes an offset out itself.
    """
    try:
        take = probes.hear(device, recorder)
    except EdgememError as error:
        remedy = "plug one in and see: edgemem listen --list-devices"
        return [of_error("microphone", error, remedy), rights(probes)]
    count = len(take.devices)
    known = f"{count} device{'' if count == 1 else 's'}"
    known += f"; {take.note}" if take.note else ""
    return [
        ok("microphone", f"heard by {take.recorder}; {known}"),
        rate(take),
        level(take, blocked),
    ]


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


def level(take: Take, blocked: bool = False) -> Finding:
    """Whether it is sound, and neither too quiet, nor cut off, nor on an offset, nor hum alone."""
    if not take.samples.size or not take.samples.any():
        return warning("level", "every sample is 0", "unmute the microphone: alsamixer, key F4")
    samples = take.samples.astype(np.float64)
    offset = float(samples.mean())
    moving = samples - offset
    rms = 20 * np.log10(max(np.sqrt(np.mean(moving**2)), 0.1) / LOUDEST)
    shown = f"{rms:.0f} dB of full scale"
    clipped = float(np.mean(np.abs(samples) >= LOUDEST))
    if clipped > CLIPPED:
        return warning(
            "level", f"{shown}, {clipped:.1%} of it cut off", "turn it down: alsamixer, key F4"
        )
    if not moving.any():
        return warning(
            "level",
            f"every sample is {offset:.0f}: nothing but a constant",
            "record the other channel, or wire the microphone's channel select (I2S: L/R)",
        )
    if abs(offset) > OFFSET * LOUDEST:
        shown += f", on an offset of {offset / LOUDEST:.1%} of full scale"
        if not blocked:
            return warning("level", shown, GIVE_BLOCKER)
        shown += ", which the network takes out"
    mains, share = hum(moving)
    if share > HUM and rms > QUIETEST:
        return warning(
            "level",
            f"{shown}, {share:.0%} of it hum of {mains} Hz",
            "move the microphone and its cable away from mains and supplies, or ground it",
        )
    if rms < QUIETEST:
        return warning(
            "level", f"{shown}: far too quiet", "turn it up: alsamixer, key F4, or use another one"
        )
    return ok("level", shown)


def hum(samples: npt.NDArray[np.float64]) -> tuple[int, float]:
    """The mains frequency with the larger share of the power above 20 Hz, and that share.

    Its first ten harmonics count, each within 2 Hz.
    """
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size))) ** 2
    hertz = np.fft.rfftfreq(samples.size, 1.0 / SAMPLE_RATE)
    power[hertz < 20.0] = 0.0
    whole = float(power.sum())
    shares = {}
    for mains in MAINS:
        nearest = np.clip(np.rint(hertz / mains), 1, 10) * mains
        shares[mains] = float(power[np.abs(hertz - nearest) <= 2.0].sum()) / max(whole, 1e-30)
    best = max(MAINS, key=lambda mains: shares[mains])
    return best, shares[best]


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
            JOIN_AUDIO,
        )
    return ok("sound devices", ", ".join(path.name for path in captures))
