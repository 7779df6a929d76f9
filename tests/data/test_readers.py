"""One file to one clip's features."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data.readers import (
    ArrayReader,
    PictureReader,
    SoundReader,
    declared,
    fit,
    frontend_of,
    piece,
    reader_for,
    scaled,
)
from edgemem.data.types import Cut
from edgemem.errors import AudioError, ConfigError, DataError, MissingExtraError, UnknownNameError
from edgemem.frontend import PICTURES, RECORDINGS, FrontEnd

Samples = npt.NDArray[np.int16]
SMALL = FrontEnd(n_mels=4, f_max=8000.0)


def test_a_short_clip_gets_zeros_a_long_one_loses_its_end() -> None:
    samples = np.array([1, 2, 3], np.int16)
    assert fit(samples, 5).tolist() == [1, 2, 3, 0, 0]
    assert fit(samples, 2).tolist() == [1, 2]
    assert fit(samples, 5).dtype == np.int16


def test_scaling_rounds_and_limits() -> None:
    samples = np.array([-3, 3, 20000, -20000], np.int16)
    assert scaled(samples, 0.5).tolist() == [-2, 2, 10000, -10000]  # half to even
    assert scaled(samples, 2.0).tolist() == [-6, 6, 32767, -32768]


def test_a_piece_is_cut_scaled_and_fitted() -> None:
    samples = np.arange(10, dtype=np.int16)
    assert piece(samples, Cut(2, 3.0), 4).tolist() == [6, 9, 12, 15]
    assert piece(samples, Cut(8, 1.0), 4).tolist() == [8, 9, 0, 0]
    assert piece(samples, None, 3).tolist() == [0, 1, 2]


def test_sound_goes_through_the_front_end(
    tmp_path: Path, noise: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    samples = noise(1, 9000)
    reader = SoundReader(SMALL, 16000)
    features = reader.read(write_wav(tmp_path / "a.wav", samples))
    padded = np.concatenate([samples, np.zeros(7000, np.int16)])
    assert features.shape == reader.shape == (98, 4)
    np.testing.assert_array_equal(features, SMALL.features(padded))


def test_flac_is_read_as_wav_is(tmp_path: Path, noise: Callable[..., Samples]) -> None:
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed")
    soundfile.write(tmp_path / "a.flac", noise(1), 16000, subtype="PCM_16")
    features = SoundReader(SMALL, 16000).read(tmp_path / "a.flac")
    np.testing.assert_array_equal(features, SMALL.features(noise(1)))


def test_keys_tell_front_ends_kinds_and_lengths_apart() -> None:
    readers = [
        reader_for(kind, frontend, length)
        for kind in ("sound", "picture", "array")
        for frontend in (SMALL, PICTURES)
        for length in (16000, 8000)
    ]
    assert len({reader.key for reader in readers}) == len(readers)


def write_picture(path: Path, pixels: npt.NDArray[np.uint8]) -> Path:
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    image.fromarray(pixels).save(path)
    return path


def test_a_picture_is_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (98, 40)).astype(np.uint8)
    path = write_picture(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(PictureReader(PICTURES, 98).read(path), pixels)


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_damaged_picture_is_refused(tmp_path: Path, keep: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (98, 40)).astype(np.uint8)
    path = write_picture(tmp_path / "a.jpg", pixels)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="damaged picture"):
        PictureReader(PICTURES, 98).check(path)


@pytest.mark.parametrize("shape", [(97, 40), (98, 40, 3)])
def test_a_picture_of_another_size_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_picture(tmp_path / "a.png", np.zeros(shape, np.uint8))
    sizes = "x".join(map(str, shape))
    with pytest.raises(DataError, match=f"picture of {sizes} values .* expected 98x40"):
        PictureReader(PICTURES, 98).read(path)


def test_a_picture_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_picture(tmp_path / "a.png", np.zeros((98, 40), np.uint8))
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="far too large"):
        PictureReader(PICTURES, 98).read(path)


def test_a_constant_picture_is_refused(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", np.full((98, 40), 9, np.uint8))
    with pytest.raises(DataError, match="constant"):
        PictureReader(PICTURES, 98).read(path)


def test_pictures_need_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *args: object, **more: object) -> object:
        if name.startswith("PIL"):
            raise ImportError(name)
        return imported(name, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"edgemem-toolkit\[train\]"):
        PictureReader(PICTURES, 98).read(tmp_path / "a.jpg")


def test_an_array_is_its_values(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((98, 4))
    np.save(tmp_path / "a.npy", values)
    read = ArrayReader(SMALL, 98).read(tmp_path / "a.npy")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, values.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((97, 4)), "array of 97x4 values"),
        (np.full((98, 4), np.nan), "no finite numbers"),
        (np.full((98, 4), "x"), "no finite numbers"),
        (np.full((98, 4), None), "damaged array file"),  # would need pickle
    ],
)
def test_arrays_that_cannot_be_used(
    tmp_path: Path, values: npt.NDArray[np.generic], message: str
) -> None:
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DataError, match=message):
        ArrayReader(SMALL, 98).check(tmp_path / "a.npy")


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x08\x00{'descr'"])
def test_damaged_arrays_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(DataError, match="damaged array file"):
        ArrayReader(SMALL, 98).read(tmp_path / "a.npy")


def test_sound_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(AudioError):
        SoundReader(SMALL, 16000).check(tmp_path / "a.wav")


def test_a_front_end_is_declared_by_name_or_file(tmp_path: Path) -> None:
    assert declared("pictures") == PICTURES
    path = tmp_path / "frontend.json"
    path.write_text(json.dumps(SMALL.to_dict()))
    assert declared(path) == SMALL


def test_a_set_may_declare_its_front_end(tmp_path: Path) -> None:
    (tmp_path / "frontend.json").write_text(json.dumps({**SMALL.to_dict(), "stack": 2}))
    assert frontend_of(tmp_path, "picture", None) == SMALL
    assert frontend_of(tmp_path, "picture", PICTURES) == PICTURES
    assert frontend_of(tmp_path / "set.npz", "array", None) == SMALL


def test_sound_has_a_default_and_features_have_none(tmp_path: Path) -> None:
    assert frontend_of(tmp_path, "sound", None) == RECORDINGS
    with pytest.raises(DataError, match=r"no frontend\.json .* add that file"):
        frontend_of(tmp_path, "picture", None)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("{", ConfigError, "does not hold JSON"),
        ("[1]", ConfigError, "no JSON object"),
        ('{"n_melts": 4}', ConfigError, "unknown field 'n_melts'"),
        (None, UnknownNameError, "no front end"),
    ],
)
def test_front_ends_that_cannot_be_read(
    tmp_path: Path, text: str | None, error: type[Exception], message: str
) -> None:
    if text is not None:
        (tmp_path / "f.json").write_text(text)
    with pytest.raises(error, match=message):
        declared(tmp_path / "f.json")
