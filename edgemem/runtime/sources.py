"""Sound as int16 samples: files of any kind, raw PCM from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from edgemem.errors import AudioError
from edgemem.runtime.rawsound import AU_HEADER, header_of
from edgemem.runtime.soundfiles import Notes, Samples, blocks

SAMPLE_RATE = 16000


MOST = 1 << 26
"""Most samples of a file that is held as a whole and packs more than four of them in a byte:
70 minutes at 16 kHz, 128 MiB."""


def read_clip(
    path: str | Path, sample_rate: int = SAMPLE_RATE, notes: Notes | None = None
) -> Samples:
    """Samples of a sound file.

    Parameters
    ----------
    path : path
        A wav file of one channel of 16-bit samples at ``sample_rate``; with the extra ``audio``
        any file that libsndfile reads.
    sample_rate : int
        Rate of the samples, in Hz; sound of another rate is resampled.
    notes : Notes, optional
        Is told of a file whose sound was converted, or whose header gives no length.

    Returns
    -------
    (n,) int16 array

    Raises
    ------
    AudioError
        If the file is missing, damaged, truncated or empty, or far longer than its size lets
        expect.
    SoundFormatError
        If it is of another format, and a package that converts it is not there.
    MissingExtraError
        If it is FLAC and soundfile is not installed.
    """
    held = bytearray()
    for samples in clip_blocks(path, None, sample_rate, notes):
        held += samples.tobytes()
        if len(held) > 2 * MOST and len(held) > 8 * Path(path).stat().st_size:
            raise AudioError(
                f"{path} holds more than {MOST // sample_rate} s of sound in few bytes; cut it "
                "into shorter files"
            )
    return np.frombuffer(held, np.int16)


def clip_blocks(
    path: str | Path,
    block: int | None = SAMPLE_RATE // 10,
    sample_rate: int = SAMPLE_RATE,
    notes: Notes | None = None,
) -> Generator[Samples, None, None]:
    """Blocks of a sound file, which is not held in memory as a whole.

    Parameters
    ----------
    path, sample_rate, notes
        As for :func:`read_clip`.
    block : int, optional
        Most samples of one block; None leaves it to the file.

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
    held = False
    for samples in blocks(path, block, sample_rate, notes):
        held = True
        yield samples
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
        If there is no sample at all, the stream is a file of another kind, or it ends inside a
        sample. An AU header over the same sound is skipped (``pw-record`` writes one).
    """
    read = getattr(stream, "read1", stream.read)
    held, header, skipped, empty = bytearray(), None, 0, True
    while True:
        data = read(2 * block)
        held += data
        if header is None and (len(held) >= AU_HEADER or not data):
            header = header_of(bytes(held[:AU_HEADER]))
            skipped = header.size
        if header is not None:
            gone = min(skipped, len(held))
            skipped -= gone
            del held[:gone]
            while len(held) >= 2:
                whole = min(2 * block, len(held) // 2 * 2)
                empty = False
                yield np.frombuffer(bytes(held[:whole]), header.dtype).astype(np.int16, copy=False)
                del held[:whole]
        if not data:
            break
    if held:
        raise AudioError(
            "raw sound ends in the middle of a sample: it has an odd number of bytes; "
            "expected 16-bit samples (arecord -f S16_LE -r 16000 -c 1 -t raw)"
        )
    if empty:
        raise AudioError(
            "raw sound is empty: got no samples; is the recorder running "
            "(arecord -f S16_LE -r 16000 -c 1 -t raw)?"
        )
