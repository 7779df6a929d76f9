"""Sound as int16 samples: wav and FLAC files, raw PCM from a pipe."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from edgemem.errors import AudioError, MissingExtraError

Samples = npt.NDArray[np.int16]

SAMPLE_RATE = 16000


def read_clip(path: str | Path, sample_rate: int = SAMPLE_RATE) -> Samples:
    """Samples of a wav or FLAC file.

    Parameters
    ----------
    path : path
        A file of one channel of 16-bit samples; ``.flac`` is read as FLAC, any other name as wav.
    sample_rate : int
        The rate that the file must have, in Hz. Nothing is resampled.

    Returns
    -------
    (n,) int16 array

    Raises
    ------
    AudioError
        If the file is missing, damaged, truncated or empty, or of another format.
    MissingExtraError
        If it is FLAC and soundfile is not installed.
    """
    path = Path(path)
    try:
        samples = _read_flac(path, sample_rate) if _is_flac(path) else _read_wav(path, sample_rate)
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    if not len(samples):
        raise AudioError(f"{path} is empty: it holds no samples; record it again or leave it out")
    return samples


def pcm_blocks(stream: BinaryIO, block: int = SAMPLE_RATE // 10) -> Iterator[Samples]:
    """Blocks of raw 16-bit little-endian PCM, each as soon as its bytes are there.

    Parameters
    ----------
    stream : binary file
        One channel, as ``arecord -f S16_LE -r 16000 -c 1 -t raw`` writes it.
    block : int
        Most samples of one block.

    Yields
    ------
    (n,) int16 array
        ``1 <= n <= block``.

    Raises
    ------
    AudioError
        If there is no sample at all, the stream is a wav file, or it ends inside a sample.
    """
    read = getattr(stream, "read1", stream.read)
    odd = b""
    first = True
    while data := read(2 * block):
        data = odd + data
        if first and len(data) >= 2:
            _check_raw(data)
            first = False
        whole = len(data) // 2 * 2
        odd = data[whole:]
        if whole:
            yield np.frombuffer(data[:whole], "<i2").astype(np.int16, copy=False)
    if odd:
        raise AudioError(
            "raw sound ends in the middle of a sample: it has an odd number of bytes; "
            "expected 16-bit samples (arecord -f S16_LE -r 16000 -c 1 -t raw)"
        )
    if first:
        raise AudioError(
            "raw sound is empty: got no samples; is the recorder running "
            "(arecord -f S16_LE -r 16000 -c 1 -t raw)?"
        )


def _check_raw(data: bytes) -> None:
    for magic, what in ((b"RIFF", "a wav"), (b"fLaC", "a FLAC"), (b"OggS", "an Ogg")):
        if data.startswith(magic):
            raise AudioError(
                f"raw sound starts like {what} file; expected 16-bit PCM without a header "
                "(arecord -t raw); give a file by its name instead"
            )


def _is_flac(path: Path) -> bool:
    return path.suffix.lower() == ".flac"


def _check_format(path: Path, rate: int, channels: int, bits: int, sample_rate: int) -> None:
    if (rate, channels, bits) != (sample_rate, 1, 16):
        raise AudioError(
            f"{path} is {rate} Hz, {channels} channel(s), {bits} bits; expected {sample_rate} Hz, "
            f"1 channel, 16 bits; {_convert(sample_rate)}"
        )


def _check_length(path: Path, promised: int, held: int) -> None:
    if held != promised:
        raise AudioError(
            f"{path} is truncated: its header promises {promised} samples, it holds {held}; "
            "copy it again"
        )


def _convert(sample_rate: int) -> str:
    return f"convert it with: sox IN -r {sample_rate} -c 1 -b 16 -e signed-integer OUT.wav"


def _read_wav(path: Path, sample_rate: int) -> Samples:
    try:
        with path.open("rb") as file, wave.open(file, "rb") as clip:
            bits = 8 * clip.getsampwidth()
            _check_format(path, clip.getframerate(), clip.getnchannels(), bits, sample_rate)
            promised = clip.getnframes()
            data = clip.readframes(promised)
    except wave.Error as error:
        raise AudioError(f"{path} is no PCM wav file ({error}); {_convert(sample_rate)}") from error
    except EOFError as error:
        raise AudioError(
            f"{path} is truncated: it ends inside its header; copy it again"
        ) from error
    except RuntimeError as error:  # a chunk whose size leads out of the file
        raise AudioError(f"{path} is damaged: its chunks do not meet; copy it again") from error
    _check_length(path, promised, len(data) // 2)
    return np.frombuffer(data, "<i2", promised).astype(np.int16, copy=False)


def _read_flac(path: Path, sample_rate: int) -> Samples:
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtraError("reading FLAC", "soundfile", "audio") from error
    try:
        with path.open("rb") as file, soundfile.SoundFile(file) as clip:
            bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(clip.subtype, 0)
            _check_format(path, clip.samplerate, clip.channels, bits, sample_rate)
            promised = clip.frames
            samples = np.asarray(clip.read(dtype="int16"), np.int16)
    except (soundfile.SoundFileError, MemoryError) as error:  # absurd lengths ask for all memory
        raise AudioError(f"{path} is no readable FLAC file ({error}); copy it again") from error
    _check_length(path, promised, len(samples))
    return samples
