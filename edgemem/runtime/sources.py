"""Sound as int16 samples: wav and FLAC files, raw PCM from a pipe."""

from __future__ import annotations

import io
import sys
import wave
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

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
    blocks = list(clip_blocks(path, None, sample_rate))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def clip_blocks(
    path: str | Path, block: int | None = SAMPLE_RATE // 10, sample_rate: int = SAMPLE_RATE
) -> Generator[Samples, None, None]:
    """Blocks of a wav or FLAC file, which is not held in memory as a whole.

    Parameters
    ----------
    path, sample_rate
        As for :func:`read_clip`.
    block : int, optional
        Most samples of one block; None takes the whole file at once.

    Yields
    ------
    (n,) int16 array
        ``1 <= n <= block``.

    Raises
    ------
    AudioError, MissingExtraError
        As :func:`read_clip`. What the header tells is raised before the first block.
    """
    path = Path(path)
    read = _flac_blocks if _is_flac(path) else _wav_blocks
    held = False
    try:
        for samples in read(path, block, sample_rate):
            held = True
            yield samples
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    if not held:
        raise AudioError(f"{path} is empty: it holds no samples; record it again or leave it out")


def standard_input(command: str) -> BinaryIO:
    """Standard input, for raw 16-bit PCM.

    Parameters
    ----------
    command : str
        What reads it, for the message.

    Raises
    ------
    AudioError
        If it is closed or a terminal.
    """
    if sys.stdin is None:
        raise AudioError("standard input is closed; expected raw 16-bit PCM from a pipe")
    stream = sys.stdin.buffer
    if stream.isatty():
        raise AudioError(
            "standard input is a terminal; expected raw 16-bit PCM from a pipe "
            f"(arecord -f S16_LE -r 16000 -c 1 -t raw | {command})"
        )
    return stream


class Readable(Protocol):
    """Bytes, at most so many; none at the end."""

    def read(self, size: int, /) -> bytes: ...


def pcm_blocks(stream: Readable, block: int = SAMPLE_RATE // 10) -> Iterator[Samples]:
    """Blocks of raw 16-bit little-endian PCM, each as soon as its bytes are there.

    Parameters
    ----------
    stream : binary file
        One channel, as ``arecord -f S16_LE -r 16000 -c 1 -t raw`` writes it. Of its methods only
        ``read`` is needed; ``read1`` is preferred, which gives what is there.
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


def _wav_blocks(path: Path, block: int | None, sample_rate: int) -> Iterator[Samples]:
    with path.open("rb") as file:
        with _wav_errors(path, sample_rate):
            clip = wave.open(file, "rb")  # noqa: SIM115 - it owns nothing: the file is ours
            bits = 8 * clip.getsampwidth()
        _check_format(path, clip.getframerate(), clip.getnchannels(), bits, sample_rate)
        promised = clip.getnframes()
        size = path.stat().st_size
        if size < 2 * promised:
            _check_length(path, promised, max(0, size - file.tell()) // 2)
        _check_chunks(path, file)
        held = 0
        while held < promised:
            with _wav_errors(path, sample_rate):
                data = clip.readframes(promised if block is None else min(block, promised - held))
            if len(data) < 2:
                break
            held += len(data) // 2
            yield np.frombuffer(data, "<i2", len(data) // 2).astype(np.int16, copy=False)
        _check_length(path, promised, held)


@contextmanager
def _wav_errors(path: Path, sample_rate: int) -> Iterator[None]:
    try:
        yield
    except wave.Error as error:
        raise AudioError(f"{path} is no PCM wav file ({error}); {_convert(sample_rate)}") from error
    except EOFError as error:
        raise AudioError(
            f"{path} is truncated: it ends inside its header; copy it again"
        ) from error
    except RuntimeError as error:  # a chunk whose size leads out of the file
        raise AudioError(f"{path} is damaged: its chunks do not meet; copy it again") from error


def _check_chunks(path: Path, file: BinaryIO) -> None:
    """Refuse a file whose format changes on the way: wavs joined by ``cat``, a second header."""
    here = file.tell()
    formats = 0
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], "little")
        formats += name == b"fmt "
        if name == b"RIFF" or formats > 1:
            raise AudioError(
                f"{path} changes its format on the way: behind its sound a second header begins; "
                "give each recording a file of its own"
            )
        file.seek(size + (size & 1), io.SEEK_CUR)
    file.seek(here)


def _flac_blocks(path: Path, block: int | None, sample_rate: int) -> Iterator[Samples]:
    try:
        import soundfile
    except ImportError as error:
        raise MissingExtraError("reading FLAC", "soundfile", "audio") from error
    try:
        with path.open("rb") as file, soundfile.SoundFile(file) as clip:
            bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(clip.subtype, 0)
            _check_format(path, clip.samplerate, clip.channels, bits, sample_rate)
            promised = clip.frames
            held = 0
            while held < promised:
                samples = np.asarray(clip.read(block or -1, dtype="int16"), np.int16)
                if not len(samples):
                    break
                held += len(samples)
                yield samples
    except (soundfile.SoundFileError, MemoryError) as error:  # absurd lengths ask for all memory
        raise AudioError(f"{path} is no readable FLAC file ({error}); copy it again") from error
    _check_length(path, promised, held)
