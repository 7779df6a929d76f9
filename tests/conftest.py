"""Small sound and a small network that hears it, for tests of the device road."""

from __future__ import annotations

import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.cells import Dense
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample, save
from edgemem.runtime.rule import DetectorConfig

Samples = npt.NDArray[np.int16]

# Centres of the first, second and fourth of four mel bands over 0-8,000 Hz.
TONES = {"_silence_": 0.0, "_unknown_": 1218.0, "low": 459.0, "high": 4558.0}
TONE_LABELS = tuple(TONES)
TONE_FRONTEND = FrontEnd(n_mels=4, f_max=8000.0)
TONE_RULE = DetectorConfig(window=4, threshold=0.9, release=0.5, refractory=0.1)


@pytest.fixture
def tone() -> Callable[..., Samples]:
    """``tone(label, seconds)``: the tone of a label, or silence, with a little noise."""

    def make(label: str, seconds: float = 1.0, seed: int = 0) -> Samples:
        rng = np.random.default_rng(seed)
        t = np.arange(round(16000 * seconds)) / 16000
        pure = 12000 * np.sin(2 * np.pi * TONES[label] * t)
        return np.asarray(pure + rng.standard_normal(t.size)).astype(np.int16)

    return make


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the extra audio was not installed."""
    for name in ("soundfile", "soxr"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def write_wav() -> Callable[..., Path]:
    """``write_wav(path, samples, rate=16000, channels=1)``."""

    def write(path: Path, samples: Samples, rate: int = 16000, channels: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.astype("<i2").tobytes())
        return path

    return write


@pytest.fixture
def tone_model() -> Model:
    """A network of one layer without memory that knows silence and three tones."""
    weights = np.zeros((4, 4))
    weights[1, 1] = weights[2, 0] = weights[3, 3] = 0.5
    none = Sample(np.zeros((0, 1, 4), np.float32), np.zeros(0, np.int64))
    return Model(
        name="tones",
        frontend=TONE_FRONTEND,
        cell=Dense(4, 4),
        params={"W": weights, "b": np.array([0.0, 20.0, 20.0, 20.0])},
        labels=TONE_LABELS,
        protocol="folders",
        detector=TONE_RULE,
        calibration=none,
        validation=none,
        card={"data": "tones"},
    )


@pytest.fixture
def tone_file(tone_model: Model, tmp_path: Path) -> Path:
    """The file of that network."""
    save(tone_model, tmp_path / "tones.model")
    return tmp_path / "tones.model"


@pytest.fixture
def tone_set(tmp_path: Path, tone: Callable[..., Samples], write_wav: Callable[..., Path]) -> Path:
    """Three clips of each tone in the layout of Speech Commands' test archive."""
    root = tmp_path / "set"
    for label in TONES:
        word = "cat_" if label == "_unknown_" else ""
        for number in range(3):
            name = f"{number}.wav" if label == "_silence_" else f"{word}ab{number}_nohash_0.wav"
            write_wav(root / label / name, tone(label, seed=number))
    return root
