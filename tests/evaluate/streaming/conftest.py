"""A set of tones with noise and splits, for scenes of minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

Samples = npt.NDArray[np.int16]


@pytest.fixture
def tone_lists(
    tmp_path: Path, tone: Callable[..., Samples], write_wav: Callable[..., Path]
) -> Path:
    """Tones of half a second in lists: six of each word and split, and noise to lay them over.

    The other word of each split is a tone between those of the keywords, at several levels.
    """
    root = tmp_path / "tones"
    rng = np.random.default_rng(0)
    for name in ("val", "test"):
        rows = ["file,class"]
        for label, word in (("low", "low"), ("high", "high"), ("_unknown_", "cat")):
            for number in range(6):
                path = f"{word}/{name}{number}.wav"
                sound = 10.0 * rng.standard_normal(16000)
                sound[4000:12000] += 0.4 * tone(label, 0.5, number)
                if word == "cat":
                    sound[4000:12000] += 0.03 * number * tone("low", 0.5, number)
                write_wav(root / path, np.rint(sound).astype(np.int16))
                rows.append(f"{path},{word}")
        (root / f"{name}.csv").write_text("\n".join(rows) + "\n")
    noise = np.rint(100.0 * rng.standard_normal(16000 * 20)).astype(np.int16)
    write_wav(root / "_background_noise_" / "hiss.wav", noise)
    return root
