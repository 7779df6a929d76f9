"""Sound files of any kind: what their headers say, and their sound as a network hears it.

Wav files of one channel of 16-bit samples at the wanted rate need nothing but NumPy. All others go
through libsndfile (package soundfile), and through soxr where their rate is another one.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgemem.errors import AudioError, MissingExtraError, SoundFormatError, install_command
from edgemem.runtime import wav

if TYPE_CHECKING:
    from types import ModuleType

Samples = npt.NDArray[np.int16]

ENDINGS = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd"),
    *(".caf", ".w64", ".rf64", ".wave"),
)
"""Of file names that hold sound; what is in them is told by their first bytes."""

RATES = (4000, 768_000)
"""Least and greatest rate of sound, in Hz."""

_INSTALL = install_command("audio")
_CONVERT = "convert it with: sox IN -r 16000 -c 1 -b 16 -e signed-integer OUT.wav"
# Values of all channels that are decoded at once: a file may promise any number of samples.
_PIECE = 1 << 18
# Bytes: a file in a pipe is held as a whole, since headers are sought in.
_MOST_OF_A_PIPE = 1 << 27
# Frames of a file whose header gives no length, in libsndfile.
_UNKNOWN = 2**63 - 1
# Of floats, full scale being 1: what lies beyond is no sound, and may leave the range of numbers.
_LOUDEST = 1000.0
_SUBTYPES = {
    (wav.PCM, 8): "PCM_U8",
    (wav.PCM, 16): "PCM_16",
    (wav.PCM, 24): "PCM_24",
    (wav.PCM, 32): "PCM_32",
    (wav.FLOAT, 32): "FLOAT",
    (wav.FLOAT, 64): "DOUBLE",
    (wav.A_LAW, 8): "ALAW",
    (wav.MU_LAW, 8): "ULAW",
}
_WIDTHS = {
    "PCM_S8": "8 bits",
    "PCM_U8": "8 bits",
    "PCM_16": "16 bits",
    "PCM_24": "24 bits",
    "PCM_32": "32 bits",
    "FLOAT": "32-bit floats",
    "DOUBLE": "64-bit floats",
    "ALAW": "A-law",
    "ULAW": "mu-law",
    "MPEG_LAYER_III": "MP3",
}


@dataclass(frozen=True)
class About:
    """What the header of a sound file says.

    Parameters
    ----------
    rate : int
        Samples a second.
    channels : int
    width : str
        How a sample is stored, such as ``"16 bits"``.
    frames : int
        Samples of one channel, as far as the header knows.
    unfinished : bool
        Whether it gives no length, so that all up to the file's end is taken for sound.
    """

    rate: int
    channels: int
    width: str
    frames: int
    unfinished: bool = False

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / max(1, self.rate)

    def __str__(self) -> str:
        return f"{self.rate} Hz, {self.channels} channel(s), {self.width}"

    def fits(self, sample_rate: int) -> bool:
        """Whether it is what a network hears as it is."""
        return (self.rate, self.channels, self.width) == (sample_rate, 1, "16 bits")


@dataclass
class Notes:
    """What somebody should know of files that were heard, told once for all of them.

    Parameters
    ----------
    sample_rate : int
        Rate at which they were heard.
    """

    sample_rate: int
    _heard: list[tuple[str, About]] = field(default_factory=list)

    def add(self, name: str, about: About) -> None:
        """Remember a file, if there is anything to tell of it."""
        if about.unfinished or not about.fits(self.sample_rate):
            self._heard.append((name, about))

    def lines(self) -> list[str]:
        """A sentence for each kind, with the number of files and one of them."""
        rate = self.sample_rate
        found = []
        changed = [item for item in self._heard if not item[1].fits(rate)]
        if changed:
            kinds = sorted({str(about) for _, about in changed})
            shown = " / ".join(kinds[:3]) + (" / ..." if len(kinds) > 3 else "")
            found.append(f"converted from {shown} to {rate} Hz, 1 channel: {_names(changed)}")
        low = [item for item in changed if item[1].rate < rate]
        if low:
            top = max(about.rate for _, about in low) / 2000
            found.append(f"nothing above {top:g} kHz is in {_names(low)}")
        endless = [item for item in self._heard if item[1].unfinished]
        if endless:
            found.append(
                "heard to the end of the file, since its header gives no length (a stream, or a "
                f"recorder that was ended): {_names(endless)}"
            )
        return found


def _names(items: list[tuple[str, About]]) -> str:
    first = items[0][0]
    return first if len(items) == 1 else f"{first} and {len(items) - 1} more"


def about(path: Path) -> About:
    """What the header of a file says; none of its sound is read.

    Raises
    ------
    AudioError, MissingExtraError
        If it cannot be read, or not without a package that is missing.
    """
    with _opened(path) as file:
        return _look(file, path)[0]


def blocks(
    path: Path, block: int | None, sample_rate: int, notes: Notes | None = None
) -> Iterator[Samples]:
    """Sound of a file: one channel at ``sample_rate``.

    Parameters
    ----------
    path : Path
    block : int, optional
        Most samples of one block; None leaves it to the file.
    sample_rate : int
        In Hz; sound of another rate is resampled.
    notes : Notes, optional
        Is told what the file is.

    Yields
    ------
    (n,) int16 array

    Raises
    ------
    AudioError
        If the file is damaged or truncated.
    SoundFormatError
        If it needs a package that is missing.
    MissingExtraError
        If that holds for every file of its kind.
    """
    with _opened(path) as file:
        found, layout = _look(file, path)
        if not RATES[0] <= found.rate <= RATES[1]:
            raise AudioError(
                f"{path} is damaged: its header says {found.rate} Hz; expected "
                f"{RATES[0]} to {RATES[1]}"
            )
        if layout is not None and found.fits(sample_rate):
            made = _plain(wav.Spans(file, layout.spans), block or _PIECE)
        else:
            made = _converted(file, path, found, layout, sample_rate, block or _PIECE)
        for samples in made:
            if notes is not None:
                notes.add(str(path), found)
                notes = None
            yield samples


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A file that can be sought in; a pipe is read to its end first."""
    if path.suffix.lower() == ".flac" and _package("soundfile") is None:
        raise MissingExtraError(f"reading {path}", "soundfile", "audio")
    try:
        with path.open("rb") as file:
            yield file if file.seekable() else _held(file, path)
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error


def _held(pipe: BinaryIO, path: Path) -> BinaryIO:
    data = pipe.read(_MOST_OF_A_PIPE + 1)
    if len(data) > _MOST_OF_A_PIPE:
        raise AudioError(
            f"{path} is a pipe that gives more than {_MOST_OF_A_PIPE >> 20} MiB; give a file, or "
            "raw 16-bit PCM on standard input"
        )
    return io.BytesIO(data)


def _look(file: BinaryIO, path: Path) -> tuple[About, wav.Layout | None]:
    """What a file is, and where its sound lies if it is a wav file that we can read."""
    head = file.read(12)
    if not wav.is_wav(head):
        return _by_libsndfile(file, path, head), None
    layout = wav.layout_of(file, path)
    subtype = _SUBTYPES.get((layout.code, layout.bits))
    if subtype is None:
        return _by_libsndfile(file, path, head), None
    found = (layout.rate, layout.channels, _WIDTHS[subtype], layout.frames, layout.unfinished)
    return About(*found), layout


def _by_libsndfile(file: BinaryIO, path: Path, head: bytes) -> About:
    soundfile = _package("soundfile")
    if soundfile is None:
        raise SoundFormatError(
            path,
            "is no PCM wav file (FLAC)" if head.startswith(b"fLaC") else "is no PCM wav file",
            f"{_CONVERT}, or have it converted: {_INSTALL}",
        )
    with _errors(path, soundfile), soundfile.SoundFile(wav.Spans(file)) as clip:
        width = _WIDTHS.get(clip.subtype, clip.subtype)
        known = 0 < clip.frames < _UNKNOWN
        return About(clip.samplerate, clip.channels, width, clip.frames if known else 0, not known)


def _plain(sound: wav.Spans, block: int) -> Iterator[Samples]:
    while data := sound.read(2 * block):
        yield np.frombuffer(data, "<i2", len(data) // 2).astype(np.int16, copy=False)


def _converted(
    file: BinaryIO,
    path: Path,
    found: About,
    layout: wav.Layout | None,
    sample_rate: int,
    block: int,
) -> Iterator[Samples]:
    soundfile = _package("soundfile")
    soxr = _package("soxr") if found.rate != sample_rate else None
    if soundfile is None or (soxr is None and found.rate != sample_rate):
        raise SoundFormatError(
            path,
            f"is {found}; expected {sample_rate} Hz, 1 channel, 16 bits",
            f"{_CONVERT.replace('16000', str(sample_rate))}, or have it converted: {_INSTALL}",
        )
    change = None
    if soxr is not None:
        change = soxr.ResampleStream(found.rate, sample_rate, 1, dtype="float32")
    with _errors(path, soundfile), _decoder(soundfile, file, found, layout) as clip:
        for values in _resampled(_mono(clip, path, found), change):
            for start in range(0, len(values), block):
                yield _to_int16(values[start : start + block])


def _decoder(soundfile: ModuleType, file: BinaryIO, found: About, layout: wav.Layout | None) -> Any:
    if layout is None:
        return soundfile.SoundFile(wav.Spans(file))
    # Headers without a length, or with several pieces of sound, are read by us alone.
    return soundfile.SoundFile(
        wav.Spans(file, layout.spans),
        samplerate=found.rate,
        channels=found.channels,
        format="RAW",
        subtype=_SUBTYPES[layout.code, layout.bits],
        endian="LITTLE",
    )


def _mono(clip: Any, path: Path, found: About) -> Iterator[npt.NDArray[np.float32]]:
    """Sound of all channels, averaged, piece by piece: no promise of a header is allocated."""
    held = 0
    # Else soundfile trusts the header, and seeks after each piece, which a stream does not allow.
    clip.seekable = lambda: False
    while len(values := clip.read(max(1, _PIECE // found.channels), "float32", always_2d=True)):
        held += len(values)
        if not np.isfinite(values).all():
            raise AudioError(f"{path} holds values that are no finite numbers; record it again")
        np.clip(values, -_LOUDEST, _LOUDEST, out=values)
        yield values.mean(axis=1, dtype=np.float32) if found.channels > 1 else values[:, 0]
    if held < found.frames:
        raise AudioError(
            f"{path} is truncated: its header promises {found.frames} samples, it holds {held}; "
            "copy it again"
        )


def _resampled(
    parts: Iterator[npt.NDArray[np.float32]], change: Any
) -> Iterator[npt.NDArray[np.float32]]:
    if change is None:
        yield from parts
        return
    for part in parts:
        yield change.resample_chunk(part)
    yield change.resample_chunk(np.zeros(0, np.float32), last=True)


def _to_int16(values: npt.NDArray[np.float32]) -> Samples:
    limited: npt.NDArray[np.float32] = np.clip(np.rint(values * np.float32(32768)), -32768, 32767)
    return limited.astype(np.int16)


def _package(name: str) -> ModuleType | None:
    """An optional package, or None where it, or the library under it, is not there."""
    try:
        __import__(name)
    except (ImportError, OSError):
        return None
    return sys.modules[name]


@contextmanager
def _errors(path: Path, soundfile: ModuleType) -> Iterator[None]:
    try:
        yield
    except (soundfile.SoundFileError, MemoryError, ValueError, TypeError) as error:
        if isinstance(error, AudioError):
            raise
        reason = getattr(error, "error_string", error)
        if path.suffix.lower() == ".wav":
            raise AudioError(f"{path} is no PCM wav file ({reason}); {_CONVERT}") from error
        kind = "FLAC file" if path.suffix.lower() == ".flac" else "sound file"
        raise AudioError(f"{path} is no readable {kind} ({reason}); copy it again") from error
