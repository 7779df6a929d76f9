"""Small data sets whose classes can be told apart, for tests of training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgemem.data import Clips, DataSet
from edgemem.data.protocols import SILENCE
from edgemem.data.types import Report
from edgemem.frontend import FrontEnd

N_FRAMES, N_BANDS = 12, 8

Maker = Callable[..., DataSet]


def clips_of(labels: np.ndarray, words: tuple[str, ...], rng: np.random.Generator) -> Clips:
    """Clips in dB whose late frames are loud in the band of their word; silence is quiet."""
    features = rng.normal(-50.0, 3.0, (len(labels), N_FRAMES, N_BANDS))
    for row, label in enumerate(labels):
        if words[label] != SILENCE:
            features[row, 4:, label * N_BANDS // len(words)] += 30.0
    names = tuple(f"{row:04d}" for row in range(len(labels)))
    return Clips(features.astype(np.float32), labels.astype(np.int64), names)


@pytest.fixture(scope="session")
def made_set() -> Maker:
    """``made_set(words, train=..., background=...)``: clips a label and pieces of noise."""

    def make(
        words: tuple[str, ...] = ("a", "b", "c", "d"),
        train: int | tuple[int, ...] = 40,
        validation: int = 10,
        background: int = 0,
        seed: int = 0,
    ) -> DataSet:
        rng = np.random.default_rng(seed)
        counts = (train,) * len(words) if isinstance(train, int) else train
        wanted = np.repeat(np.arange(len(words)), counts)
        held = np.repeat(np.arange(len(words)), validation)
        noise = rng.normal(-50.0, 3.0, (background, N_FRAMES, N_BANDS)).astype(np.float32)
        empty = clips_of(wanted[:0], words, rng)
        return DataSet(
            labels=words,
            protocol="folders",
            frontend=FrontEnd(n_mels=N_BANDS),
            train=clips_of(rng.permutation(wanted), words, rng),
            validation=clips_of(rng.permutation(held), words, rng),
            test=empty,
            background=noise,
            report=Report(),
        )

    return make
