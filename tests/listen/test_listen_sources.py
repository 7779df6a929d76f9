"""Clips by the clock, pipes and FIFOs, and the thread that reads them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.errors import AudioError
from edgemem.listen.buffer import Buffer
from edgemem.listen.sources import BLOCK, Clip, Paced, Pipe, Reader, Sound, Source, source_of

Samples = npt.NDArray[np.int16]
SOUND = (np.arange(5000) * 7 % 60000 - 30000).astype(np.int16)


def all_of(source: Source) -> Samples:
    return np.concatenate([sound.samples for sound in source.blocks(threading.Event())])


def test_a_clip_comes_in_blocks(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    sizes = [
        s.samples.size for s in Clip(write_wav(tmp_path / "a.wav", SOUND)).blocks(threading.Event())
    ]
    assert sum(sizes) == 5000 and set(sizes[:-1]) == {BLOCK}


@pytest.mark.parametrize("fast", [True, False])
def test_a_file_of_raw_samples_is_a_source(tmp_path: Path, fast: bool) -> None:
    (tmp_path / "a.raw").write_bytes(SOUND.astype("<i2").tobytes())
    np.testing.assert_array_equal(all_of(source_of(str(tmp_path / "a.raw"), fast)), SOUND)


def test_a_fifo_is_read_while_it_is_written(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    source = source_of(str(fifo), fast=False)  # before anybody writes
    data = SOUND.astype("<i2").tobytes()

    def write() -> None:
        with fifo.open("wb", buffering=0) as file:
            file.write(data[:3001])  # in the middle of a sample
            time.sleep(0.05)
            file.write(data[3001:])

    writer = threading.Thread(target=write)
    writer.start()
    np.testing.assert_array_equal(all_of(source), SOUND)
    writer.join()


class Timed:
    """Ten blocks, after some of which whoever makes them dawdles."""

    live = False

    def blocks(self, stop: threading.Event):
        for number in range(10):
            if number == 4:
                time.sleep(0.1)
            yield Sound(np.zeros(BLOCK, np.int16))


def test_pacing_is_counted_from_the_start_and_does_not_add_up() -> None:
    begun = time.monotonic()
    times = [time.monotonic() - begun for _ in Paced(Timed()).blocks(threading.Event())]
    due = [BLOCK / 16000 * (number + 1) for number in range(10)]
    assert all(got >= wanted - 1e-6 for got, wanted in zip(times, due))
    # The delay of 0.1 s is caught up: the last block is not due 0.1 s later.
    assert times[-1] - times[0] < due[-1] - due[0] + 0.09


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF....", "starts like a wav file"),
        (b"", "is empty"),
        (b"abc", "middle of a sample"),
    ],
)
def test_a_pipe_with_something_else_is_refused(content: bytes, message: str) -> None:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    with pytest.raises(AudioError, match=message):
        all_of(Pipe(os.fdopen(reading, "rb", buffering=0)))


def test_wavs_joined_by_cat_are_refused(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    first = write_wav(tmp_path / "a.wav", SOUND)
    second = write_wav(tmp_path / "b.wav", SOUND, rate=8000)
    both = tmp_path / "both.wav"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(AudioError, match="changes its format on the way"):
        source_of(str(both), fast=True)


def test_a_wav_with_a_second_format_chunk_is_refused(
    tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    path = write_wav(tmp_path / "a.wav", SOUND)
    data = path.read_bytes()
    path.write_bytes(data + data[12:36])  # its own chunk fmt once more
    with pytest.raises(AudioError, match="changes its format"):
        source_of(str(path), fast=True)


def test_a_wav_of_another_rate_is_refused_before_it_is_played(
    bare: None, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    with pytest.raises(AudioError, match="is 44100 Hz"):
        source_of(str(write_wav(tmp_path / "a.wav", SOUND, rate=44100)), fast=False)


def test_what_is_converted_is_said_once_and_before_it_is_heard(
    tmp_path: Path, write_wav: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    source = source_of(str(write_wav(tmp_path / "a.wav", SOUND, rate=8000)), fast=True)
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in told] == ["edgemem"] * 2
    assert "note: converted from 8000 Hz" in told[0] and "nothing above 4 kHz" in told[1]
    assert sum(len(sound.samples) for sound in source.blocks(threading.Event())) == 2 * len(SOUND)
    assert not capsys.readouterr().err


class Gappy:
    """Sound of which some is missing."""

    live = True

    def blocks(self, stop: threading.Event):
        yield Sound(np.zeros(100, np.int16))
        yield Sound(np.zeros(100, np.int16), missing=250, overruns=2)
        yield Sound(np.zeros(100, np.int16))


def test_positions_count_what_is_missing() -> None:
    buffer = Buffer(1000, dropping=True)
    reader = Reader(Gappy(), buffer)
    reader.start()
    found = [buffer.get(5.0) for _ in range(3)]
    reader.close()
    reader.check()
    assert [block.position for block in found if block is not None] == [0, 350, 450]
    assert (reader.missing, reader.overruns) == (250, 2)


class Broken:
    live = False

    def blocks(self, stop: threading.Event):
        yield Sound(np.zeros(100, np.int16))
        raise AudioError("broken")


def test_what_ends_a_source_is_raised_where_it_is_heard() -> None:
    buffer = Buffer(1000, dropping=False)
    reader = Reader(Broken(), buffer)
    reader.start()
    assert buffer.get(5.0) is not None
    assert buffer.get(5.0) is None and buffer.ended
    with pytest.raises(AudioError, match="broken"):
        reader.check()
    reader.close()


def test_a_reader_that_waits_for_a_pipe_can_be_stopped() -> None:
    reading, writing = os.pipe()
    reader = Reader(Pipe(os.fdopen(reading, "rb", buffering=0)), Buffer(1000, dropping=False))
    reader.start()
    reader.close()
    os.close(writing)
    assert not reader._thread.is_alive()
