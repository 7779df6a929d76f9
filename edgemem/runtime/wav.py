"""Wav files: where their sound lies, the same on every Python, and writing 16-bit mono ones."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from edgemem.errors import AudioError

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE

UNFINISHED = 0x7FFFE000
"""From this size on, a chunk that the file does not hold is one whose writer could not go back:
sox writes 0x7FFFF000 to a pipe, arecord 0x80000000 or a little less, ffmpeg 0xFFFFFFFF."""

_MAGIC = (b"RIFF", b"RF64", b"BW64")
# Of the sixteen bytes that name the coding of an extensible header, the first two are the old code.
_CODING = bytes.fromhex("000000001000800000aa00389b71")
_MOST_CHUNKS = 10_000
_HEADER = b"WAVEfmt "
_SEARCHED = 1 << 20


@dataclass(frozen=True)
class Layout:
    """Where the sound of a wav file lies, and as what.

    Parameters
    ----------
    code : int
        How samples are coded: :data:`PCM`, :data:`FLOAT`, or another number of the format's list.
    channels, rate : int
    bits : int
        Of a sample as it is stored, a multiple of 8 for PCM.
    spans : tuple of (int, int)
        First byte and number of bytes of each piece of sound, in whole frames where the size of
        one is known.
    unfinished : bool
        Whether the header gives no length, so that the sound is taken to go on to the file's end.
    """

    code: int
    channels: int
    rate: int
    bits: int
    spans: tuple[tuple[int, int], ...]
    unfinished: bool

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8

    @property
    def frames(self) -> int:
        """Samples of one channel."""
        return sum(size for _, size in self.spans) // max(1, self.frame)


def is_wav(head: bytes) -> bool:
    """Whether a file that starts with these twelve bytes, or all that it has, is a wav file."""
    magic, kind = head[:4], head[8:12]
    return any(name.startswith(magic) for name in _MAGIC) and b"WAVE".startswith(kind)


def layout_of(file: BinaryIO, path: Path) -> Layout:
    """Read the header and the chunks of a wav file; none of its sound.

    Parameters
    ----------
    file : binary file
        Can be sought in.
    path : Path
        Its name, for messages.

    Raises
    ------
    AudioError
        If the file is damaged or truncated, or a second header begins behind its sound.
    """
    end = file.seek(0, io.SEEK_END)
    walk = _Walk(path, end)
    position = 12
    while position + 8 <= end:
        if walk.chunks > _MOST_CHUNKS:
            raise AudioError(f"{path} is damaged: it has more than {_MOST_CHUNKS} chunks")
        file.seek(position)
        name, size = struct.unpack("<4sI", file.read(8))
        next_one = walk.take(file, name, size, position + 8)
        if next_one is None:
            break
        position = next_one
    return walk.layout()


class _Walk:
    """What is known of a file after some of its chunks."""

    def __init__(self, path: Path, end: int) -> None:
        self.path, self.end, self.chunks = path, end, 0
        self._format: tuple[int, int, int, int] | None = None
        self._large: int | None = None
        self._spans: list[tuple[int, int]] = []
        self._unfinished = False

    def take(self, file: BinaryIO, name: bytes, size: int, start: int) -> int | None:
        """Look at one chunk; where the next one begins, or None if there is none."""
        self.chunks += 1
        left = self.end - start
        if name in _MAGIC or (name == b"fmt " and self._format):
            raise self._joined()
        if name == b"data":
            return self._data(file, size, start)
        if size > left:
            if not self._spans:
                raise AudioError(
                    f"{self.path} is damaged: its chunks do not meet; copy it again"
                    if self._format
                    else f"{self.path} is truncated: it ends inside its header; copy it again"
                )
            return None  # what somebody left behind the sound
        if name == b"fmt ":
            self._format = self._read_format(file.read(min(size, 40)))
        elif name == b"ds64" and size >= 16:
            self._large = int(struct.unpack("<QQ", file.read(16))[1])
        return _after(file, start, size)

    def _data(self, file: BinaryIO, size: int, start: int) -> int | None:
        if self._format is None:
            raise AudioError(f"{self.path} is damaged: its sound comes before its format")
        if size == 0xFFFFFFFF and self._large is not None:
            size, self._large = self._large, None
        left = self.end - start
        endless = size > left and size >= UNFINISHED
        if endless or (size == 0 and left and not _chained(file, start, self.end)):
            if _begins_again(file, start):
                raise self._joined()
            self._unfinished = True
            self._spans.append((start, left))
            return None
        if size > left:
            frame = max(1, self._format[1] * self._format[3] // 8)
            raise AudioError(
                f"{self.path} is truncated: its header promises {size // frame} samples, it holds "
                f"{left // frame}; copy it again, or take what is there: "
                "sox --ignore-length IN.wav OUT.wav"
            )
        self._spans.append((start, size))
        return _after(file, start, size)

    def _joined(self) -> AudioError:
        return AudioError(
            f"{self.path} changes its format on the way: behind its sound a second header "
            "begins; give each recording a file of its own"
        )

    def _read_format(self, data: bytes) -> tuple[int, int, int, int]:
        if len(data) < 16:
            raise AudioError(f"{self.path} is damaged: its format has {len(data)} bytes of 16")
        code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", data[:16])
        if code == EXTENSIBLE:
            if len(data) < 40 or data[26:40] != _CODING:
                raise AudioError(
                    f"{self.path} has an extensible header that names no coding that is known"
                )
            code = struct.unpack("<H", data[24:26])[0]
        if not channels or not rate:
            raise AudioError(
                f"{self.path} is damaged: its header says {rate} Hz and {channels} channels"
            )
        if code == PCM:
            if not bits:
                raise AudioError(f"{self.path} is damaged: its header says 0 bits")
            bits = -(-bits // 8) * 8  # fewer bits are stored in the upper ones of whole bytes
        return code, channels, rate, bits

    def layout(self) -> Layout:
        """All that was found."""
        if self._format is None or not self._spans:
            raise AudioError(f"{self.path} is truncated: it ends inside its header; copy it again")
        code, channels, rate, bits = self._format
        frame = max(1, channels * bits // 8)
        spans = tuple((start, size // frame * frame) for start, size in self._spans)
        return Layout(code, channels, rate, bits, spans, self._unfinished)


def _after(file: BinaryIO, start: int, size: int) -> int:
    """Where the chunk after one begins: chunks are padded to even sizes, by most writers."""
    if size % 2 == 0:
        return start + size
    file.seek(start + size)
    return start + size + (0 if _is_name(file.read(4)) else 1)


def _is_name(data: bytes) -> bool:
    return len(data) == 4 and all(32 <= byte < 127 for byte in data) and data[0] != 32


def _begins_again(file: BinaryIO, start: int) -> bool:
    """Whether another wav header comes in sound without a length, as ``cat`` leaves it."""
    file.seek(start)
    tail = b""
    while data := file.read(_SEARCHED):
        if _HEADER in tail + data:
            return True
        tail = data[1 - len(_HEADER) :]
    return False


def _chained(file: BinaryIO, start: int, end: int) -> bool:
    """Whether what follows are chunks up to the file's end, and not sound without a length."""
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        head = file.read(8)
        if len(head) < 8 or not _is_name(head[:4]):
            return False
        start = _after(file, start + 8, int.from_bytes(head[4:], "little"))
        if start >= end:
            return start <= end + 1
    return False


class Spans(io.RawIOBase):
    """Pieces of a file as a file of their own, such as the sound of a wav file without its header.

    No place that is sought is an error: a library that calls it out of C would not pass one on.

    Parameters
    ----------
    file : binary file
        Can be sought in; it stays its owner's.
    spans : sequence of (int, int)
        First byte and number of bytes of each piece; all of the file without.
    """

    def __init__(self, file: BinaryIO, spans: Sequence[tuple[int, int]] | None = None) -> None:
        self._file = file
        self._spans = spans if spans is not None else [(0, file.seek(0, io.SEEK_END))]
        self._size = sum(size for _, size in self._spans)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_CUR: self._position, io.SEEK_END: self._size}.get(whence, 0)
        self._position = max(0, origin + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, fewer only at the end."""
        size = max(0, self._size - self._position) if size < 0 else size
        parts = []
        first = 0
        for start, length in self._spans:
            inside = self._position - first
            if size > 0 and 0 <= inside < length:
                self._file.seek(start + inside)
                part = self._file.read(min(size, length - inside))
                self._position += len(part)
                size -= len(part)
                parts.append(part)
            first += length
        return b"".join(parts)

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


def wav_bytes(samples: npt.NDArray[np.int16], sample_rate: int = 16000) -> bytes:
    """A wav file with one channel of 16-bit samples."""
    data = np.asarray(samples, "<i2").tobytes()
    coding = struct.pack("<HHIIHH", PCM, 1, sample_rate, 2 * sample_rate, 2, 16)
    return b"".join(
        [
            *(b"RIFF", struct.pack("<I", 36 + len(data)), b"WAVE"),
            *(b"fmt ", struct.pack("<I", len(coding)), coding),
            *(b"data", struct.pack("<I", len(data)), data),
        ]
    )
