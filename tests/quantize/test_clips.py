from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemem.errors import DataError
from edgemem.frontend import FrontEnd
from edgemem.quantize.clips import sequences

FRONTEND = FrontEnd(n_mels=4, stack=2)
NOISE = np.random.default_rng(1).integers(-9000, 9000, 16000).astype(np.int16)


def test_streams_recordings_one_after_the_other(
    tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(0)
    sounds = [rng.integers(-9000, 9000, 8000).astype(np.int16) for _ in range(3)]
    for number, sound in enumerate(sounds):
        write_wav(tmp_path / "word" / f"{number}.wav", sound)
    found, skipped = sequences(tmp_path, FRONTEND)
    assert not skipped
    whole = FRONTEND.features(np.concatenate(sounds))
    flat = found.reshape(-1, FRONTEND.n_features)
    np.testing.assert_array_equal(flat, whole[: len(flat)])
    assert found.dtype == np.float32 and len(whole) - len(flat) < found.shape[1]


def test_one_file_is_enough(tmp_path: Path, write_wav: Callable[..., Path]) -> None:
    path = write_wav(tmp_path / "a.wav", NOISE)
    assert sequences(path, FRONTEND)[0].shape[0] == 1


def test_names_the_recordings_that_cannot_be_used(
    tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    write_wav(tmp_path / "good.wav", NOISE)
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    found, skipped = sequences(tmp_path, FRONTEND)
    assert found.size
    assert len(skipped) == 1 and "bad.wav is truncated" in skipped[0]


def test_says_why_there_is_nothing_to_calibrate_on(
    bare: None, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    with pytest.raises(DataError, match="expected wav or FLAC"):
        sequences(tmp_path, FRONTEND)
    write_wav(tmp_path / "slow.wav", np.ones(8000, np.int16), rate=8000)
    with pytest.raises(DataError, match="8000 Hz"):
        sequences(tmp_path, FRONTEND)


@pytest.mark.parametrize("offset", [0, 500])
def test_refuses_recordings_that_never_leave_silence(
    offset: int, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    # the noise of a microphone with its offset, and digital silence
    quiet = np.random.default_rng(0).integers(-20, 21, 16000) + offset
    write_wav(tmp_path / "quiet.wav", quiet.astype(np.int16))
    write_wav(tmp_path / "nothing.wav", np.zeros(16000, np.int16))
    with pytest.raises(DataError, match="never leave silence: none swings by more than 40 of"):
        sequences(tmp_path, FRONTEND)
    write_wav(tmp_path / "word.wav", NOISE)
    assert sequences(tmp_path, FRONTEND)[0].size
