"""Sound from files and pipes: what is read, and what is refused in which words."""

from __future__ import annotations

import io
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import AudioError, MissingExtraError, SoundFormatError
from edgemem.runtime.sources import pcm_blocks, read_clip

SAMPLES = np.array([0, 1, -1, 32767, -32768, 256, 77], np.int16)


def write_wav(
    path: Path,
    data: bytes = SAMPLES.tobytes(),
    rate: int = 16000,
    channels: int = 1,
    width: int = 2,
) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


def test_a_wav_gives_its_samples(tmp_path: Path) -> None:
    samples = read_clip(write_wav(tmp_path / "a.wav"))
    assert samples.dtype == np.int16
    np.testing.assert_array_equal(samples, SAMPLES)


def test_flac_gives_the_same_samples(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.flac", SAMPLES, 16000, subtype="PCM_16")
    np.testing.assert_array_equal(read_clip(tmp_path / "a.flac"), SAMPLES)


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"rate": 8000}, "is 8000 Hz, 1 channel(s), 16 bits"),
        ({"channels": 2, "data": bytes(8)}, "is 16000 Hz, 2 channel(s), 16 bits"),
        ({"width": 1, "data": bytes(8)}, "is 16000 Hz, 1 channel(s), 8 bits"),
        ({"width": 3, "data": bytes(9)}, "is 16000 Hz, 1 channel(s), 24 bits"),
    ],
)
def test_without_the_extra_another_format_is_refused_with_the_remedy(
    bare: None, tmp_path: Path, changes: dict, got: str
) -> None:
    path = write_wav(tmp_path / "a.wav", **changes)
    with pytest.raises(SoundFormatError) as raised:
        read_clip(path)
    message = str(raised.value)
    assert message.startswith(f"{path} {got}; ")
    assert "expected 16000 Hz, 1 channel, 16 bits; convert it with: sox" in message
    assert "pip install 'edgemem-toolkit[audio]'" in message


def test_another_rate_can_be_asked_for(tmp_path: Path) -> None:
    assert len(read_clip(write_wav(tmp_path / "a.wav", rate=8000), 8000)) == len(SAMPLES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is truncated: it ends inside its header"),
        (b"RIFF\x00\x00", "is truncated: it ends inside its header"),
        (b"ID3\x03" + bytes(60), r"is no PCM wav file \(.*\); convert it with: sox"),
    ],
)
def test_foreign_and_headless_files_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message):
        read_clip(path)


@pytest.mark.parametrize("lost", [1, 4, 14])
def test_a_truncated_wav_is_refused(tmp_path: Path, lost: int) -> None:
    path = write_wav(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(AudioError, match=r"is truncated: its header promises 7 samples, it holds"):
        read_clip(path)


def test_no_damage_of_a_wav_escapes_as_another_error(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        data = bytearray(whole)
        data[rng.integers(0, 44)] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            read_clip(path)
        except AudioError:
            refused += 1
    assert refused > 500


def test_a_float_wav_is_refused(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    data = bytearray(path.read_bytes())
    data[20:22] = (3).to_bytes(2, "little")  # WAVE_FORMAT_IEEE_FLOAT
    path.write_bytes(data)
    with pytest.raises(AudioError, match="is no PCM wav file"):
        read_clip(path)


def test_an_empty_wav_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is empty: it holds no samples"):
        read_clip(write_wav(tmp_path / "a.wav", b""))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="cannot be read: No such file"):
        read_clip(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="cannot be read: Is a directory"):
        read_clip(tmp_path)


def test_a_damaged_flac_is_refused(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    path.write_bytes(b"fLaC" + bytes(40))
    with pytest.raises(AudioError, match="is no readable FLAC file"):
        read_clip(path)
    noise = np.random.default_rng(0).integers(-9999, 9999, 16000).astype(np.int16)
    soundfile.write(path, noise, 16000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(AudioError, match=r"is truncated|is no readable FLAC file"):
        read_clip(path)


def test_flac_without_soundfile_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtraError, match=r"the package soundfile.*edgemem-toolkit\[audio\]"):
        read_clip(tmp_path / "a.flac")


class Trickle(io.RawIOBase):
    """A pipe that hands out its bytes in pieces of given sizes."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes = data, sizes

    def read1(self, most: int) -> bytes:
        size = min(most, self.sizes.pop(0) if self.sizes else most)
        piece, self.data = self.data[:size], self.data[size:]
        return piece


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(1, 5))
def test_raw_sound_arrives_whole_however_the_pipe_cuts_it(sizes: list[int], block: int) -> None:
    samples = np.arange(-40, 40).astype(np.int16)
    blocks = list(pcm_blocks(Trickle(samples.astype("<i2").tobytes(), sizes), block))  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.concatenate(blocks), samples)
    assert all(1 <= len(got) <= block and got.dtype == np.int16 for got in blocks)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "raw sound is empty"),
        (b"\x01", "ends in the middle of a sample"),
        (bytes(7), "ends in the middle of a sample"),
        (b"RIFF" + bytes(40), "starts like a wav file; expected 16-bit PCM without a header"),
        (b"fLaC" + bytes(40), "starts like a FLAC file"),
    ],
)
def test_bad_raw_sound_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        list(pcm_blocks(io.BytesIO(data)))
