"""Raw sound of another kind than it should be: known by its first bytes, its samples, its pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgemem.errors import AudioError

Samples = npt.NDArray[np.int16]
Reals = npt.NDArray[np.float64]

RATE = 16000
WISHED = "arecord -f S16_LE -r 16000 -c 1 -t raw, or ffmpeg with -f s16le -ar 16000 -ac 1"

LOOKED_AT = 60
"""Seconds of sound that are looked at."""

NEEDED = 3
"""Seconds, one after another, that must look alike, unless the sound ends before."""

QUIET = 32.0
QUIET_ALONE = 2000.0
"""Standard deviation below which samples are not judged, -60 dB of full scale; a moment alone must
be louder, as bytes of another form are that were taken for samples."""

BYTES = "8-bit samples"

WINDOW = 5.0
"""Seconds of the clock over which the pace is measured, twice."""

_MAGIC = (
    (b"RIFF", "a wav file"),
    (b"RIFX", "a wav file"),
    (b"RF64", "a wav file"),
    (b"fLaC", "a FLAC file"),
    (b"OggS", "an Ogg file"),
    (b"FORM", "an AIFF file"),
    (b"caff", "a CAF file"),
    (b"ID3", "an MP3 file"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
    (b"Creative Voice File", "a VOC file"),
)
_AU = {b".snd": "big", b"dns.": "little"}
AU_HEADER = 24
_AU_LINEAR_16 = 3

# Times as many bytes as there should be, and what has as many.
_PACES = (
    (0.25, "8-bit sound at 8 kHz"),
    (0.5, "sound at 8 kHz, or 8-bit sound"),
    (1.5, "24-bit sound, or sound at 24 kHz"),
    (44.1 / 32, "sound at 22.05 kHz"),
    (2.0, "two channels, 32-bit sound, or sound at 32 kHz"),
    (44.1 / 16, "sound at 44.1 kHz"),
    (3.0, "sound at 48 kHz"),
    (4.0, "four channels, or two of 32 bits"),
    (44.1 / 8, "two channels at 44.1 kHz"),
    (6.0, "two channels at 48 kHz, or six"),
    (8.0, "eight channels"),
    (12.0, "two channels of 32 bits at 48 kHz"),
)
_PACE_TOLERANCE = 0.04


class Header(NamedTuple):
    """What stands before the samples of a pipe."""

    size: int
    order: str

    @property
    def dtype(self) -> str:
        """NumPy's name of the samples."""
        return "<i2" if self.order == "little" else ">i2"


def header_of(data: bytes) -> Header:
    """The header with which raw sound begins: none, or that of an AU file of the same sound.

    Parameters
    ----------
    data : bytes
        The first ones, :data:`AU_HEADER` if there are so many.

    Raises
    ------
    AudioError
        If it is a file of another kind.
    """
    for magic, what in _MAGIC:
        if data.startswith(magic):
            raise AudioError(
                f"raw sound starts like {what}; expected 16-bit PCM without a header "
                "(arecord -t raw); give a file by its name instead"
            )
    order = _AU.get(data[:4])
    if order is None:
        return Header(0, "little")
    fields = np.frombuffer(data[4:AU_HEADER], ">u4" if order == "big" else "<u4")
    if fields.size < 5:
        raise AudioError("raw sound ends inside the header of an AU file; record it again")
    size, _, encoding, rate, channels = (int(field) for field in fields)
    if (encoding, rate, channels) != (_AU_LINEAR_16, RATE, 1) or not AU_HEADER <= size <= 1 << 16:
        raise AudioError(
            f"raw sound starts like an AU file of {rate} Hz, {channels} channel(s), encoding "
            f"{encoding}; expected {RATE} Hz, 1 channel, encoding {_AU_LINEAR_16} (16 bits), or no "
            "header (pw-record --raw --rate 16000 --channels 1 --format s16 -)"
        )
    return Header(size, order)


def watched(blocks: Iterator[Samples], report: Callable[[str], None]) -> Iterator[Samples]:
    """The same blocks; what does not look like sound of this form is said, once.

    Parameters
    ----------
    blocks : iterator of (n,) int16 arrays
        Sound from a pipe.
    report : callable
        Takes a sentence.
    """
    looks, pace = Looks(), Pace()
    told = False
    before = time.monotonic()
    for samples in blocks:
        now = time.monotonic()
        if not told:
            found = looks.add(samples) or pace.add(2 * samples.size, before, now)
            told = bool(found)
            if found:
                report(_sentence(found))
        yield samples
        before = time.monotonic()
    found = looks.end()
    if found and not told:
        report(_sentence(found))


def _sentence(what: str) -> str:
    return (
        f"what comes looks like {what}, not like 16-bit sound of one channel at 16 kHz, and is "
        f"hardly heard; record it with {WISHED}"
    )


class Looks:
    """Gathers samples to seconds, and looks at what each resembles."""

    def __init__(self) -> None:
        self._held: list[Samples] = []
        self._size = 0
        self._seconds = 0
        self._row: list[str] = []
        self._whole: list[Samples] = []

    def add(self, samples: Samples) -> str:
        """What the last seconds resemble, if it is nothing that it should."""
        if self._seconds >= LOOKED_AT:
            return ""
        self._held.append(samples)
        self._size += samples.size
        while self._size >= RATE:
            whole = np.concatenate(self._held)
            second, rest = whole[:RATE], whole[RATE:]
            if self._seconds < NEEDED:
                self._whole.append(second)
            self._held, self._size = [rest], rest.size
            self._seconds += 1
            found = form_of(second)
            if found is not None:
                self._row.append(found)
            last = self._row[-NEEDED:]
            if len(last) == NEEDED and last[0] and len(set(last)) == 1:
                return last[0]
        return ""

    def end(self) -> str:
        """What the sound resembled as a whole, where it was too short for more."""
        if self._seconds >= NEEDED or self._size + RATE * self._seconds < RATE // 2:
            return ""
        whole = np.concatenate([*self._whole, *self._held])
        found = form_of(whole, QUIET_ALONE) or ""
        # three loud words of 4,890 look like bytes for a second; none does for three
        return "" if found == BYTES else found


class Pace:
    """Compares the bytes of a writer that has a clock with those that there should be."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._bytes = 0
        self._waited = 0.0
        self._last = ""

    def add(self, size: int, before: float, now: float) -> str:
        """What has as many bytes as came, if it is steady and nothing that it should be.

        Parameters
        ----------
        size : int
            Bytes that came.
        before, now : float
            When they were asked for, and when they were there.
        """
        if self._begun is None:  # how long the first took says nothing
            self._begun = now
            return ""
        self._bytes += size
        self._waited += now - before
        spent = now - self._begun
        if spent < WINDOW:
            return ""
        ratio, waits = self._bytes / spent / (2 * RATE), self._waited > 0.3 * spent
        self._begun, self._bytes, self._waited = now, 0, 0.0
        found = _pace(ratio) if waits else ""
        steady = found if found == self._last else ""
        self._last = found
        return steady


def _pace(ratio: float) -> str:
    for times, what in _PACES:
        if abs(ratio / times - 1) < _PACE_TOLERANCE:
            return f"{what} ({ratio:.2g} times as many bytes a second)".replace(
                f"{ratio:.2g}", f"{times:.3g}"
            )
    return ""


def form_of(samples: Samples, quiet: float = QUIET) -> str | None:
    """What samples resemble that were taken for 16-bit sound of one channel.

    Every rule asks for something that sound of the right form cannot have, however loud, quiet or
    noisy: a difference between samples of even and of odd number, or between the two bytes of a
    sample that only another form makes.

    Parameters
    ----------
    samples : (n,) int16 array
    quiet : float
        Standard deviation below which there is too little to tell.

    Returns
    -------
    str or None
        Empty where they may be what they should be; None where too little is there to tell.
    """
    size = samples.size // 6 * 6
    x = np.ascontiguousarray(samples[:size], "<i2")
    # silence, the last bits of a quiet room, or a tone of a generator
    if x.std() < quiet or np.unique(x[: 1 << 14]).size < 16:
        return None
    if _is_float(x[1::2], x[0::2]) or _is_float(x[0::2], x[1::2]):
        return "32-bit floats"
    if _is_swapped(x):
        return "big-endian samples"
    raw = x.view(np.uint8)
    if _is_bytes(raw ^ np.uint8(0x80), centred=True) or _is_bytes(raw, centred=False):
        return BYTES
    if _is_packed(raw):
        return "24-bit samples"
    if _is_double(x):
        return "two channels"
    if _is_uneven(x[0::2].astype(np.float64), x[1::2].astype(np.float64)):
        return "two channels, or 32-bit samples"
    return ""


def _rough(x: Reals) -> float:
    """Power of the steps over twice the power: 0 for slow sound, 1 for white noise, at most 2."""
    power = float(x.var())
    return float(np.mean(np.diff(x) ** 2)) / (2 * power) if power > 0 else 0.0


def _is_float(top: Samples, low: Samples) -> bool:
    """Upper halves of floats in (-1, 1): exponents of many sizes, which no lower half has."""
    bits = top.view(np.uint16) & 0x7FFF
    there = (top != 0) | (low != 0)
    if np.count_nonzero(there) < top.size // 4:
        return False
    exponents = bits[there] >> 7
    fits = (exponents >= 96) & (exponents <= 127)
    below = (low.view(np.uint16) & 0x7FFF)[there] >> 7
    counts = np.bincount(exponents[fits], minlength=128)
    return bool(
        np.mean(fits) > 0.95
        and np.mean((below >= 96) & (below <= 127)) < 0.5
        and np.count_nonzero(counts > 0.01 * exponents.size) >= 4
    )


def _is_swapped(x: Samples) -> bool:
    """As noise as they are, and quieter and smooth, or tiny, with their bytes the other way."""
    given, swapped = x.astype(np.float64), x.byteswap().astype(np.float64)
    if _rough(given) < 0.8:
        return False
    if _rough(swapped) < 0.4 and given.std() > 2 * swapped.std():
        return True
    raw = x.view(np.uint8)
    low = raw[0::2].view(np.int8)
    small = np.mean(np.abs(low.astype(np.int16)) <= 8) > 0.98
    signs = min(float(np.mean(low < 0)), float(np.mean(low >= 0)))
    return bool(small and signs > 0.1 and raw[1::2].std() > 40)


def _is_bytes(raw: npt.NDArray[np.uint8], centred: bool) -> bool:
    """Bytes that go on smoothly from each to the next, over the samples' bounds too."""
    signed = raw.view(np.int8).astype(np.float64)
    first, second = signed[0::2], signed[1::2]
    if centred and min(np.mean(np.abs(first) <= 64), np.mean(np.abs(second) <= 64)) > 0.95:
        return True
    spread = first.std(), second.std()
    if min(spread) < 1.5 or not 0.8 < spread[0] / spread[1] < 1.25:
        return False
    if abs(first.mean() - second.mean()) > 0.3 * spread[0] + 0.5:
        return False
    inside = float(np.corrcoef(first, second)[0, 1])
    across = float(np.corrcoef(second[:-1], first[1:])[0, 1])
    return min(inside, across) > 0.7


def _is_packed(raw: npt.NDArray[np.uint8]) -> bool:
    """One byte of three is a sign and little more."""
    near = [float(np.mean(raw[k::3] + np.uint8(8) < 16)) for k in range(3)]
    return max(near) > 0.9 and max(near) - min(near) > 0.5


def _is_double(x: Samples) -> bool:
    """Each sample stands there twice."""
    inside = float(np.mean(x[0::2] == x[1::2]))
    across = float(np.mean(x[1:-1:2] == x[2::2]))
    return inside > 0.98 and across < 0.5


def _is_uneven(even: Reals, odd: Reals) -> bool:
    """Samples of even number are of another loudness than their neighbours."""
    quiet, loud = sorted((even, odd), key=lambda part: float(part.std()))
    spread = float(loud.std())
    if spread < 16 or quiet.std() > spread / 4 or _rough(loud) > 1.5:
        return False
    # not a click, which has one sample
    return bool(np.mean(np.abs(loud - loud.mean()) > spread / 4) > 0.1)
