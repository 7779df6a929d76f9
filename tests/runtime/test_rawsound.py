"""Sound of another kind on a pipe is known by its first bytes, its samples and its pace; sound of
the right kind never is."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemem.errors import AudioError
from edgemem.runtime.rawsound import Looks, Pace, watched
from edgemem.runtime.sources import pcm_blocks, read_clip

RATE = 16000
RNG = np.random.default_rng(0)
TIME = np.arange(6 * RATE) / RATE


def voice() -> np.ndarray:
    """Vowels: harmonics of a voice that rises, louder and quieter."""
    pitch = np.cumsum(110 + 40 * np.sin(2 * np.pi * 0.7 * TIME)) / RATE
    sound = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 12))
    held = (2500 * sound * (0.2 + np.abs(np.sin(2 * np.pi * 1.3 * TIME)))) + 20 * RNG.normal(
        size=TIME.size
    )
    return np.rint(held).astype(np.int16)


FORMS: dict[str, Callable[[np.ndarray], bytes]] = {
    "big-endian samples": lambda x: x.astype(">i2").tobytes(),
    "32-bit floats": lambda x: (x / 32768).astype("<f4").tobytes(),
    "8-bit samples": lambda x: ((x >> 8) + 128).astype(np.uint8).tobytes(),
    "two channels": lambda x: np.repeat(x, 2).tobytes(),
    "24-bit samples": lambda x: (
        (x.astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    ),
    "two channels, or 32-bit samples": lambda x: (x.astype("<i4") << 16).tobytes(),
}  # fmt: skip


def told(data: bytes, block: int = 1600) -> list[str]:
    said: list[str] = []
    samples = pcm_blocks(io.BytesIO(data[: len(data) // 2 * 2]), block)
    heard = np.concatenate(list(watched(samples, said.append)))
    assert heard.astype("<i2").tobytes() == data[: len(data) // 2 * 2]
    return said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", [7, 1600, 100_000])
def test_another_form_is_said_once(form: str, block: int) -> None:
    (sentence,) = told(FORMS[form](voice()), block)
    assert f"looks like {form}, not like 16-bit sound" in sentence and "arecord" in sentence


RIGHT = {
    "voice": voice(),
    "silence": 0 * TIME,
    "sine": 3000 * np.sin(2 * np.pi * 440 * TIME),
    "highest sine": 9000 * np.sin(2 * np.pi * 7999 * TIME),
    "noise": 3000 * RNG.normal(size=TIME.size),
    "loud noise": RNG.uniform(-32000, 32000, TIME.size),
    "last bits": RNG.integers(-3, 4, TIME.size),
    "offset": 6000 + 50 * RNG.normal(size=TIME.size),
    "chord": sum(2000 * np.sin(2 * np.pi * f * TIME) for f in (220, 277, 330, 440)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_sound_of_the_right_form_is_never_suspected(name: str) -> None:
    samples = np.clip(np.rint(RIGHT[name]), -32768, 32767).astype("<i2")
    assert told(samples.tobytes()) == [] and told(samples[:RATE].tobytes()) == []


@pytest.mark.skipif("EDGEMEM_DATA" not in os.environ, reason="EDGEMEM_DATA names no recordings")
@pytest.mark.parametrize("name", ["speech_commands_v0.02_test", "arabic_12words"])
def test_no_recording_is_suspected_alone_or_in_a_row(name: str) -> None:
    paths = sorted((Path(os.environ["EDGEMEM_DATA"]) / name).rglob("*.wav"))[::7]
    looks = Looks()
    assert len(paths) > 500
    for path in paths:
        samples = read_clip(path)
        alone = Looks()
        assert alone.add(samples) == "" and alone.end() == "", path
        assert looks.add(samples) == "", path


# headers


def au(rate: int = RATE, channels: int = 1, encoding: int = 3, size: int = 28) -> bytes:
    head = struct.pack(">4sIIIII", b".snd", size, 0xFFFFFFFF, encoding, rate, channels)
    return head + bytes(size - 24)


@pytest.mark.parametrize("size", [24, 28, 100])
def test_an_au_header_over_the_same_sound_is_skipped(size: int) -> None:
    """What pw-record of PipeWire 1.4 writes into a pipe."""
    x = voice()[:RATE]
    heard = np.concatenate(list(pcm_blocks(io.BytesIO(au(size=size) + x.astype(">i2").tobytes()))))
    np.testing.assert_array_equal(heard, x)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (au(rate=48000), "AU file of 48000 Hz"),
        (au(channels=2), r"2 channel\(s\)"),
        (au(encoding=6), "encoding 6"),
        (au()[:20], "inside the header"),
        (b"RIFF" + bytes(60), "starts like a wav file"),
        (b"OggS" + bytes(60), "an Ogg file"),
        (b"fLaC" + bytes(60), "a FLAC file"),
        (b"ID3\4" + bytes(60), "an MP3 file"),
    ],
)
def test_files_of_another_kind_are_refused_with_the_remedy(data: bytes, complaint: str) -> None:
    with pytest.raises(AudioError, match=complaint):
        list(pcm_blocks(io.BytesIO(data)))


# pace


def said_of(rate: float, wait: float = 0.04) -> str:
    """What a writer with a clock of so many bytes a second is told."""
    pace, now = Pace(), 100.0
    for _ in range(round(16 / wait)):
        before, now = now, now + wait
        found = pace.add(round(rate * wait), before, now)
        if found:
            return found
    return ""


@pytest.mark.parametrize(
    ("rate", "what"),
    [
        (16000, "8 kHz"),
        (64000, "two channels"),
        (88200, "44.1 kHz"),
        (96000, "48 kHz"),
        (192000, "two channels at 48 kHz"),
    ],
)
def test_seconds_of_sound_against_the_clock(rate: float, what: str) -> None:
    assert what in said_of(rate)


@pytest.mark.parametrize("rate", [32000, 31500, 32700, 25000, 41000])
def test_a_pace_that_fits_nothing_else_is_not_suspected(rate: float) -> None:
    assert said_of(rate) == ""


def test_a_file_has_no_pace() -> None:
    """All of it is there at once: nobody waits."""
    pace = Pace()
    assert not [n for n in range(2000) if pace.add(64000, n * 0.01, n * 0.01 + 0.0001)]
