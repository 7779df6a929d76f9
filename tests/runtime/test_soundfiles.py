"""Sound of any rate, width, channel count and container, as a network hears it."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from edgemem.errors import AudioError, SoundFormatError
from edgemem.runtime.soundfiles import ENDINGS, Notes, about
from edgemem.runtime.sources import clip_blocks, read_clip

TONE = 1000.0
AMPLITUDE = 0.5

# Containers that keep what is written, one of their subtypes each is enough: libsndfile is tested
# elsewhere.
# Error of each width, full scale being 1: of the coarsest, a step of 1/128 or of a logarithm.
WIDTHS = {
    "PCM_U8": 0.01,
    "ULAW": 0.02,
    "ALAW": 0.02,
    **dict.fromkeys(["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"], 1e-4),
}
LOSSLESS = ["WAV", "WAVEX", "FLAC", "AIFF", "AU", "CAF", "W64", "RF64"]
# Name endings that libsndfile's containers go by, where it is not that of the container.
LOSSY = [("OGG", "VORBIS", ".ogg"), ("OGG", "OPUS", ".opus"), ("MP3", "MPEG_LAYER_III", ".mp3")]


def tone(rate: float, seconds: float = 1.0) -> npt.NDArray[np.float64]:
    t = np.arange(round(rate * seconds)) / rate
    return AMPLITUDE * np.sin(2 * np.pi * TONE * t)


def assert_is_the_tone(samples: npt.NDArray[np.int16], error: float) -> None:
    """A second of it at 16 kHz: not early, not late, as loud; the ends may ring."""
    assert samples.dtype == np.int16
    assert len(samples) == 16000
    wrong = samples / 32768.0 - tone(16000)
    assert np.abs(wrong[800:-800]).max() < error


@pytest.mark.parametrize("container", LOSSLESS)
def test_every_container_gives_the_same_samples(container: str, tmp_path: Path) -> None:
    sound = np.random.default_rng(0).integers(-9999, 9999, 3000).astype(np.int16)
    path = tmp_path / "a.bin"
    soundfile.write(path, sound, 16000, "PCM_16", format=container)
    np.testing.assert_array_equal(read_clip(path), sound)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_rate_is_resampled(rate: int, channels: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.repeat(tone(rate)[:, None], channels, axis=1), rate, "PCM_24")
    assert_is_the_tone(read_clip(path), 1e-3)


@pytest.mark.parametrize("subtype", sorted(WIDTHS))
def test_every_width_of_a_wav_is_heard(subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000), 16000, subtype)
    assert_is_the_tone(read_clip(path), WIDTHS[subtype])


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_sound_in_packets_is_heard_to_the_end_of_the_last(subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000), 16000, subtype)
    assert_is_the_tone(read_clip(path)[:16000], 0.1)


@pytest.mark.parametrize(("container", "subtype", "ending"), LOSSY)
def test_lossy_sound_is_heard(container: str, subtype: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    soundfile.write(path, tone(48000, 2.0), 48000, subtype, format=container)
    samples = read_clip(path)[8000:24000] / 32768.0
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() == TONE
    assert spectrum.max() / 8000 == pytest.approx(AMPLITUDE, rel=0.1)
    assert path.suffix in ENDINGS


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    both = np.array([[100, 300], [-8, 8], [32767, 32767], [-5, -7]], np.int16)
    soundfile.write(path, both, 16000, "PCM_16")
    assert read_clip(path).tolist() == [200, 0, 32767, -6]


def test_loud_floats_are_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.array([2.0, -2.0, 0.5]), 16000, "FLOAT")
    assert read_clip(path).tolist() == [32767, -32768, 16384]


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.array([0.5, np.nan, 0.5]), 16000, "FLOAT")
    with pytest.raises(AudioError, match="holds values that are no finite numbers"):
        read_clip(path)


def test_a_stream_of_another_format_is_heard_too(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    stereo = np.repeat(tone(48000)[:, None], 2, axis=1)
    sound = np.rint(stereo * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 2, 48000, 192000, 4, 16)
    head = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", 16) + form
    path.write_bytes(head + b"data\xff\xff\xff\xff" + sound)
    notes = Notes(16000)
    assert_is_the_tone(read_clip(path, notes=notes), 1e-3)
    assert len(notes.lines()) == 2


def test_blocks_are_the_same_sound_and_never_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(44100), 44100, "PCM_24")
    blocks = list(clip_blocks(path, 1000))
    assert max(map(len, blocks)) <= 1000
    np.testing.assert_array_equal(np.concatenate(blocks), read_clip(path))


def test_notes_are_one_a_kind(tmp_path: Path) -> None:
    notes = Notes(16000)
    for number, (rate, channels) in enumerate([(8000, 1), (8000, 1), (48000, 2), (16000, 1)]):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.zeros((100, channels), np.int16), rate, "PCM_16")
        read_clip(path, notes=notes)
    first, second = notes.lines()
    assert first == (
        "converted from 48000 Hz, 2 channel(s), 16 bits / 8000 Hz, 1 channel(s), 16 bits to "
        f"16000 Hz, 1 channel: {tmp_path}/0.wav and 2 more"
    )
    assert second == f"nothing above 4 kHz is in {tmp_path}/0.wav and 1 more"


def test_headers_alone_tell_the_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((1000, 2)), 8000, "PCM_24")
    soundfile.write(tmp_path / "a.flac", np.zeros(4000), 16000, "PCM_16")
    found = about(tmp_path / "a.wav")
    assert (found.rate, found.channels, found.width, found.seconds) == (8000, 2, "24 bits", 0.125)
    assert about(tmp_path / "a.flac").seconds == 0.25


@pytest.mark.parametrize("missing", ["soundfile", "soxr"])
def test_either_package_missing_names_the_extra(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", tone(8000), 8000, "PCM_16")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SoundFormatError, match=r"is 8000 Hz.*'edgemem-toolkit\[audio\]'"):
        read_clip(tmp_path / "a.wav")


@pytest.mark.usefixtures("bare")
def test_another_container_without_the_extra_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.ogg").write_bytes(b"OggS" + bytes(60))
    with pytest.raises(SoundFormatError, match=r"is no PCM wav file.*edgemem-toolkit\[audio\]"):
        read_clip(tmp_path / "a.ogg")


def flac_that_promises(path: Path, frames: int) -> None:
    """STREAMINFO: after 4 + 4 + 10 bytes 20 bits of rate, 3, 5, then 36 bits of frames."""
    soundfile.write(path, np.zeros(4000, np.int16), 16000, "PCM_16", format="FLAC")
    data = bytearray(path.read_bytes())
    word = int.from_bytes(data[18:26], "big")
    data[18:26] = (word >> 36 << 36 | frames).to_bytes(8, "big")
    path.write_bytes(data)


@pytest.mark.parametrize("frames", [2**36 - 1, 2**34, 4001])
def test_an_absurd_length_of_a_flac_takes_no_memory(frames: int, tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.flac"
    flac_that_promises(path, frames)
    tracemalloc.start()
    try:
        with pytest.raises(AudioError, match=r"is truncated: its header promises|no readable FLAC"):
            read_clip(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_flac_out_of_a_pipe_gives_no_length_and_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    flac_that_promises(path, 0)
    notes = Notes(16000)
    assert read_clip(path, notes=notes).tolist() == [0] * 4000
    assert "its header gives no length" in notes.lines()[0]


def test_an_au_out_of_a_pipe_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.au"
    sound = np.arange(-50, 50).astype(np.int16)
    head = struct.pack(">IIIII", 24, 0xFFFFFFFF, 3, 16000, 1)
    path.write_bytes(b".snd" + head + sound.astype(">i2").tobytes())
    assert read_clip(path).tolist() == sound.tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("container", [*LOSSLESS, "OGG", "MP3"])
def test_no_damage_escapes_as_another_error_or_as_a_traceback(
    container: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / f"a.{container.lower()}"
    soundfile.write(path, rng.uniform(-0.5, 0.5, 2000), 16000, format=container)
    whole = path.read_bytes()
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for place in rng.integers(0, min(100, len(data)), rng.integers(1, 4)):
            data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(0, 256)])
        path.write_bytes(data[: rng.integers(1, len(data))] if rng.uniform() < 0.3 else data)
        try:
            read_clip(path)
        except AudioError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 20
    assert "Traceback" not in capfd.readouterr().err


def test_hours_in_few_bytes_are_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(500_000, np.int16), 16000, "PCM_16")
    assert len(read_clip(path)) == 500_000
    monkeypatch.setattr("edgemem.runtime.sources.MOST", 100_000)
    with pytest.raises(AudioError, match="more than 6 s of sound in few bytes"):
        read_clip(path)
    assert sum(map(len, clip_blocks(path))) == 500_000
