"""Wav headers as people's machines write them, each byte laid out here by hand."""

from __future__ import annotations

import io
import os
import struct
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import AudioError
from edgemem.runtime.soundfiles import Notes
from edgemem.runtime.sources import clip_blocks, read_clip
from edgemem.runtime.wav import layout_of, wav_bytes

SAMPLES = np.array([0, 1, -1, 32767, -32768, 256, 77, -300], np.int16)
SOUND = SAMPLES.astype("<i2").tobytes()
TAIL = bytes.fromhex("0000 0000 1000 8000 00AA 0038 9B71")  # of the GUIDs in Microsoft's ksmedia.h


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data


def coding(code: int = 1, channels: int = 1, rate: int = 16000, bits: int = 16) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", code, channels, rate, rate * frame % 2**32, frame, bits)


def extensible(code: int = 1, tail: bytes = TAIL) -> bytes:
    return coding(0xFFFE) + struct.pack("<HHIH", 22, 16, 4, code) + tail


def riff(*chunks: bytes, size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def told(path: Path) -> tuple[list[int], list[str]]:
    notes = Notes(16000)
    return read_clip(path, notes=notes).tolist(), notes.lines()


FMT = chunk(b"fmt ", coding())
LIST = chunk(b"LIST", b"INFOISFT\x06\0\0\0edges\0")

WHOLE = {
    "plain": riff(FMT, chunk(b"data", SOUND)),
    "extensible": riff(chunk(b"fmt ", extensible()), chunk(b"data", SOUND)),
    "eighteen bytes of format": riff(chunk(b"fmt ", coding() + b"\0\0"), chunk(b"data", SOUND)),
    "a size of RIFF that is 0": riff(FMT, chunk(b"data", SOUND), size=0),
    "a size of RIFF that is too large": riff(FMT, chunk(b"data", SOUND), size=2**32 - 1),
    "chunks around": riff(LIST, FMT, LIST, chunk(b"data", SOUND), LIST),
    "an odd chunk, padded": riff(chunk(b"junk", b"abc"), b"\0", FMT, chunk(b"data", SOUND)),
    "an odd chunk, not padded": riff(chunk(b"junk", b"abc"), FMT, chunk(b"data", SOUND)),
    "pieces": riff(FMT, chunk(b"data", SOUND[:6]), LIST, chunk(b"data", SOUND[6:])),
    "an empty piece": riff(FMT, chunk(b"data", b""), LIST, chunk(b"data", SOUND)),
    "a byte too many": riff(FMT, chunk(b"data", SOUND + b"\7"), b"\0", LIST),
    "something behind": riff(FMT, chunk(b"data", SOUND)) + b"TAG" + bytes(125),
    "RF64": riff(
        chunk(b"ds64", struct.pack("<QQQI", 0, len(SOUND), len(SAMPLES), 0)),
        FMT,
        chunk(b"data", SOUND, 0xFFFFFFFF),
        LIST,
        magic=b"RF64",
        size=0xFFFFFFFF,
    ),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.usefixtures("bare")
def test_every_whole_header_is_heard_and_nothing_is_said(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(WHOLE[name])
    assert told(tmp_path / "a.wav") == (SAMPLES.tolist(), [])


@pytest.mark.parametrize(
    "size", [0, 0x7FFFF000, 0x7FFFFFFE, 0x80000000, 0x80000000 - 36, 0xFFFFFFFF, 0xFFFFFFFF - 36]
)
@pytest.mark.parametrize("whole", [0, 0xFFFFFFFF, 36 + len(SOUND)])
@pytest.mark.usefixtures("bare")
def test_without_a_length_the_sound_is_heard_to_the_end_and_said_once(
    size: int, whole: int, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{name}.wav" for name in "abc"]
    notes = Notes(16000)
    for path in paths:
        path.write_bytes(riff(FMT, chunk(b"data", SOUND, size), size=whole))
        assert read_clip(path, notes=notes).tolist() == SAMPLES.tolist()
    (line,) = notes.lines()
    assert "its header gives no length" in line
    assert line.endswith(f"{paths[0]} and 2 more")


@pytest.mark.usefixtures("bare")
def test_half_a_sample_at_the_end_of_a_stream_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(riff(FMT, chunk(b"data", SOUND + b"\1", 0xFFFFFFFF)))
    assert told(tmp_path / "a.wav")[0] == SAMPLES.tolist()


REFUSED = {
    "no sound, with a chunk behind": (riff(FMT, chunk(b"data", b""), LIST), "is empty"),
    "ends in its format": (riff(FMT[:20]), "ends inside its header"),
    "ends before its sound": (riff(FMT, LIST), "ends inside its header"),
    "sound before the format": (riff(chunk(b"data", SOUND), FMT), "sound comes before its format"),
    "half a format": (riff(chunk(b"fmt ", coding()[:14]), chunk(b"data", SOUND)), "14 bytes of 16"),
    "no channel": (riff(chunk(b"fmt ", coding(channels=0)), chunk(b"data", SOUND)), "0 channels"),
    "no rate": (riff(chunk(b"fmt ", coding(rate=0)), chunk(b"data", SOUND)), "says 0 Hz"),
    "no bits": (riff(chunk(b"fmt ", coding(bits=0)), chunk(b"data", SOUND)), "says 0 bits"),
    "a rate of no sound": (riff(chunk(b"fmt ", coding(rate=2**31)), chunk(b"data", SOUND)), "Hz"),
    "another coding": (
        riff(chunk(b"fmt ", extensible(tail=bytes(14))), chunk(b"data", SOUND)),
        "names no coding that is known",
    ),
    "half": (riff(FMT, chunk(b"data", SOUND, 32)), "promises 16 samples, it holds 8"),
    "chunks that do not meet": (riff(FMT, chunk(b"LIST", b"abcd", 4000)), "do not meet"),
    "two formats": (riff(FMT, chunk(b"data", SOUND), FMT), "changes its format"),
    "two files": (2 * riff(FMT, chunk(b"data", SOUND)), "changes its format"),
    "two streams": (2 * riff(FMT, chunk(b"data", SOUND, 0xFFFFFFFF)), "changes its format"),
    "many chunks": (riff(FMT, 10_001 * chunk(b"junk", b"")), "more than 10000 chunks"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("bare")
def test_what_is_wrong_is_said_in_a_sentence(name: str, tmp_path: Path) -> None:
    data, message = REFUSED[name]
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(AudioError, match=message) as raised:
        read_clip(tmp_path / "a.wav")
    assert "\n" not in str(raised.value)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"LIST", b"junk", b"data", b"bext"]), st.binary(max_size=20)),
        max_size=8,
    )
)
def test_chunks_in_any_order_give_all_their_sound(parts: list[tuple[bytes, bytes]]) -> None:
    sound = b"".join(data[: len(data) // 2 * 2] for name, data in parts if name == b"data")
    chunks = [chunk(name, data) + b"\0" * (len(data) % 2) for name, data in parts]
    data = riff(FMT, *chunks, chunk(b"data", SOUND))
    layout = layout_of(io.BytesIO(data), Path("a.wav"))
    assert not layout.unfinished
    assert b"".join(data[start : start + size] for start, size in layout.spans) == sound + SOUND


@given(st.lists(st.integers(-32768, 32767), max_size=50), st.integers(1, 400_000))
def test_what_is_written_is_read_by_the_standard_library(values: list[int], rate: int) -> None:
    data = wav_bytes(np.array(values, np.int16), rate)
    with wave.open(io.BytesIO(data)) as clip:
        assert clip.getparams()[:4] == (1, 2, rate, len(values))
        assert np.frombuffer(clip.readframes(len(values)), "<i2").tolist() == values


@pytest.mark.parametrize("before", range(180, 220))
def test_a_second_header_is_found_wherever_it_begins(
    before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemem.runtime.wav._SEARCHED", 100)
    head = riff(FMT, chunk(b"data", b"", 0xFFFFFFFF))
    (tmp_path / "a.wav").write_bytes(head + bytes(2 * before) + head + SOUND)
    with pytest.raises(AudioError, match="changes its format"):
        read_clip(tmp_path / "a.wav")


@given(st.data())
def test_no_damage_escapes_as_another_error(data: st.DataObject) -> None:
    whole = bytearray(WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    try:
        layout = layout_of(io.BytesIO(bytes(whole)), Path("a.wav"))
    except AudioError:
        return
    assert all(start >= 12 and start + size <= len(whole) for start, size in layout.spans)


def test_a_pipe_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    data = riff(FMT, chunk(b"data", SOUND, 0xFFFFFFFF), size=0xFFFFFFFF)
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    assert told(path)[0] == SAMPLES.tolist()
    writer.join()


def test_a_pipe_without_end_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemem.runtime.soundfiles._MOST_OF_A_PIPE", 50)
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    data = WHOLE["plain"] + bytes(100)
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    with pytest.raises(AudioError, match="is a pipe that gives more than"):
        read_clip(path)
    writer.join()


def test_blocks_are_of_the_size_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(WHOLE["pieces"])
    blocks = list(clip_blocks(tmp_path / "a.wav", 3))
    assert [len(block) for block in blocks] == [3, 3, 2]
    assert np.concatenate(blocks).tolist() == SAMPLES.tolist()
