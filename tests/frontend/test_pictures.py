"""The front end of the log-mel pictures, on clips that exist as picture and as wav."""

import os
from pathlib import Path

import numpy as np
import pytest

from edgemem.frontend import PICTURES
from edgemem.runtime.sources import read_clip

DATA = os.environ.get("EDGEMEM_DATA")


@pytest.mark.skipif(not DATA, reason="EDGEMEM_DATA is not set: needs clips as wav and as picture")
@pytest.mark.parametrize("word", ["yes", "stop", "left"])
def test_wavs_give_the_pictures(word: str) -> None:
    image = pytest.importorskip("PIL.Image")
    root = Path(DATA or "")
    pictures = root / "speech_commands_v0.02_logmel40" / word
    errors, correlations = [], []
    for wav in sorted((root / "speech_commands_v0.02_test" / word).glob("*.wav"))[:60]:
        picture = pictures / f"{wav.stem}.{word}.jpg"
        samples = read_clip(wav)
        if not picture.is_file() or np.trim_zeros(samples).size < 15900:
            continue  # a clip that was shorter than a second stands elsewhere in its picture
        features = PICTURES.features(samples)
        pixels = np.asarray(image.open(picture), np.float32)
        errors.append(features - pixels)
        correlations.append(np.corrcoef(features.ravel(), pixels.ravel())[0, 1])
    assert len(errors) > 20
    # One decibel is 2.3 grey levels; what is left is the JPEG.
    assert abs(np.mean(errors)) < 0.5
    assert np.sqrt(np.mean(np.square(errors))) < 5.5
    assert np.mean(correlations) > 0.99
